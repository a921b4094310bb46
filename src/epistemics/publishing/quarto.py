"""Quarto's caches, which see a chapter's text and cells and not what these import.

Before Quarto looks at them, the entries of every chapter are removed whose code in the package, experiment file or
results have changed since the entries were made; the others are left. It is part of ``epistemics prepare``, which
``_quarto.yml`` runs before each render.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import qmdbook
from epistemics.declared.project import Project
from epistemics.publishing.chapter_keys import chapter_key

KEYS = "quarto-keys.json"
"""In the workspace: for each chapter the key that its cached outputs belong to."""


def evict(project: Project) -> list[Path]:
    """Remove what is cached of chapters that depend on what has changed; returns these chapters."""
    key = chapter_key(project)
    now = {path.as_posix(): key(path, cells) for path, cells in qmdbook.cells(project.folder).items()}
    record = project.workspace / KEYS
    try:
        before: dict[str, str] = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    changed = [Path(path) for path, value in now.items() if before.get(path) != value]
    for chapter in changed:
        _evict_executed(project.folder, chapter)
        shutil.rmtree(project.folder / "_freeze" / chapter.with_suffix(""), ignore_errors=True)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(now, indent=1), encoding="utf-8")
    return changed


def _evict_executed(folder: Path, chapter: Path) -> None:
    """Remove a chapter's entries from jupyter-cache, which Quarto keeps beside the chapters."""
    for place in {folder, (folder / chapter).parent}:
        if (place / ".jupyter_cache").is_dir():
            from jupyter_cache import get_cache

            cache = get_cache(place / ".jupyter_cache")
            for entry in cache.list_cache_records():
                if Path(entry.uri).name.split(".")[0] == chapter.stem:
                    cache.remove_cache(entry.pk)
