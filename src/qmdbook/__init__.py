"""A renderer of Quarto books: from a written dialect (`dialect.md`) to a website and a PDF. `README.md` is its map.

It knows notebooks, pandoc and typst, and nothing of what a book is about. The public interface:

- `check` says what is wrong with a book, without executing it; each fault is a `Problem`
- `render` executes a book and writes it, and says what it made as `Rendered`; it raises `BookError`
- `cells` is the code of each chapter, `outline` an `Outline` of what is in the book, each chapter `Listed`
- `replacing` puts a folder in the place of another only when all of it is written
"""

from __future__ import annotations

import fcntl
import math
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typst

from qmdbook import chapter as chapters_of
from qmdbook import characters, pandoc, pdf, references, site
from qmdbook import document as documents_of
from qmdbook import project as projects
from qmdbook.assemble import Assembled, Output, assemble
from qmdbook.chapter import Chapter
from qmdbook.document import Document
from qmdbook.execute import execute
from qmdbook.inspection import inspect
from qmdbook.problems import BookError, Problem, failing, failure, read_text
from qmdbook.project import Project
from qmdbook.site import replacing

__all__ = ["BookError", "Listed", "Outline", "Problem", "Rendered", "cells", "check", "outline", "render", "replacing"]

CACHE = Path(".workspace/book-cache")
NOTHING: Mapping[Path, str] = {}
Outputs = Mapping[Path, Sequence[Sequence[Output]]]


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
    chapters: tuple[Listed, ...]


@dataclass(frozen=True)
class Book:
    """The chapters in one output format, numbered and with every reference resolved."""

    documents: list[Document]
    files: dict[Path, bytes]


def check(project: Path, printed: Mapping[Path, str] = NOTHING) -> list[Problem]:
    """Everything that is wrong with the book in folder `project` and can be seen without executing it.

    `printed` is Markdown by chapter, in place of the sections and tables that its cells print: so their labels are
    known.
    """
    problems: list[Problem] = []
    try:
        configuration, chapters = _read(project, problems)
    except BookError as error:
        return error.problems
    try:
        _both_formats(configuration, chapters, None, printed, problems)
    except BookError as error:
        return error.problems
    return BookError(problems).problems


def cells(project: Path) -> dict[Path, list[str]]:
    """The code of each chapter's cells, of those chapters that have any. Raises BookError if one can't be read."""
    problems: list[Problem] = []
    _, chapters = _read(project, problems)
    if problems:
        raise BookError(problems)
    return {chapter.path: [cell.code for cell in chapter.cells] for chapter in chapters if chapter.cells}


def outline(project: Path) -> Outline:
    """The book's contents, from titles and first paragraphs alone. Other faults are for `check` and `render` to find.

    Raises BookError if there is no book to list.
    """
    unreported: list[Problem] = []
    configuration, chapters = _read(project, unreported)
    with pandoc.remembering(project / CACHE / "outline"):
        heads = [chapter.head for chapter in chapters]
        documents = _book(configuration, heads, "html", None, NOTHING, set(), unreported).documents
    listed = [
        Listed(
            path=document.chapter.path,
            page=document.chapter.entry.page,
            title=document.name,
            number=document.number,
            appendix=document.chapter.entry.appendix,
            abstract=document.description,
        )
        for document in documents
    ]
    c = configuration
    return Outline(c.title, c.subtitle, c.author, c.site_url.rstrip("/"), c.pdf, tuple(listed))


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
        return _render(project, output, chapter_key, environment, report, workers, cell_seconds, printed)


def _render(
    project: Path,
    output: Path,
    chapter_key: Callable[[Path, list[str]], str],
    environment: Mapping[str, str],
    report: Callable[[str], None],
    workers: int,
    cell_seconds: float,
    printed: Mapping[Path, str],
) -> Rendered:
    problems: list[Problem] = []
    with _timed("read and checked", report):
        configuration, chapters = _read(project, problems)
        _both_formats(configuration, chapters, None, printed, problems)
    if problems:
        raise BookError(problems)
    with _timed("executed", report):
        executed = execute(
            project, chapters, cache_folder=project / CACHE, chapter_key=chapter_key, environment=environment,
            report=report, workers=workers, cell_seconds=cell_seconds,
        )  # fmt: skip
    outputs = {path: result.outputs for path, result in executed.items()}
    with _timed("converted", report):
        pages, print_ = _converted(configuration, chapters, outputs)
    with replacing(output) as folder:
        with _timed("pages written", report):
            site.write_files(folder, project, _files(configuration, pages), pages.files)
            written = site.write_pages(folder, configuration, pages.documents)
            site.write_sitemap(folder, configuration, written)
        with _timed("PDF typeset", report):
            (folder / configuration.pdf).write_bytes(_typeset(configuration, print_))
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


def _read(root: Path, problems: list[Problem]) -> tuple[Project, list[Chapter]]:
    configuration = projects.read(root, problems)
    return configuration, [chapters_of.read(root, entry, problems) for entry in configuration.entries]


