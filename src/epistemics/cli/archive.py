"""The verb that makes the archive."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime

from epistemics.cli.book import SITE, FaultyBook
from epistemics.declared.project import Project


def archive(project: Project, options: argparse.Namespace) -> int:
    """Make it and say what is in it."""
    import qmdbook
    from epistemics.publishing.archive import CannotArchive, write_archive
    from epistemics.publishing.crate import METADATA

    folder = options.folder.resolve()
    copied = _Copied()
    try:
        described = write_archive(project, project.folder / SITE, folder, datetime.now(UTC).date(), copied)
    except (CannotArchive, qmdbook.BookError) as error:
        raise FaultyBook(str(error)) from error
    runs = sum(entity["@type"] == "CreateAction" for entity in described["@graph"])
    print(f"the archive, {copied.total / 1e6:,.1f} MB, is in {folder}\n{METADATA} in it describes {runs} runs")
    return 0


class _Copied:
    """How much is copied, on one line of a terminal."""

    def __init__(self) -> None:
        self.total = 0
        self._shown_at = 0.0

    def __call__(self, done: int, total: int) -> None:
        self.total = total
        now = time.monotonic()
        if sys.stdout.isatty() and (now - self._shown_at > 0.2 or done == total):
            end = "\n" if done == total else ""
            print(f"\r\x1b[2K{done / 1e6:,.1f} of {total / 1e6:,.1f} MB are copied", end=end, flush=True)
            self._shown_at = now
