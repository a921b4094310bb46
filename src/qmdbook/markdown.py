"""From a numbered chapter to Markdown for machines: the words, numbers, tables and code of its page, as plain text.

Figures are links to their images with their alternative text, tables are pipe tables, equations carry their number as
TeX's tag. What only a browser reads, scripts above all, is left out. Links to other chapters lead to their Markdown.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from qmdbook import pandoc
from qmdbook.document import REMOTE, Document, local_path
from qmdbook.html import CALLOUT_NAMES, callout_parts
from qmdbook.pandoc import Attributes, Node
from qmdbook.project import Project
from qmdbook.references import page_url

WRITER = ["--to", "gfm-raw_html-tex_math_gfm+tex_math_dollars", "--wrap=none"]


class Book:
    """The chapters, as pages have them, and what links between them have to know."""

    def __init__(self, documents: Sequence[Document], project: Project) -> None:
        self.project = project
        self.by_page = {document.chapter.entry.page: document for document in documents}
        self.reference_list = next((document for document in documents if "refs" in document.identifiers()), None)


def text(document: Document, book: Book) -> str:
    """The Markdown of one chapter."""
    converter = Converter(document, book)
    return pandoc.convert([*converter.head(), *converter.inside(document.blocks)], WRITER)


class Converter:
    """Brings the tree of one chapter's page to what Markdown has."""

    def __init__(self, document: Document, book: Book) -> None:
        self.document, self.book, self.project = document, book, book.project

    def head(self) -> list[Node]:
        """The title, and where the chapter is from."""
        entry, number = self.document.chapter.entry, self.document.number
        address = self.project.address(entry.page) or entry.page.name
        title = self._heading(1, number, self.document.title)
        kind = "Appendix" if entry.appendix else "Chapter"
        whence = [pandoc.string(f"{kind} {number} of " if number else "From ")]
        whence += [pandoc.link([pandoc.string(self.project.title)], self.address(self.project.entries[0].markdown))]
        whence += [pandoc.string(f" by {self.project.author}")] if self.project.author else []
        whence += [pandoc.string(". The page: "), pandoc.link([pandoc.string(address)], address), pandoc.string(".")]
        return [title, _paragraph(whence)]

    def inside(self, tree: list[Node]) -> list[Node]:
        """What becomes of blocks or inlines."""
        made: list[Node] = pandoc.walk(tree, self.visit)
        return made

    def address(self, path: Path) -> str:
        """Of another file of the site, from this one."""
        return quote(Path(os.path.relpath(path, self.document.chapter.path.parent)).as_posix())

    def chapter_address(self, other: Document, fragment: str) -> str:
        """Of another chapter, here as a whole."""
        return self.address(other.chapter.entry.markdown)

    def visit(self, node: Node) -> list[Node] | None:
        """What takes the place of an element, for `pandoc.walk`."""
        kind = node["t"]
        if kind in ("RawBlock", "RawInline"):
            return []
        if kind == "Header":
            return [self._heading(node["c"][0], Attributes(node).values.get("number", ""), node["c"][2])]
        if kind == "Link":
            return self._link(node)
        if kind == "Image":
            alt = Attributes(node).values.get("alt", "")
            address = self.address(local_path(self.document.chapter.path, node["c"][2][0]))
            return [{"t": "Image", "c": [["", [], []], [pandoc.string(alt)] if alt else [], [address, ""]]}]
        if kind == "Figure":
            return self.figure(node)
        if kind == "Table":
            return [self._table(node)]
        if kind == "CodeBlock" and "cell-code" in Attributes(node).classes:
            return [{"t": "CodeBlock", "c": [["", ["python"], []], node["c"][1]]}]
        if kind == "CodeBlock" and not {"stderr", "stdout", "result"}.isdisjoint(Attributes(node).classes):
            return [{"t": "CodeBlock", "c": [["", ["text"], []], node["c"][1]]}]
        if kind == "Div":
            classes = Attributes(node).classes
            if "equation" in classes:
                return [_paragraph([_tagged(node)])]
            if "callout" in classes:
                return [self._callout(node)]
        if kind in ("Div", "Span"):
            return self.inside(node["c"][1])
        return None

    def figure(self, node: Node) -> list[Node]:
        """A figure's image with its caption below, a table with its caption above."""
        contents, caption = self.inside(node["c"][2]), self.caption(node)
        blocks = [_paragraph(block["c"]) if block["t"] == "Plain" else block for block in contents]
        return [*caption, *blocks] if "table" in Attributes(node).classes else [*blocks, *caption]

    def caption(self, node: Node) -> list[Node]:
        """A figure's or table's number and caption, as paragraphs."""
        attributes, caption = Attributes(node), node["c"][1][1]
        number = attributes.values.get("number", "")
        word = "Table" if "table" in attributes.classes else "Figure"
        label = [{"t": "Strong", "c": [pandoc.string(f"{word} {number}:")]}, {"t": "Space"}] if number else []
        first, *others = self.inside(caption) or [_paragraph([])]
        written = [*label, *first["c"]]
        return [_paragraph(written), *others] if written else others

    def _link(self, node: Node) -> list[Node]:
        inlines, url = self.inside(node["c"][1]), node["c"][2][0]
        if REMOTE.match(url):
            return [pandoc.link(inlines, url)]
        with_list = self.book.reference_list
        if url.startswith("#ref-") and with_list is not None and with_list is not self.document:
            url = page_url(self.document, with_list) + url
        if url.startswith("#"):  # Markdown has no such places; the number or the heading is found in the text
            return inlines
        path, _, fragment = url.partition("#")
        file = local_path(self.document.chapter.path, path)
        if file in self.book.by_page:
            return [pandoc.link(inlines, self.chapter_address(self.book.by_page[file], fragment))]
        return [pandoc.link(inlines, self.address(file) + (f"#{fragment}" if fragment else ""))]

    def _heading(self, level: int, number: str, title: list[Node]) -> Node:
        before = [pandoc.string(number), {"t": "Space"}] if number else []
        return {"t": "Header", "c": [level, ["", [], []], [*before, *self.inside(title)]]}

    def _table(self, node: Node) -> Node:
        """A table whose cells are one line each: a pipe table has no others."""
        _, _, columns, head, bodies, foot = node["c"]
        fitting = [[alignment, {"t": "ColWidthDefault"}] for alignment, _ in columns]
        lines = [[attributes, heads, self._rows(above), self._rows(rows)] for attributes, heads, above, rows in bodies]
        outside = ([attributes, self._rows(rows)] for attributes, rows in (head, foot))
        return {"t": "Table", "c": [["", [], []], [None, []], fitting, next(outside), lines, next(outside)]}

    def _rows(self, rows: list[Any]) -> list[Any]:
        return [[attributes, [[*cell[:-1], self._line(cell[-1])] for cell in cells]] for attributes, cells in rows]

    def _line(self, blocks: list[Node]) -> list[Node]:
        words: list[Node] = []
        for block in pandoc.elements(self.inside(blocks)):
            if block["t"] == "CodeBlock":
                words += [{"t": "Space"}, {"t": "Code", "c": block["c"]}]
            elif block["t"] in ("Plain", "Para"):
                words += [{"t": "Space"}, *block["c"]]
        return [pandoc.plain(words[1:])] if words else []

    def _callout(self, node: Node) -> Node:
        kind = next(name for name in Attributes(node).classes if name.startswith("callout-")).removeprefix("callout-")
        title, content = callout_parts(node)
        heading = self.inside(title) or [pandoc.string(CALLOUT_NAMES.get(kind, kind))]
        return {"t": "BlockQuote", "c": [_paragraph([{"t": "Strong", "c": heading}]), *self.inside(content)]}


def _paragraph(inlines: list[Node]) -> Node:
    return {"t": "Para", "c": inlines}


def _tagged(equation: Node) -> Node:
    """A labelled formula that carries its number."""
    number = Attributes(equation).values.get("number", "")
    formula = next(node for node in pandoc.elements(equation["c"][1]) if node["t"] == "Math")
    return {"t": "Math", "c": [formula["c"][0], rf"{formula['c'][1].strip()} \tag{{{number}}}"]}