def _converted(project: Project, chapters: Sequence[Chapter], outputs: Outputs) -> tuple[Book, Book]:
    """What the website and the PDF are written from. Raises BookError if anything is wrong."""
    problems: list[Problem] = []
    pages, print_ = _both_formats(project, chapters, outputs, NOTHING, problems)
    if problems:
        raise BookError(problems)
    _write_citations(project, pages)
    _write_citations(project, print_)
    if problems := characters.not_shown(project, print_.documents):  # what the bibliography brought
        raise BookError(problems)
    return pages, print_


def _both_formats(
    project: Project,
    chapters: Sequence[Chapter],
    outputs: Outputs | None,
    printed: Mapping[Path, str],
    problems: list[Problem],
) -> tuple[Book, Book]:
    keys: set[str] = set()
    for path in project.bibliography:
        try:
            keys |= pandoc.bibliography_keys(read_text(project.root, path, problems), path.suffix)
        except RuntimeError as error:
            problems.append(failure(path, error))
    if project.csl:
        try:
            pandoc.cite([], [], project.root / project.csl)
        except RuntimeError as error:
            problems.append(failure(project.csl, error))
    pages, print_ = (
        _book(project, chapters, output_format, outputs, printed, keys, problems) for output_format in ("html", "typst")
    )
    problems.extend(characters.not_shown(project, print_.documents))
    return pages, print_


def _book(
    project: Project,
    chapters: Sequence[Chapter],
    output_format: str,
    outputs: Outputs | None,
    printed: Mapping[Path, str],
    keys: set[str],
    problems: list[Problem],
) -> Book:
    """The book in one format; before cells are executed, without `outputs`, with what they are known to print."""
    files: dict[Path, bytes] = {}
    parts: list[Assembled] = []
    for chapter in chapters:
        shown = None if outputs is None else outputs[chapter.path]
        parts.append(assemble(chapter, project, output_format, shown, printed.get(chapter.path, ""), problems))
        files.update(parts[-1].files)

    def read(chapter: Chapter, assembled: Assembled) -> Document:
        with failing(chapter.path, problems):
            document = documents_of.read(chapter, assembled, output_format, problems)
            inspect(document, project.root, assembled.files, problems)
        return document

    with ThreadPoolExecutor() as pool:
        documents = list(pool.map(read, chapters, parts))
    if documents[0].name == project.title:
        message = "its title is the book's, which Quarto shows on the first page besides: give this chapter its own"
        problems.append(Problem(documents[0].chapter.path, 1, message))
    targets = references.number(documents, problems)
    published = project.resources | {image for document in documents for image in document.images}
    published |= {project.pdf}
    resolver = references.Resolver(documents, targets, keys, project.root, published, project.site_url, problems)
    for document in documents:
        resolver.resolve(document)
    if not any("refs" in document.identifiers() for document in documents):
        cited = (node for document in documents for node in pandoc.elements(document.blocks) if node["t"] == "Cite")
        if next(cited, None) is not None:
            problems.append(Problem(projects.CONFIGURATION, None, "citations, but no chapter with `::: {#refs}` in it"))
    return Book(documents, files)


def _write_citations(project: Project, book: Book) -> None:
    """Write out the citations of all chapters as one document, so that the reference list is the book's."""
    blocks = [pandoc.div(document.blocks, f"chapter-{n}") for n, document in enumerate(book.documents)]
    bibliography = [project.root / path for path in project.bibliography]
    with failing(projects.CONFIGURATION):
        cited = pandoc.cite(blocks, bibliography, project.root / project.csl if project.csl else None)
    for document, block in zip(book.documents, cited, strict=False):  # a book without a list gets one at its end
        document.blocks = block["c"][1]


def _files(project: Project, book: Book) -> list[Path]:
    images = {image for document in book.documents for image in document.images}
    return sorted(images | project.resources)


def _typeset(project: Project, book: Book) -> bytes:
    with tempfile.TemporaryDirectory(prefix="book-") as name:
        folder = Path(name)
        with failing(projects.CONFIGURATION):
            source = pdf.source(project, book.documents)
        (folder / "main.typ").write_text(source, encoding="utf-8")
        (folder / "book.typ").write_bytes((site.LOOK / "book.typ").read_bytes())
        site.write_files(folder, project.root, _files(project, book), book.files)
        try:
            return pdf.compile(project, folder)
        except typst.TypstError as error:
            raise BookError([_refused(error, folder, book.documents)]) from error


def _refused(error: typst.TypstError, folder: Path, documents: list[Document]) -> Problem:
    """What typst says, with the chapter that it says it of, and without the folder, which is gone by then."""
    said = re.sub(r"\S*/(?=(?:main|book)\.typ:\d)", "", error.diagnostic.strip().split("\n\n")[0])
    lines = (folder / "main.typ").read_text(encoding="utf-8").split("\n")
    titles = [number for number, line in enumerate(lines, 1) if re.match(r"= |#heading\(\s*level: 1,", line)]
    place = re.search(r"\bmain\.typ:(\d+):", said)
    if place is None or len(titles) != len(documents):
        return Problem(projects.CONFIGURATION, None, f"the PDF can't be typeset: {said}")
    chapter = sum(number <= int(place[1]) for number in titles)
    return Problem(documents[max(chapter, 1) - 1].chapter.path, None, f"the PDF can't be typeset: {said}")
