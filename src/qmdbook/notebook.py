"""From a numbered chapter to a notebook: its words as text cells, its cells as they execute, in their order.

It holds no outputs. Those are on the page and in the Markdown; a notebook is for who executes and changes the code, and
what stands below a cell there is then what this cell gave on this machine, and not what another one gave before.
Captions, and text that cells of the chapter print, are text cells: they have numbers and links, which the cells do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat

from qmdbook import pandoc
from qmdbook.document import Document
from qmdbook.markdown import WRITER, Book, Converter
from qmdbook.pandoc import Attributes, Node
from qmdbook.project import Project

BETWEEN = "\ue000"
"""A paragraph of this character, which no text has, parts the text cells, so that pandoc is asked once a chapter."""
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
HOW_TO_RUN = "The cells run in the environment of the book's project, in any folder inside it."


def text(document: Document, book: Book) -> str:
    """The notebook of one chapter that has cells, as JSON."""
    parts = list(_Cells(document, book).parts())
    words = iter(_converted([part for part in parts if not isinstance(part, int)]))
    cells = []
    for part in parts:
        if isinstance(part, int):
            cells.append(_code(document, part, book.project))
        elif said := next(words):
            cells.append(nbformat.v4.new_markdown_cell(said))  # type: ignore[no-untyped-call]
    for number, cell in enumerate(cells, 1):
        cell.id = f"cell-{number}"  # and no random one: the same book has the same notebooks
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})  # type: ignore[no-untyped-call]
    written: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    return written + "\n"


class _Cells(Converter):
    """The chapter in pieces: text, and numbers of cells, of whose outputs captions alone are text."""

    def parts(self) -> Iterator[list[Node] | int]:
        pending = [*self.head(), {"t": "Para", "c": [pandoc.string(HOW_TO_RUN)]}]
        done = 0
        for block in self.document.blocks:
            # A cell inside something else, as a callout, comes before the whole of it; one that pages leave out, too.
            last = max((int(_values(node).get("cell", 0)) for node in pandoc.elements([block])), default=0)
            if last > done:
                yield pending
                yield from range(done + 1, last + 1)
                pending, done = [], last
            pending += self.inside([block])
        yield pending
        yield from range(done + 1, len(self.document.chapter.cells) + 1)

    def visit(self, node: Node) -> list[Node] | None:
        if "cell" in _values(node):
            shown = [each for each in pandoc.elements(node["c"][1]) if each["t"] == "Figure"]
            return [block for figure in shown for block in self.caption(figure)]
        return super().visit(node)

    def address(self, path: Path) -> str:
        """Whole where it is known: a notebook is taken elsewhere."""
        return self.project.address(path) or super().address(path)

    def chapter_address(self, other: Document, fragment: str) -> str:
        """Of the place on the other chapter's page."""
        return self.address(other.chapter.entry.page) + (f"#{fragment}" if fragment else "")


def _values(node: Node) -> dict[str, str]:
    return Attributes(node).values if pandoc.has_attributes(node) else {}


def _converted(texts: list[list[Node]]) -> list[str]:
    """Markdown of each text."""
    between = {"t": "Para", "c": [pandoc.string(BETWEEN)]}
    blocks = [block for text in texts for block in (*text, between)]
    return [part.strip() for part in pandoc.convert(blocks, WRITER).split(BETWEEN)]


def _code(document: Document, number: int, project: Project) -> nbformat.NotebookNode:
    """The cell of this number; folded if it prints what is a text cell here, and the page does not show it either."""
    chapter = document.chapter
    cell = chapter.cells[number - 1]
    options = chapter.options(cell, project.values, "html")
    is_text = options["output"] == "asis" and not options["echo"]
    metadata = {"jupyter": {"source_hidden": True, "outputs_hidden": True}} if is_text else {}
    made: nbformat.NotebookNode
    made = nbformat.v4.new_code_cell(cell.code, metadata=metadata)  # type: ignore[no-untyped-call]
    return made
