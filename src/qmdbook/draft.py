"""The website of a book that is being written: built whole, or one page of it where only that chapter's text changed.

A text has changed alone if its cells are the same and nothing that other pages show of it is another: its title, its
first paragraph, its labels and their numbers. What other pages have from it otherwise (the search, previews of links)
follows at the next whole build.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from qmdbook import book, pandoc, references, site
from qmdbook import chapter as chapters_of
from qmdbook.assemble import assemble
from qmdbook.chapter import Chapter
from qmdbook.document import Document
from qmdbook.problems import BookError, Problem
from qmdbook.project import Project

MEMORY = Path(".workspace/book-cache/draft")


@dataclass
class _Built:
    """What was built last."""

    project: Project
    documents: dict[Path, Document]
    targets: references.Targets
    keys: set[str]
    pages: site.Pages

    def labels_of(self, document: Document) -> references.Targets:
        return {label: target for label, target in self.targets.items() if target.document is document}


class Draft:
    """The website in a folder of its own; PDF, EPUB, Markdown and notebooks are no part of it.

    Args:
        root: the book's folder.
        folder: where the website goes.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.outputs: book.Outputs = {}
        """The outputs of each chapter's cells."""
        self._built: _Built | None = None

    def build(self, outputs: book.Outputs) -> None:
        """Build all of it from the files as they are and these outputs.

        Raises:
            BookError: with all that is wrong; what was built before then stays.
        """
        problems: list[Problem] = []
        with pandoc.remembering(self.root / MEMORY):
            project, chapters = book.read(self.root, problems)
            if not problems:
                keys = book.bibliography_keys(project, problems)
                made = book.in_format(project, chapters, "html", outputs, book.NOTHING, keys, problems)
            if problems:
                raise BookError(problems)
            book.cite(project, made.documents)
            with site.replacing(self.folder) as folder:
                site.write_files(folder, self.root, book.files_of(project, made), made.files)
                pages = site.Pages(folder, project, made.documents)
                for document in made.documents:
                    pages.write(document)
                pages.write_figures()
                pages.write_look()
            pages.folder = self.folder
        documents = {document.chapter.path: document for document in made.documents}
        self.outputs, self._built = outputs, _Built(project, documents, made.targets, keys, pages)

    def rebuild(self, path: Path) -> bool:
        """Build one chapter's page anew, if only its own text has changed since; returns whether that is so.

        Raises:
            BookError: with all that is wrong in the chapter; its page then stays.
        """
        built = self._built
        if built is None or path not in built.documents:
            return False
        old, problems = built.documents[path], list[Problem]()
        chapter = chapters_of.read(self.root, old.chapter.entry, problems)
        if problems:
            raise BookError(problems)
        if codes(chapter) != codes(old.chapter) or "refs" in old.identifiers():
            return False
        document = self._read(built, chapter, old, problems)
        labels = dict(references.labels_of(document))
        if _numbers(labels) != _numbers(built.labels_of(old)):
            return False
        documents = [document if other is old else other for other in built.documents.values()]
        targets = built.targets | labels
        book.resolver_of(built.project, documents, targets, built.keys, problems).resolve(document)
        if problems:
            raise BookError(problems)
        book.cite(built.project, [document])
        if _shown_elsewhere(document) != _shown_elsewhere(old):
            return False
        built.pages.documents = documents
        built.pages.write(document)
        built.documents[path], built.targets = document, targets
        return True

    def has_same_cells(self) -> bool:
        """Whether the book has the chapters that it was built of, and they have the same cells.

        Raises:
            BookError: if a chapter can't be read.
        """
        if self._built is None:
            return False
        problems: list[Problem] = []
        _, chapters = book.read(self.root, problems)
        if problems:
            raise BookError(problems)
        built = [(path, codes(document.chapter)) for path, document in self._built.documents.items()]
        return [(chapter.path, codes(chapter)) for chapter in chapters] == built

    def _read(self, built: _Built, chapter: Chapter, old: Document, problems: list[Problem]) -> Document:
        assembled = assemble(chapter, built.project, "html", self.outputs[chapter.path], "", problems)
        document = book.document_of(built.project, chapter, assembled, "html", problems)
        document.number = old.number
        for name, content in assembled.files.items():
            (self.folder / name).write_bytes(content)
        for image in document.images - set(assembled.files):
            (self.folder / image).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / image, self.folder / image)
        return document


def codes(chapter: Chapter) -> list[str]:
    """The code of a chapter's cells: while it is the same, so are their outputs."""
    return [cell.code for cell in chapter.cells]


def _shown_elsewhere(document: Document) -> tuple[object, ...]:
    """What other pages show of a chapter, and the places in it to which they may link."""
    return document.name, document.identifier, document.unnumbered, document.description, set(document.identifiers())


def _numbers(labels: references.Targets) -> dict[str, tuple[str, str, str]]:
    return {label: (target.word, target.number, target.identifier) for label, target in labels.items()}
