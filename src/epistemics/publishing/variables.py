"""Before a render: ``_variables.yml`` and ``data/*.csv``, written from the result store.

It happens before Quarto and before the embedded renderer alike, so both show the same numbers. Each chapter's are
computed once for each state of the results, the files and the source that they are made of, and kept in the workspace;
if all are kept, nothing heavy is imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from epistemics.chapters.contents import CHAPTERS
from epistemics.declared.project import Project
from epistemics.publishing.chapter_keys import chapter_key
from epistemics.store.files import write_atomically, write_if_changed

PROFILE = "profile"
"""The variable that is the book's own, beside a mapping of them for each chapter."""


@dataclass(frozen=True)
class Prepared:
    """One chapter's share."""

    variables: Mapping[str, Any]
    """Name → text, or a mapping of such."""
    data: Mapping[str, str]
    """Name of the file in ``data/``, without its ending → CSV."""


def write_variables_and_data(project: Project) -> list[Path]:
    """Write ``_variables.yml`` and ``data/*.csv`` from the store; returns the files that changed.

    A file whose content would be the same is left alone, so that a render sees no change.

    Raises:
        IncompleteResults: if a result that the book needs is not stored.
    """
    key = chapter_key(project, states=("stale", "adopted"))
    variables: dict[str, Any] = {PROFILE: project.profile}
    written = []
    for chapter in CHAPTERS:
        if (name := chapter.name) is None:
            continue
        made_of = key(Path(), [f"from epistemics.chapters.{name} import chapter\nchapter.share"])
        prepared = _kept(project.workspace / "prepared" / f"{name}.json", made_of, partial(_made, project, name))
        if prepared.variables:
            variables[name] = dict(prepared.variables)
        for table, text in prepared.data.items():
            written += write_if_changed(project.folder / "data" / f"{table}.csv", text.encode())
    text = "# Written by `epistemics prepare` from the result store.\n"
    text += yaml.safe_dump(variables, allow_unicode=True, sort_keys=True, width=10_000)
    return written + write_if_changed(project.folder / "_variables.yml", text.encode())


def _made(project: Project, name: str) -> Prepared:
    variables, tables = import_module(f"epistemics.chapters.{name}.chapter").share(project)
    return Prepared(variables, {table.name: table.to_csv() for table in tables.values()})


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
