"""What is wrong with a book, and where: every stage collects problems, so that one render names them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One fault: the file relative to the project, its line (from 1) if known, and what would be right."""

    file: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.file.as_posix() if self.line is None else f"{self.file.as_posix()}:{self.line}"
        return f"{place}: {self.message}"


def read_text(root: Path, file: Path, problems: list[Problem]) -> str:
    """The text of a file of the project; what is not UTF-8 in it goes to `problems`, and stands there as �."""
    content = (root / file).read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{content[error.start]:02x} is not UTF-8: save the file in this encoding"
        problems.append(Problem(file, line, message))
        return content.decode("utf-8", errors="replace")


class BookError(Exception):
    """The book can't be rendered; `problems` holds every reason that was found, in reading order."""

    def __init__(self, problems: list[Problem]) -> None:
        unique = dict.fromkeys(problems)
        self.problems = sorted(unique, key=lambda problem: (problem.file.as_posix(), problem.line or 0))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def failure(file: Path, error: RuntimeError) -> Problem:
    """What pandoc can't read or write of a file, as a problem of it; a RecursionError is of the same kind."""
    return Problem(file, None, "nested too deeply to be read" if isinstance(error, RecursionError) else str(error))


@contextmanager
def failing(file: Path, known: Sequence[Problem] = ()) -> Iterator[None]:
    """Raise such a failure as a BookError, together with the problems known before."""
    try:
        yield
    except RuntimeError as error:
        raise BookError([*known, failure(file, error)]) from error
