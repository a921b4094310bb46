"""The key of all that a chapter's output depends on besides its text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from epistemics.declared.experiments import CLAIMS, experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.lab.status import status
from epistemics.store.fingerprint import reached_from
from epistemics.store.store import Store


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
        every = "analysis.stored_runs.load_every" in reached
        for name in experiment_names(project.experiments):
            if every or f"'{name}'" in sources or f'"{name}"' in sources:
                planned = load_experiment(project.experiments, name, project.profile).runs
                parts.append((project.experiments / f"{name}.yaml").read_text(encoding="utf-8"))
                for s in status(planned, store):
                    parts.append(f"{s.run.key} {store.content(s.run.key)}{f' {s.state}' if s.state in states else ''}")
        if "analysis.claims.load_claims" in reached:
            parts.append((project.experiments / CLAIMS).read_text(encoding="utf-8"))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    return key
