"""The verb about what changed in the book since a commit."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from epistemics.declared.project import Project
from epistemics.lab.commits import UnknownCommit, commit_of, git
from epistemics.store.files import write_atomically

if TYPE_CHECKING:
    from epistemics.publishing.changes.told import Span


class CannotCompare(ValueError):
    """A commit, or a project, whose book can't be compared; the message says why."""


def changes(project: Project, options: argparse.Namespace) -> int:
    """Print what changed in the book between a commit and now, and write it as a page where that is asked for."""
    from epistemics.publishing.changes import snapshot, told
    from epistemics.publishing.changes.comparison import Comparison, compare

    if project.profile != "paper":
        raise CannotCompare(
            f"the results of the {project.profile} profile are in no commit; compared is the paper's book"
        )
    if options.page and (options.page.is_dir() or not options.page.absolute().parent.is_dir()):
        raise CannotCompare(f"--page {options.page}: must be a file, new or not, in a folder that is there")
    try:
        span = _span(project.folder, options.commit)
        snapshot.require_book(project.folder, span.commit)
        if snapshot.has_files_of(project, span.commit):
            found = Comparison()
        else:
            progress = Progress(snapshot.STEPS)
            now = snapshot.now(project, progress.of("the book now"))
            then = snapshot.at_commit(project, span.commit, progress.of(f"the book at {span.commit[:7]}"))
            progress.end()
            found = compare(then, now)
    except UnknownCommit as error:
        raise CannotCompare(f"{options.commit}: {error}") from error
    if options.page:
        write_atomically(options.page, told.as_page(span, found).encode())
    if options.json:
        print(json.dumps(told.as_json(span, found), indent=1, ensure_ascii=False))
    else:
        print(told.as_text(span, found))
    return 0


def _span(folder: Path, named: str) -> Span:
    from epistemics.publishing.changes.told import Span

    commit = commit_of(folder, named)
    date, _, subject = (
        git(folder, "log", "-1", "--format=%cI %s", commit, fault="git log failed").strip().partition(" ")
    )
    edited = git(folder, "status", "--porcelain", "--", ".", fault="git status failed").splitlines()
    return Span(named, commit, date, subject, commit_of(folder, "HEAD"), len(edited))


class Progress:
    """What is being asked, of which book, and how many steps there are: a line rewritten on a terminal, else lines."""

    def __init__(self, steps: tuple[str, ...]) -> None:
        self.steps = steps
        self.books = 0
        self.terminal = sys.stderr.isatty()

    def of(self, book: str) -> Callable[[str], None]:
        """What is told of one of the two books."""
        self.books += 1
        before, count = (self.books - 1) * len(self.steps), 2 * len(self.steps)
        number = before

        def say(what: str) -> None:
            nonlocal number
            number = before + self.steps.index(what) + 1 if what in self.steps else number
            self._show(f"step {number} of {count}: {book}: {what}")

        return say

    def _show(self, line: str) -> None:
        if self.terminal:
            # One column short: a line that fills the terminal wraps.
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            print(f"\r\x1b[2K{line[: width - 1]}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave a terminal's line."""
        if self.terminal:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
