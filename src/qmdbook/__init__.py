"""A renderer of Quarto books: from a written dialect (`dialect.md`) to a website and a PDF. `README.md` is its map.

It knows notebooks, pandoc and typst, and nothing of what a book is about. The public interface:

- `check` says what is wrong with a book, without executing it; each fault is a `Problem`
- `render` executes a book and writes it, and says what it made as `Rendered`; it raises `BookError`
- `outputs` executes it and writes nothing: what a `draft.Draft` builds a website from, which a `server.Server` shows
- `cells` is the code of each chapter, `outline` an `Outline` of what is in the book, each chapter `Listed`
- `replacing` puts a folder in the place of another only when all of it is written
"""

from __future__ import annotations

import fcntl
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qmdbook import pandoc, site
from qmdbook.book import NOTHING, Outputs, both_formats, converted, files_of, in_format, packed, read, typeset
from qmdbook.chapter import Chapter
from qmdbook.execute import Executed, execute, plan
from qmdbook.problems import BookError, Problem
from qmdbook.project import Project
from qmdbook.site import replacing

__all__ = [
    "BookError",
    "Listed",
    "Outline",
    "Problem",
    "Rendered",
    "cells",
    "check",
    "outline",
    "outputs",
    "render",
    "replacing",
]

CACHE = Path(".workspace/book-cache")


@dataclass(frozen=True)
class Rendered:
    """What a render made: the first page, the PDF, every page, and which chapters were executed for it."""

    index: Path
    pdf: Path
    pages: tuple[Path, ...]
    executed: tuple[Path, ...]


@dataclass(frozen=True)
class Listed:
    """A chapter as a list of contents names it."""

    path: Path
    page: Path
    markdown: Path
    title: str
    number: str
    """Empty if it has none."""
    appendix: bool
    abstract: str
    """Its description, or first paragraph, as plain text."""


@dataclass(frozen=True)
class Outline:
    """What the book is called and what is in it."""

    title: str
    subtitle: str
    author: str
    site_url: str
    """Without a slash at the end; empty if it is not known."""
    pdf: Path
    epub: Path
    chapters: tuple[Listed, ...]


def check(project: Path, printed: Mapping[Path, str] = NOTHING) -> list[Problem]:
    """Everything that is wrong with the book in folder `project` and can be seen without executing it.

    `printed` is Markdown by chapter, in place of the sections and tables that its cells print: so their labels are
    known.
    """
    problems: list[Problem] = []
    try:
        configuration, chapters = read(project, problems)
    except BookError as error:
        return error.problems
    try:
        both_formats(configuration, chapters, None, printed, problems)
    except BookError as error:
        return error.problems
    return BookError(problems).problems


def cells(project: Path) -> dict[Path, list[str]]:
    """The code of each chapter's cells, of those chapters that have any. Raises BookError if one can't be read."""
    problems: list[Problem] = []
    _, chapters = read(project, problems)
    if problems:
        raise BookError(problems)
    return {chapter.path: [cell.code for cell in chapter.cells] for chapter in chapters if chapter.cells}


def outline(project: Path) -> Outline:
    """The book's contents, from titles and first paragraphs alone. Other faults are for `check` and `render` to find.

    Raises BookError if there is no book to list.
    """
    unreported: list[Problem] = []
    configuration, chapters = read(project, unreported)
    with pandoc.remembering(project / CACHE / "outline"):
        heads = [chapter.head for chapter in chapters]
        documents = in_format(configuration, heads, "html", None, NOTHING, set(), unreported).documents
    listed = [
        Listed(
            path=document.chapter.path,
            page=document.chapter.entry.page,
            markdown=document.chapter.entry.markdown,
            title=document.name,
            number=document.number,
            appendix=document.chapter.entry.appendix,
            abstract=document.description,
        )
        for document in documents
    ]
    c = configuration
    return Outline(c.title, c.subtitle, c.author, c.site_url.rstrip("/"), c.pdf, c.epub, tuple(listed))


