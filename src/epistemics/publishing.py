"""What a render needs of the results before it starts: variables for prose, CSV files for readers, chapter keys.

``prepare`` runs before Quarto and before the embedded renderer alike, so both show the same numbers.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from epistemics.experiments import code, joint, ledger, phase_1_1, phase_1_2, precision, runs
from epistemics.fingerprint import reached_from
from epistemics.project import Project
from epistemics.results import Results, load_results
from epistemics.runs import status
from epistemics.specs import CLAIMS, experiment_names, load_experiment
from epistemics.store import Store, write_atomically
from epistemics.tables import Table


def write_variables_and_data(project: Project) -> list[Path]:
    """Write ``_variables.yml`` and ``data/*.csv`` from the store; returns the files that changed.

    A file whose content would be the same is left alone, so that a render sees no change.

    Raises:
        IncompleteResults: if a result that the book needs is not stored.
    """
    names = ("phase-1-1", "phase-1-2", "joint", "precision")
    one, two, both, three = (load_results(name, project) for name in names)
    claims = {claim.id: claim for claim in ledger.claims_of(project)}
    judgements = ledger.judgements(one, two, both, project)
    variables = {
        "profile": project.profile,
        "phase_1_1": phase_1_1.numbers(one, claims),
        "phase_1_2": phase_1_2.numbers(two, claims),
        "joint": joint.numbers(both, two, claims),
        "precision": precision.numbers(three),
        "ledger": ledger.numbers(judgements),
        "runs": {
            "phase_1_1": runs.numbers(one),
            "phase_1_2": runs.numbers(two),
            "joint": runs.numbers(both),
            "precision": runs.numbers(three),
        },
    }
    tables = {
        **_named("phase_1_1", phase_1_1.tables(one)),
        **_named("phase_1_2", phase_1_2.tables(two)),
        **_named("joint", joint.tables(both)),
        **_named("code", code.tables()),
        **_named("precision", precision.tables(three)),
        "ledger.judgements": ledger.table(judgements),
        "runs.phase_1_1": runs.runs(one),
        "runs.phase_1_2": runs.runs(two),
        "runs.joint": runs.runs(both),
        "runs.precision": runs.runs(three),
    }
    text = "# Written by `epistemics prepare` from the result store.\n"
    text += yaml.safe_dump(variables, allow_unicode=True, sort_keys=True, width=10_000)
    written = _written(project.folder / "_variables.yml", text)
    for name, table in tables.items():
        written += _written(project.folder / "data" / f"{name}.csv", table.to_csv())
    return written


def _named(chapter: str, tables: dict[str, Table]) -> dict[str, Table]:
    return {f"{chapter}.{name}": table for name, table in tables.items()}


def _written(path: Path, text: str) -> list[Path]:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())  # a render of another process may be reading it
    return [path]


def provenance(table: str, source: str, results: Results | None = None) -> None:
    """Print the line below a figure or table: its data, the function that made it and the runs behind it.

    Args:
        table: name of the table shown, as in ``data/``: ``phase_1_2.moments``.
        source: the function in this package: ``figures.phase_1_2.resistance_along_training``.
        results: the runs, where there are any.
    """
    module = source.rpartition(".")[0].replace(".", "/")
    parts = [f"Data: [{table}.csv](../data/{table}.csv)", f"Source: [{source}](../src/epistemics/{module}.py)"]
    if results:
        name = results.experiment.name
        stale = f" **{len(results.stale)} of them stale: their code has changed since.**" if results.stale else ""
        parts.append(f"Runs: [{len(results)} of {name}](runs.qmd#sec-runs-{name}).{stale}")
    sys.stdout.write(f"::: {{.provenance}}\n{' · '.join(parts)}\n:::\n")


def chapter_key(project: Project) -> Callable[[Path, list[str]], str]:
    """A function from a chapter's path and code cells to what its output depends on besides them.

    That is the source that the cells reach in this package, the experiment files and results that either names, and
    the log's claims where they are read. Two equal keys promise equal outputs; a change of prose changes none.
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
                # A result that has become stale is marked where it is shown; an adopted one is shown as it was.
                for s in status(planned, store):
                    parts.append(f"{s.run.key} {store.content(s.run.key)}{' stale' if s.state == 'stale' else ''}")
        if "claims.load_claims" in reached:
            parts.append((project.experiments / CLAIMS).read_text(encoding="utf-8"))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    return key
