"""What a render needs of the results before it starts: variables for prose and CSV files for readers.

``write_variables_and_data`` runs before Quarto and before the embedded renderer alike, so both show the same numbers.
Each chapter's are computed once for each state of the results, the files and the source that they are made of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from epistemics.experiments import adversarial, baselines, code, joint, ledger, phase_1_1, phase_1_2, precision, runs
from epistemics.project import Project
from epistemics.publishing import chapter_key
from epistemics.results import load_results
from epistemics.store import write_atomically
from epistemics.tables import Table


@dataclass(frozen=True)
class Prepared:
    """One chapter's share."""

    variables: Mapping[str, Any]
    """Name → text, or a mapping of such: what its prose shows as ``{{< var chapter.name >}}``."""
    data: Mapping[str, str]
    """Name → CSV, for ``data/chapter.name.csv``."""


def _prepared(variables: Mapping[str, Any], tables: Mapping[str, Table]) -> Prepared:
    return Prepared(variables, {name: table.to_csv() for name, table in tables.items()})


def _phase_1_1(project: Project) -> Prepared:
    one = phase_1_1.load(project)
    return _prepared(phase_1_1.numbers(one, ledger.by_id(project)), phase_1_1.tables(one))


def _phase_1_2(project: Project) -> Prepared:
    two = phase_1_2.load(project)
    return _prepared(phase_1_2.numbers(two, ledger.by_id(project)), phase_1_2.tables(two))


def _baselines(project: Project) -> Prepared:
    tables = baselines.tables(phase_1_2.load(project), baselines.load(project))
    return _prepared(baselines.numbers(tables), tables)


def _joint(project: Project) -> Prepared:
    both = joint.load(project)
    return _prepared(joint.numbers(both, phase_1_2.load(project), ledger.by_id(project)), joint.tables(both))


def _adversarial(project: Project) -> Prepared:
    all_of_them = adversarial.load(project)
    return _prepared(adversarial.numbers(all_of_them, ledger.by_id(project)), adversarial.tables(all_of_them))


def _precision(project: Project) -> Prepared:
    three = precision.load(project)
    return _prepared(precision.numbers(three), precision.tables(three))


def _code(_: Project) -> Prepared:
    return _prepared({}, code.tables())


def _ledger(project: Project) -> Prepared:
    judgements = ledger.judgements(project)
    return _prepared(ledger.numbers(judgements), {"judgements": ledger.table(judgements)})


def _runs(project: Project) -> Prepared:
    names = ("phase-1-1", "phase-1-2", "baselines", "joint", "adversarial", "precision")
    listed = {name.replace("-", "_"): load_results(name, project) for name in names}
    return _prepared(
        {name: runs.numbers(results) for name, results in listed.items()},
        {name: runs.runs(results) for name, results in listed.items()},
    )


CHAPTERS: Mapping[str, Callable[[Project], Prepared]] = {
    "phase_1_1": _phase_1_1,
    "phase_1_2": _phase_1_2,
    "baselines": _baselines,
    "joint": _joint,
    "adversarial": _adversarial,
    "ledger": _ledger,
    "precision": _precision,
    "code": _code,
    "runs": _runs,
}


def write_variables_and_data(project: Project) -> list[Path]:
    """Write ``_variables.yml`` and ``data/*.csv`` from the store; returns the files that changed.

    A file whose content would be the same is left alone, so that a render sees no change.

    Raises:
        IncompleteResults: if a result that the book needs is not stored.
    """
    key = chapter_key(project)
    variables: dict[str, Any] = {"profile": project.profile}
    written = []
    for name, make in CHAPTERS.items():
        made_of = key(Path(), [f"from epistemics import prepared\nprepared.{make.__name__}"])
        chapter = _kept(project.workspace / "prepared" / f"{name}.json", made_of, partial(make, project))
        if chapter.variables:
            variables[name] = dict(chapter.variables)
        for table, text in chapter.data.items():
            written += _written(project.folder / "data" / f"{name}.{table}.csv", text)
    text = "# Written by `epistemics prepare` from the result store.\n"
    text += yaml.safe_dump(variables, allow_unicode=True, sort_keys=True, width=10_000)
    return written + _written(project.folder / "_variables.yml", text)


def _kept(path: Path, made_of: str, make: Callable[[], Prepared]) -> Prepared:
    """What is kept in a file if it was made of the same, or made now and kept."""
    with suppress(OSError, ValueError, TypeError, KeyError):  # none, or damaged: it is made again
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["made_of"] == made_of:
            return Prepared(kept["variables"], kept["data"])
    prepared = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"made_of": made_of, "variables": prepared.variables, "data": prepared.data}
    write_atomically(path, json.dumps(content, ensure_ascii=False).encode())
    return prepared


def _written(path: Path, text: str) -> list[Path]:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())  # a render of another process may be reading it
    return [path]
