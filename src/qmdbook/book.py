"""The book in one format or both: read, its chapters converted, numbered, and every reference and citation resolved."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import typst

from qmdbook import chapter as chapters_of
from qmdbook import characters, epub, pandoc, pdf, references, site
from qmdbook import document as documents_of
from qmdbook import project as projects
from qmdbook.assemble import Assembled, Output, assemble
from qmdbook.chapter import Chapter
from qmdbook.document import Document
from qmdbook.inspection import inspect
from qmdbook.problems import BookError, Problem, failing, failure, read_text
from qmdbook.project import Project

NOTHING: Mapping[Path, str] = {}
Outputs = Mapping[Path, Sequence[Sequence[Output]]]


@dataclass(frozen=True)
class Book:
    """The chapters in one output format, numbered and with every reference resolved."""

    documents: list[Document]
    files: dict[Path, bytes]
    targets: references.Targets


def read(root: Path, problems: list[Problem]) -> tuple[Project, list[Chapter]]:
    configuration = projects.read(root, problems)
    return configuration, [chapters_of.read(root, entry, problems) for entry in configuration.entries]


def converted(project: Project, chapters: Sequence[Chapter], outputs: Outputs) -> tuple[Book, Book]:
    """What the website and the PDF are written from. Raises BookError if anything is wrong."""
    problems: list[Problem] = []
    pages, print_ = both_formats(project, chapters, outputs, NOTHING, problems)
    if problems:
        raise BookError(problems)
    for book in (pages, print_):
        cite(project, book.documents)
    if problems := characters.not_shown(project, print_.documents):  # what the bibliography brought
        raise BookError(problems)
    return pages, print_


def both_formats(
    project: Project,
    chapters: Sequence[Chapter],
    outputs: Outputs | None,
    printed: Mapping[Path, str],
    problems: list[Problem],
) -> tuple[Book, Book]:
    keys = bibliography_keys(project, problems)
    pages, print_ = (
        in_format(project, chapters, output_format, outputs, printed, keys, problems)
        for output_format in ("html", "typst")
    )
    problems.extend(characters.not_shown(project, print_.documents))
    return pages, print_


def bibliography_keys(project: Project, problems: list[Problem]) -> set[str]:
    """The keys of all that can be cited; what is wrong with the bibliography or its style goes to `problems`."""
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
    return keys


def in_format(
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

    def read_one(chapter: Chapter, assembled: Assembled) -> Document:
        return document_of(project, chapter, assembled, output_format, problems)

    with ThreadPoolExecutor() as pool:
        documents = list(pool.map(read_one, chapters, parts))
    if documents[0].name == project.title:
        message = "its title is the book's, which Quarto shows on the first page besides: give this chapter its own"
        problems.append(Problem(documents[0].chapter.path, 1, message))
    targets = references.number(documents, problems)
    resolver = resolver_of(project, documents, targets, keys, problems)
    for document in documents:
        resolver.resolve(document)
    if not any("refs" in document.identifiers() for document in documents):
        cited = (node for document in documents for node in pandoc.elements(document.blocks) if node["t"] == "Cite")
        if next(cited, None) is not None:
            problems.append(Problem(projects.CONFIGURATION, None, "citations, but no chapter with `::: {#refs}` in it"))
    return Book(documents, files, targets)


def document_of(
    project: Project, chapter: Chapter, assembled: Assembled, output_format: str, problems: list[Problem]
) -> Document:
    """One chapter's document, which has no numbers yet. Raises BookError if it can't be read."""
    with failing(chapter.path, problems):
        document = documents_of.read(chapter, assembled, output_format, problems)
        inspect(document, project.root, assembled.files, problems)
    return document


def resolver_of(
    project: Project,
    documents: Sequence[Document],
    targets: references.Targets,
    keys: set[str],
    problems: list[Problem],
) -> references.Resolver:
    """What resolves the references of these chapters, the book's."""
    published = project.resources | {image for document in documents for image in document.images} | {project.pdf}
    return references.Resolver(documents, targets, keys, project.root, published, project.site_url, problems)


def cite(project: Project, documents: Sequence[Document]) -> None:
    """Write out the citations of chapters, in place; of all at once, so that the reference list is the book's."""
    blocks = [pandoc.div(document.blocks, f"chapter-{n}") for n, document in enumerate(documents)]
    bibliography = [project.root / path for path in project.bibliography]
    with failing(projects.CONFIGURATION):
        cited = pandoc.cite(blocks, bibliography, project.root / project.csl if project.csl else None)
    for document, block in zip(documents, cited, strict=False):  # a book without a list gets one at its end
        document.blocks = block["c"][1]


def files_of(project: Project, book: Book) -> list[Path]:
    return sorted(_images(book) | project.resources)


def _images(book: Book) -> set[Path]:
    return {image for document in book.documents for image in document.images}


def typeset(project: Project, book: Book) -> bytes:
    """The PDF."""
    with tempfile.TemporaryDirectory(prefix="book-") as name:
        folder = Path(name)
        with failing(projects.CONFIGURATION):
            source = pdf.source(project, book.documents)
        (folder / "main.typ").write_text(source, encoding="utf-8")
        (folder / "book.typ").write_bytes((site.LOOK / "book.typ").read_bytes())
        site.write_files(folder, project.root, files_of(project, book), book.files)
        try:
            return pdf.compile(project, folder)
        except typst.TypstError as error:
            raise BookError([_refused(error, folder, book.documents)]) from error


def packed(project: Project, book: Book) -> bytes:
    """The EPUB."""
    with tempfile.TemporaryDirectory(prefix="book-") as name, failing(projects.CONFIGURATION):
        folder = Path(name)
        (folder / "main.typ").write_text(pdf.source(project, []), encoding="utf-8")
        shutil.copyfile(site.LOOK / "book.typ", folder / "book.typ")
        try:
            cover = pdf.cover(project, folder)
        except typst.TypstError as error:
            raise BookError([_refused(error, folder, [])]) from error
        contents = folder / "contents"
        contents.mkdir()  # a book may have no image
        site.write_files(contents, project.root, sorted(_images(book)), book.files)
        (contents / "cover.png").write_bytes(cover)
        shutil.copyfile(site.LOOK / "epub.css", contents / "epub.css")
        return epub.packed(project, book.documents, contents)


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
