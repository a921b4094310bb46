"""What ties a chapter to the results that it shows: the line below a figure, and the key of all it depends on."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from epistemics.fingerprint import reached_from
from epistemics.project import Project
from epistemics.results import Results
from epistemics.runs import status
from epistemics.specs import CLAIMS, experiment_names, load_experiment
from epistemics.store import Store


def provenance(table: str, source: str, *results: Results) -> None:
    """Print the line below a figure or table: its data, the function that made it and the runs behind it.

    Args:
        table: name of the table shown, as in ``data/``: ``phase_1_2.moments``.
        source: the function in this package: ``figures.phase_1_2.resistance_along_training``.
        results: the runs, where there are any.
    """
    module = source.rpartition(".")[0].replace(".", "/")
    parts = [f"Data: [{table}.csv](../data/{table}.csv)", f"Source: [{source}](../src/epistemics/{module}.py)"]
    if behind := [run for several in results for run in several]:
        counts = Counter(run.run.experiment for run in behind)
        shown = ", ".join(f"[{count} of {name}](runs.qmd#sec-runs-{name})" for name, count in counts.items())
        stale = sum(run.stale for run in behind)
        marked = f" **{stale} of them stale: their code has changed since.**" if stale else ""
        parts.append(f"Runs: {shown}.{marked}")
    sys.stdout.write(f"::: {{.provenance}}\n{' · '.join(parts)}\n:::\n")


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
        for name in experiment_names(project.experiments):
            if f"'{name}'" in sources or f'"{name}"' in sources:
                planned = load_experiment(project.experiments, name, project.profile).runs
                parts.append((project.experiments / f"{name}.yaml").read_text(encoding="utf-8"))
                for s in status(planned, store):
                    parts.append(f"{s.run.key} {store.content(s.run.key)}{f' {s.state}' if s.state in states else ''}")
        if "claims.load_claims" in reached:
            parts.append((project.experiments / CLAIMS).read_text(encoding="utf-8"))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    return key
