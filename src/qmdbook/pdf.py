"""From the numbered chapters to one Typst document and its PDF.

The look is in `site/book.typ`, which defines what is called here: `book`, `appendices`, `part`, `callout`,
`provenance` and `horizontalrule`. Headings number themselves; figures, tables and equations get the numbers
that the pages show.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typst

from qmdbook import pandoc
from qmdbook.document import Document
from qmdbook.html import callout_parts
from qmdbook.pandoc import Attributes, Node
from qmdbook.project import Project
from qmdbook.references import typst_identifier

# Without `citations` and `smart`: both are written out in the tree by now, and Typst is not to do them again.
WRITER = ["--to", "typst-citations-smart", "--syntax-highlighting=idiomatic", "--wrap=none"]


COVER_PIXELS_PER_INCH = 150


def source(project: Project, documents: Sequence[Document]) -> str:
    """The whole book in Typst."""
    blocks: list[Node] = []
    part, appendix = None, False
    for document in documents:
        entry = document.chapter.entry
        if entry.part and entry.part != part:
            blocks.append(_raw(f"#part[{_escaped(entry.part)}]"))
        if entry.appendix and not appendix:
            blocks.append(_raw("#show: appendices"))
        part, appendix = entry.part, entry.appendix
        blocks.extend(chapter(document))
    arguments = {
        "title": project.title,
        "subtitle": project.subtitle,
        "author": project.author,
        "date": project.long_date,
        "description": project.description,
        "paper": project.paper,
    }
    given = ", ".join(f"{name}: {_string(value)}" for name, value in arguments.items())
    return f'#import "book.typ": *\n#show: book.with({given})\n\n{pandoc.convert(blocks, WRITER)}'


def compile(project: Project, folder: Path) -> bytes:
    """The PDF of `main.typ` in `folder`. Raises typst.TypstError.

    Only Typst's own fonts and the project's are used, and the book's date: every machine makes the same PDF.
    """
    return typst.compile(
        folder / "main.typ", root=folder, font_paths=_fonts(project), ignore_system_fonts=True,
        timestamp=project.moment, pdf_standards="ua-1",
    )  # fmt: skip


def cover(project: Project, folder: Path) -> bytes:
    """The title page of `main.typ` in `folder` as a PNG. Raises typst.TypstError."""
    pages: Any = typst.compile(
        folder / "main.typ", root=folder, font_paths=_fonts(project), ignore_system_fonts=True,
        format="png", ppi=COVER_PIXELS_PER_INCH,
    )  # fmt: skip
    first: bytes = pages[0] if isinstance(pages, list) else pages  # a list where there are several
    return first


def _fonts(project: Project) -> list[Path]:
    return [project.root / path for path in project.font_paths]


def chapter(document: Document) -> list[Node]:
    """The blocks of a chapter, its title first, as Typst wants them."""

    def visit(node: Node) -> list[Node] | None:
        return _visit(node, document, visit)

    classes = ["unnumbered"] if document.unnumbered else []
    title = {"t": "Header", "c": [1, [document.identifier, classes, []], document.title]}
    blocks: list[Node] = pandoc.walk([title, *document.blocks], visit)
    return blocks


def _visit(node: Node, document: Document, visit: pandoc.Visitor) -> list[Node] | None:
    kind = node["t"]
    if kind == "Header":
        level, _, inlines = node["c"]
        attributes = Attributes(node)
        name = typst_identifier(document, attributes.identifier)
        return [{"t": "Header", "c": [level, [name, attributes.classes, []], pandoc.walk(inlines, visit)]}]
    if kind == "Figure":
        return _figure(node, visit)
    if kind == "Image":
        return [_image(node)]
    if kind == "Math":
        return _spoken(node["c"][1], [node])
    if kind == "Table":
        return [_bare_table(node, visit)]
    if kind == "CodeBlock" and "cell-code" in Attributes(node).classes:
        return [{"t": "CodeBlock", "c": [["", ["python"], []], node["c"][1]]}]
    if kind == "Div":
        attributes = Attributes(node)
        if "equation" in attributes.classes:
            return _equation(node)
        if "callout" in attributes.classes:
            return _callout(node, visit)
        if "cell" in attributes.classes or "cell-output" in attributes.classes:
            return list(pandoc.walk(node["c"][1], visit))
        if "provenance" in attributes.classes:
            return [_raw("#provenance["), *pandoc.walk(node["c"][1], visit), _raw("]")]
    if kind in ("Div", "Span") and Attributes(node).identifier and not is_shared(Attributes(node).identifier):
        name = typst_identifier(document, Attributes(node).identifier)
        return [{"t": kind, "c": [[name, *node["c"][0][1:]], pandoc.walk(node["c"][1], visit)]}]
    return None


def is_shared(identifier: str) -> bool:
    """Whether an identifier belongs to the one reference list of the book."""
    return identifier == "refs" or identifier.startswith("ref-")


def _raw(text: str) -> Node:
    return pandoc.raw_block("typst", text)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> str:
    return f"#{_string(text)}"


def _inline(before: str, inlines: list[Node], after: str) -> Node:
    return pandoc.plain([pandoc.raw_inline("typst", before), *inlines, pandoc.raw_inline("typst", after)])


def _figure(node: Node, visit: pandoc.Visitor) -> list[Node]:
    attributes, caption, blocks = Attributes(node), node["c"][1][1], node["c"][2]
    is_table = "table" in attributes.classes
    kind, word = ("table", "Table") if is_table else ("image", "Figure")
    number = attributes.values.get("number", "")
    numbering = f"(..) => {_string(number)}" if number else "none"
    supplement = word if number else "none"
    label = f" <{attributes.identifier}>" if number else ""
    inlines = pandoc.walk(caption[0]["c"], visit) if caption else []
    start = f"#figure(kind: {kind}, supplement: [{supplement}], numbering: {numbering}, caption: "
    opening = _inline(start + "[", inlines, "])[") if caption else _inline(start + "none)[", [], "")
    return [opening, *pandoc.walk(blocks, visit), _raw(f"]{label}")]


def _image(node: Node) -> Node:
    """An image with its alternative text, which pandoc's Typst writer leaves out."""
    values = Attributes(node).values
    arguments = [_string(node["c"][2][0]), f"alt: {_string(values['alt'])}"]
    arguments += [f"{key}: {_length(values[key])}" for key in ("width", "height") if key in values]
    return pandoc.raw_inline("typst", f"#box(image({', '.join(arguments)}))")