def render(
    project: Path,
    output: Path,
    *,
    chapter_key: Callable[[Path, list[str]], str],
    environment: Mapping[str, str],
    report: Callable[[str], None],
    workers: int,
    cell_seconds: float = math.inf,
    printed: Mapping[Path, str] = NOTHING,
) -> Rendered:
    """Execute the book in folder `project` and write its website and PDF to `output`.

    `chapter_key(path, cells)` names all that a chapter's outputs depend on besides the code of its cells;
    `environment` is added to the kernels'. A cell that takes longer than `cell_seconds` is stopped, and is a problem.
    `printed` is for the check before, as of `check`.
    Raises BookError with every problem that was found; `output` is then as it was before. What is unchanged since the
    last render is not executed again nor converted again. Of two renders at once, the second waits for the first and
    finds its work done.
    """
    with _alone(project / CACHE, report), pandoc.remembering(project / CACHE / "pandoc"):
        configuration, chapters, executed = _executed(
            project, chapter_key, environment, report, workers, cell_seconds, printed
        )
        return _written(output, configuration, chapters, executed, report)


def outputs(
    project: Path,
    *,
    chapter_key: Callable[[Path, list[str]], str],
    environment: Mapping[str, str],
    report: Callable[[str], None],
    workers: int,
    cell_seconds: float = math.inf,
    printed: Mapping[Path, str] = NOTHING,
) -> Outputs:
    """Execute the book as `render` does, and write nothing of it: the outputs of each chapter's cells.

    Raises BookError as `render`.
    """
    with _alone(project / CACHE, report), pandoc.remembering(project / CACHE / "checked"):
        *_, executed = _executed(project, chapter_key, environment, report, workers, cell_seconds, printed)
    return {path: result.outputs for path, result in executed.items()}


def _executed(
    project: Path,
    chapter_key: Callable[[Path, list[str]], str],
    environment: Mapping[str, str],
    report: Callable[[str], None],
    workers: int,
    cell_seconds: float,
    printed: Mapping[Path, str],
) -> tuple[Project, list[Chapter], dict[Path, Executed]]:
    problems: list[Problem] = []
    with _timed("read", report):
        configuration, chapters = read(project, problems)
    planned = None
    if not problems:
        with _timed("looked up", report):
            planned = plan(
                chapters, cache_folder=project / CACHE, chapter_key=chapter_key, environment=environment, report=report
            )
    if planned is None or planned.missing:  # else converting finds the same faults, and nothing waits for it
        with _timed("checked", report):
            both_formats(configuration, chapters, None, printed, problems)
    if planned is None or problems:
        raise BookError(problems)
    with _timed("executed", report):
        executed = execute(
            project, planned, cache_folder=project / CACHE, environment=environment, report=report, workers=workers,
            cell_seconds=cell_seconds,
        )  # fmt: skip
    return configuration, chapters, executed


def _written(
    output: Path,
    configuration: Project,
    chapters: Sequence[Chapter],
    executed: Mapping[Path, Executed],
    report: Callable[[str], None],
) -> Rendered:
    project = configuration.root
    outputs = {path: result.outputs for path, result in executed.items()}
    with _timed("converted", report):
        pages, print_ = converted(configuration, chapters, outputs)
    with replacing(output) as folder:
        with _timed("pages written", report):
            site.write_files(folder, project, files_of(configuration, pages), pages.files)
            written = site.write_pages(folder, configuration, pages.documents)
            site.write_other_formats(folder, configuration, pages.documents)
            site.write_sitemap(folder, configuration, written)
        with _timed("PDF typeset", report):
            (folder / configuration.pdf).write_bytes(typeset(configuration, print_))
        with _timed("EPUB packed", report):
            (folder / configuration.epub).write_bytes(packed(configuration, print_))
    return Rendered(
        index=output / "index.html",
        pdf=output / configuration.pdf,
        pages=tuple(output / path for path in written),
        executed=tuple(path for path, result in executed.items() if not result.cached),
    )


@contextmanager
def _alone(cache: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the book's cache; waits while another render does."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another render of this book is under way; this one waits for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _timed(what: str, report: Callable[[str], None]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    report(f"{what} in {time.perf_counter() - start:.1f} s")
