"""From the numbered chapters, as the PDF has them, to an EPUB: pandoc packs it.

It says what the PDF says. A link to a file of the site is whole if the site's address is known, and else its words
alone: on a reader's device a book lies beside no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from qmdbook import pandoc, pdf
from qmdbook.document import REMOTE, Document
from qmdbook.html import CALLOUT_NAMES, callout_parts
from qmdbook.pandoc import Attributes, Node
from qmdbook.project import Project
from qmdbook.references import typst_identifier

WRITER = [
    "--to=epub3", "--mathml", "--toc", "--toc-depth=2", "--split-level=1", "--syntax-highlighting=none",
    "--css=epub.css", "--epub-cover-image=cover.png",
]  # fmt: skip
FEATURES = ["alternativeText", "MathML", "readingOrder", "structuralNavigation", "tableOfContents"]
"""By schema.org's names, what makes the book accessible: shops and libraries show them."""


def packed(project: Project, documents: Sequence[Document], folder: Path) -> bytes:
    """The EPUB; `folder` holds the images, `epub.css` and `cover.png`.

    Raises RuntimeError if pandoc finds anything odd, for it leaves out an image that it can't read.
    """
    blocks: list[Node] = []
    part = None
    for document in documents:
        entry = document.chapter.entry
        if entry.part and entry.part != part:
            blocks.append({"t": "Header", "c": [1, ["", ["part"], []], [pandoc.string(entry.part)]]})
        part = entry.part
        blocks += chapter(document)
    said: pandoc.Metadata = {
        "title": project.title,
        "subtitle": project.subtitle,
        "author": project.author,
        "date": project.date,
        "description": project.description,
        "lang": "en",
        "rights": project.licence,
        # The same for every edition, so that a device knows the book again.
        "identifier": uuid5(NAMESPACE_URL, project.site_url or project.title).urn,
        "accessModes": ["textual", "visual"],
        "accessibilityFeatures": FEATURES,
    }
    return pandoc.packed(blocks, said, WRITER, folder, project.moment)


def chapter(document: Document) -> list[Node]:
    """The blocks of a chapter, its title first."""

    def visit(node: Node) -> list[Node] | None:
        return _visit(node, document, visit)

    values = [["number", document.number]] if document.number else []
    title = {"t": "Header", "c": [1, [document.identifier, [], values], document.title]}
    blocks: list[Node] = pandoc.walk([title, *document.blocks], visit)
    return blocks


def _visit(node: Node, document: Document, visit: pandoc.Visitor) -> list[Node] | None:
    kind = node["t"]
    if kind in ("RawBlock", "RawInline"):
        return []
    if kind == "Link" and not (REMOTE.match(url := node["c"][2][0]) or url.startswith("#")):
        return list(pandoc.walk(node["c"][1], visit))
    if not pandoc.has_attributes(node):
        return None
    made = {"t": kind, "c": pandoc.walk(node["c"], visit)}
    attributes = Attributes(made)
    if attributes.identifier and not pdf.is_shared(attributes.identifier):
        attributes.identifier = typst_identifier(document, attributes.identifier)
    number = attributes.values.get("number", "")
    attributes.remove("number")
    if kind == "Header":
        made["c"][2][:0] = [_span(number, "number"), {"t": "Space"}] if number else []
    elif kind == "Image":
        made["c"][2][0] = made["c"][2][0].lstrip("/")
    elif kind == "Figure":
        return [_figure(made, number)]
    elif kind == "Table":  # columns fit what is in them, as everywhere
        made["c"][2] = [[alignment, {"t": "ColWidthDefault"}] for alignment, _ in made["c"][2]]
    elif kind == "Div" and {"cell", "cell-output"} & {*attributes.classes}:
        return list(made["c"][1])
    elif kind == "Div" and "equation" in attributes.classes:
        made["c"][1][0]["c"].append(_span(f"({number})", "number"))
    elif kind == "Div" and "callout" in attributes.classes:
        title, content = callout_parts(made)
        word = next(name for name in attributes.classes if name.startswith("callout-")).removeprefix("callout-")
        named = pandoc.plain(title or [pandoc.string(CALLOUT_NAMES.get(word, word))])
        attributes.remove("collapse")
        made["c"][1] = [pandoc.div([named], classes=["callout-title"]), *content]
    return [made]


def _figure(node: Node, number: str) -> Node:
    """A figure with its number in the caption; what is in a table's caption becomes the table's own."""
    attributes, (_, caption), contents = Attributes(node), node["c"][1], node["c"][2]
    is_table = "table" in attributes.classes
    if number:
        label = _span(f"{'Table' if is_table else 'Figure'}\u00a0{number}:", "number")
        first, *others = caption or [pandoc.plain([])]
        caption = [pandoc.plain([label, {"t": "Space"}, *first["c"]]), *others]
        node["c"][1] = [None, caption]
    identifier, attributes.identifier = attributes.identifier, ""
    if is_table and len(contents) == 1 and contents[0]["t"] == "Table":
        (node,) = contents
        node["c"][1] = [None, caption]
    return pandoc.div([node], identifier)  # pandoc finds no link's target in a figure itself


def _span(text: str, name: str) -> Node:
    return {"t": "Span", "c": [["", [name], []], [pandoc.string(text)]]}