def _length(text: str) -> str:
    """A length of an image in Typst's units: a pixel is 3/4 point, as on pages."""
    pixels = text.removesuffix("px")
    return f"{float(pixels) * 0.75:g}pt" if pixels.replace(".", "", 1).isdigit() else text


def _bare_table(node: Node, visit: pandoc.Visitor) -> Node:
    """A table without the figure that pandoc's Typst writer puts around it.

    Columns fit what is in them: pandoc turns the dashes of a long table's source into shares of the width.
    """
    (identifier, classes, values), caption, columns, *rows = node["c"]
    fitting = [[alignment, {"t": "ColWidthDefault"}] for alignment, _ in columns]
    plain = [identifier, [*classes, "typst:no-figure"], values]
    return {"t": "Table", "c": [plain, *pandoc.walk([caption], visit), fitting, *pandoc.walk(rows, visit)]}


def _equation(node: Node) -> list[Node]:
    attributes = Attributes(node)
    numbering = f"(..) => {_string('(' + attributes.values.get('number', '') + ')')}"
    formula = node["c"][1][0]["c"]
    numbered = _inline(
        f"#math.equation(block: true, numbering: {numbering}, [", formula, f"]) <{attributes.identifier}>"
    )
    words = " ".join(inline["c"][1] for inline in formula if inline["t"] == "Math")
    return [pandoc.plain(_spoken(words, numbered["c"]))]


def _spoken(words: str, inlines: list[Node]) -> list[Node]:
    """A formula with what is read out in its place: its LaTeX, as PDF/UA asks."""
    opening, closing = (pandoc.raw_inline("typst", text) for text in (f"#spoken({_string(words.strip())})[", "]"))
    return [opening, *inlines, closing]


def _callout(node: Node, visit: pandoc.Visitor) -> list[Node]:
    kind = next(name for name in Attributes(node).classes if name.startswith("callout-")).removeprefix("callout-")
    title, content = callout_parts(node)
    start = f"#callout(kind: {_string(kind)}, title: "
    opening = _inline(start + "[", pandoc.walk(title, visit), "])[") if title else _inline(start + "none)[", [], "")
    return [opening, *pandoc.walk(content, visit), _raw("]")]
