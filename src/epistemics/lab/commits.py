"""Commits of the project's repository, laid out in folders of their own: what was, for code that runs it or reads it.

Nothing is written into the repository, so nothing has to be taken out of it again, however a process ends.
"""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UnknownCommit(ValueError):
    """A commit that can't be laid out; the message says why."""


def commit_of(folder: Path, named: str) -> str:
    """The hash of a commit of the repository that a folder lies in.

    Raises:
        UnknownCommit: if the folder lies in no repository, or its repository has no such commit.
    """
    git(folder, "rev-parse", "--git-dir", fault=f"{folder} lies in no git repository")
    wanted = f"{named}^{{commit}}"
    return git(folder, "rev-parse", "--verify", "--quiet", wanted, fault="no commit of this repository").strip()


def git(folder: Path, *arguments: str, fault: str) -> str:
    """What a command of git prints in a folder.

    Raises:
        UnknownCommit: with ``fault``, if the command fails; or if there is no git.
    """
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True)
    except OSError as error:
        raise UnknownCommit(f"git: {error.strerror}") from error
    if done.returncode != 0:
        raise UnknownCommit(fault)
    return done.stdout.decode(errors="surrogateescape")


@contextmanager
def laid_out(folder: Path, commit: str, *paths: str) -> Iterator[Path]:
    """A new folder with what a folder of a repository held at a commit, for as long as the context lasts.

    Args:
        commit: its hash.
        paths: within the folder; none: all that it held.

    Raises:
        UnknownCommit: if the folder held nothing then, or not one of the paths.
    """
    with tempfile.TemporaryDirectory(prefix="epistemics-") as name:
        target = Path(name)
        command = ["git", "-C", str(folder), "archive", "--format=tar", commit, *paths]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    # Python has the filter, and the argument for it, since 3.11.4; this attribute older ones pass over.
                    archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
                    archive.extractall(target)
                process.stdout.read()  # what fills its last block
            except tarfile.ReadError:  # nothing came; git says why
                pass
            except tarfile.TarError as error:  # what the filter refuses
                raise UnknownCommit(str(error)) from error
            said = process.stderr.read().decode(errors="replace").strip()
        if process.returncode != 0:
            raise UnknownCommit(said.splitlines()[-1].removeprefix("fatal: ") if said else "git archive failed")
        yield target
