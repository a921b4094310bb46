"""The line below a figure or table: its data, the function that made it and the runs behind it.

What stands in the line is known by what is shown: a function that is ``traced`` marks what it makes with itself and the
tables that it was given, and a table that is ``published`` knows its name and its runs. So a line can name no others.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from epistemics.analysis.tables import Table

if TYPE_CHECKING:  # the list of chapters imports this, and shall stay quick to import
    from epistemics.analysis.stored_runs import Results


@dataclass(frozen=True)
class Origin:
    """Where a figure or a table of a page comes from."""

    made_by: Callable[..., object]
    data: tuple[str, ...]
    """The names of the tables that it shows, as in ``data/``: ``phase_1_2.moments``."""
    runs: tuple[Results, ...] = ()
    """The results behind them, where there are any."""


class Displayed(Protocol):
    """What a cell of a chapter shows."""

    origin: Origin | None


Parameters = ParamSpec("Parameters")
Display = TypeVar("Display", bound=Displayed)


def traced(make: Callable[Parameters, Display]) -> Callable[Parameters, Display]:
    """A function that draws tables, or prints them: what it makes knows it and the tables that it was given."""

    @wraps(make)
    def making(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Display:
        shown = make(*args, **kwargs)
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, Table)]
        runs = {id(results): results for table in given for results in table.behind}  # each once
        shown.origin = Origin(make, tuple(table.name for table in given), tuple(runs.values()))
        return shown

    return making


def published(module: str, tables: Mapping[str, Table], *behind: Results) -> dict[str, Table]:
    """Tables that know their names, as readers get them in ``data/``, and the runs behind them.

    Args:
        module: ``__name__`` of a module in the chapter's folder.
        tables: by their names within the chapter.
        behind: the results that all of these tables are made of.
    """
    chapter = module.removeprefix("epistemics.chapters.").partition(".")[0]
    return {name: replace(table, name=f"{chapter}.{name}", behind=behind) for name, table in tables.items()}


def provenance(shown: Displayed) -> None:
    """Print the line below a figure or table.

    Args:
        shown: it; in a cell below it this is ``_``, the last thing shown.

    Raises:
        ValueError: if it does not know its origin, or was drawn from a table that is published nowhere.
    """
    origin = getattr(shown, "origin", None)
    if origin is None:
        raise ValueError(f"the cell above shows a {type(shown).__name__}, made by no function that is `traced`")
    made_by = origin.made_by
    if not all(origin.data):
        raise ValueError(
            f"{made_by.__qualname__} was given a table without a name: take it from the chapter's tables()"
        )
    data = ", ".join(f"[{table}.csv](../data/{table}.csv)" for table in origin.data)
    source, page = (
        f"{made_by.__module__}.{made_by.__qualname__}".removeprefix("epistemics.").removeprefix("chapters."),
        source_page(made_by.__module__),
    )
    parts = [f"Data: {data}", f"Source: [{source}](../{page}#{made_by.__qualname__})"]
    if origin.runs:
        parts.append(_runs(origin.runs))
    sys.stdout.write(f"::: {{.provenance}}\n{' · '.join(parts)}\n:::\n")


def _runs(results: Sequence[Results]) -> str:
    behind = [run for each in results for run in each]
    counts = Counter(run.run.experiment for run in behind)
    shown = ", ".join(f"[{count} of {name}](runs.qmd#sec-runs-{name})" for name, count in counts.items())
    stale = sum(run.stale for run in behind)
    marked = f" **{stale} of them stale: their code has changed since.**" if stale else ""
    return f"Runs: {shown}.{marked}"


def source_page(module: str) -> Path:
    """Where the page of a module lies in the project, given as ``epistemics.science.training``."""
    return Path(f"data/source/{module}.html")
