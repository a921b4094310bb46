"""What ties a chapter to the results that it shows: the line below a figure, and the key of all it depends on."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from epistemics.fingerprint import reached_from
from epistemics.project import Project
from epistemics.results import Results
from epistemics.runs import status
from epistemics.specs import CLAIMS, experiment_names, load_experiment
from epistemics.store import Store


def provenance(drew: Callable[..., object], *tables: str, runs: Sequence[Results] = ()) -> None:
    """Print the line below a figure or table: its data, the function that made it and the runs behind it.

    Args:
        drew: the function that made it, itself, so that a line can name none that there is not.
        tables: names of those shown, as in ``data/``: ``phase_1_2.moments``.
        runs: the results behind them, where there are any.
    """
    data = ", ".join(f"[{table}.csv](../data/{table}.csv)" for table in tables)
    source, page = f"{drew.__module__}.{drew.__qualname__}".removeprefix("epistemics."), source_page(drew.__module__)
    parts = [f"Data: {data}", f"Source: [{source}](../{page}#{drew.__qualname__})"]
    if behind := [run for results in runs for run in results]:
        counts = Counter(run.run.experiment for run in behind)
        shown = ", ".join(f"[{count} of {name}](runs.qmd#sec-runs-{name})" for name, count in counts.items())
        stale = sum(run.stale for run in behind)
        marked = f" **{stale} of them stale: their code has changed since.**" if stale else ""
        parts.append(f"Runs: {shown}.{marked}")
    sys.stdout.write(f"::: {{.provenance}}\n{' · '.join(parts)}\n:::\n")


def source_page(module: str) -> Path:
    """Where the page of a module lies in the project, given as ``epistemics.figures.joint``; see ``source_pages``."""
    return Path(f"data/source/{module}.html")


def chapter_key(project: Project, states: tuple[str, ...] = ("stale",)) -> Callable[[Path, list[str]], str]:
    """A function from a chapter's path and code cells to what its output depends on besides them.

    That is the source that the cells reach in this package, the experiment files and results that either names, and
    the log's claims where they are read. Two equal keys promise equal outputs; a change of prose changes none.

    Args:
        states: those of a result that make a difference. A stale one is marked where it is shown; chapters show an
            adopted one as it was, and only the data of the list of runs tell it from a fresh one.
    """
    store = Store(project.results)

    def key(_: Path, cells: list[str]) -> str:
        text = "\n".join(cells)
        reached = reached_from(text)
        parts = [f"profile {project.profile}"] + [f"{name}\0{source}" for name, source in sorted(reached.items())]
        sources = "\n".join([text, *reached.values()])
        every = "results.load_every" in reached
        for name in experiment_names(project.experiments):
            if every or f"'{name}'" in sources or f'"{name}"' in sources:
                planned = load_experiment(project.experiments, name, project.profile).runs
                parts.append((project.experiments / f"{name}.yaml").read_text(encoding="utf-8"))
                for s in status(planned, store):
                    parts.append(f"{s.run.key} {store.content(s.run.key)}{f' {s.state}' if s.state in states else ''}")
        if "claims.load_claims" in reached:
            parts.append((project.experiments / CLAIMS).read_text(encoding="utf-8"))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    return key
