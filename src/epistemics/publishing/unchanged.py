"""Whether anything has changed since the last render, by names, sizes and times of files: without reading one of them.

Everything in the project counts, for a cell may read any file of it, and what is installed beside it. What lies in
folders with a dot before their names (the workspace, git's, the environment's) does not, nor do other renders' sites.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import epistemics
from epistemics.declared.project import Project
from epistemics.store.files import write_atomically

PASSED_OVER = ("__pycache__", "_site")
MADE = ("_variables.yml", "feed.xml", "llms.txt", "data")
"""What a render itself writes at the project's top."""


class Unchanged:
    """What the last render into a folder was made of."""

    def __init__(self, project: Project, output: Path) -> None:
        self.project, self.output = project, output
        name = hashlib.sha256(f"{output}\0{project.environment}".encode()).hexdigest()[:16]
        self._kept = project.workspace / "rendered" / f"{name}.txt"
        self._began = self._sources()

    def is_so(self) -> bool:
        """Whether all that the last render read and wrote is as it left it."""
        try:
            return self._kept.read_text(encoding="utf-8") == self._stamp()
        except OSError:
            return False

    def keep(self) -> None:
        """A render has ended well; what was edited while it ran it may not have seen, and then nothing is kept."""
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        if self._sources() == self._began:
            write_atomically(self._kept, self._stamp().encode())
        else:
            self._kept.unlink(missing_ok=True)

    def _stamp(self) -> str:
        found = {str(path): (at.st_size, at.st_mtime_ns) for path, at in self._files()}
        installed = sorted(f"{one.name} {one.version}" for one in distributions())
        said = {name: value for name, value in os.environ.items() if name.startswith("EPISTEMICS_")}
        parts = [sorted(found.items()), installed, sys.version, self.project.policy, sorted(said.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _sources(self) -> list[tuple[str, int]]:
        top = {self.project.folder / name for name in MADE}
        return sorted(
            (str(path), at.st_mtime_ns)
            for path, at in self._files()
            if not top & {path, *path.parents} and not path.is_relative_to(self.output)
        )

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        package = Path(epistemics.__file__).parent
        for folder in (self.project.folder, self.output, self.project.results, package):
            if folder == self.project.folder or not _lies_in(folder, self.project.folder):
                yield from _files_in(folder)


def _lies_in(folder: Path, project: Path) -> bool:
    """Whether a folder is met on the way through the project."""
    if not folder.is_relative_to(project):
        return False
    return not any(_is_passed_over(part) for part in folder.relative_to(project).parts)


def _files_in(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # not there
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if not _is_passed_over(entry.name):
                yield from _files_in(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path), entry.stat()


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name in PASSED_OVER
