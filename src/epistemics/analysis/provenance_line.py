"""The line below a figure or table: its data, the function that made it and the runs behind it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from epistemics.analysis.stored_runs import Results


def provenance(drew: Callable[..., object], *tables: str, runs: Sequence[Results] = ()) -> None:
    """Print the line below a figure or table: its data, the function that made it and the runs behind it.

    Args:
        drew: the function that made it, itself, so that a line can name none that there is not.
        tables: names of those shown, as in ``data/``: ``phase_1_2.moments``.
        runs: the results behind them, where there are any.
    """
    data = ", ".join(f"[{table}.csv](../data/{table}.csv)" for table in tables)
    source, page = (
        f"{drew.__module__}.{drew.__qualname__}".removeprefix("epistemics.").removeprefix("chapters."),
        source_page(drew.__module__),
    )
    parts = [f"Data: {data}", f"Source: [{source}](../{page}#{drew.__qualname__})"]
    if behind := [run for results in runs for run in results]:
        counts = Counter(run.run.experiment for run in behind)
        shown = ", ".join(f"[{count} of {name}](runs.qmd#sec-runs-{name})" for name, count in counts.items())
        stale = sum(run.stale for run in behind)
        marked = f" **{stale} of them stale: their code has changed since.**" if stale else ""
        parts.append(f"Runs: {shown}.{marked}")
    sys.stdout.write(f"::: {{.provenance}}\n{' · '.join(parts)}\n:::\n")


def source_page(module: str) -> Path:
    """Where the page of a module lies in the project, given as ``epistemics.science.training``."""
    return Path(f"data/source/{module}.html")
