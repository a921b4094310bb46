"""A page of all figures of the book for reuse, each with its place, its data, its licence and a line that embeds it.

The data of a figure are what the small print below it links to. A figure without a number is not on the page.
"""

from __future__ import annotations

import html
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from qmdbook import pandoc
from qmdbook.chapter import Chapter
from qmdbook.document import REMOTE, Document, local_path
from qmdbook.located import Located
from qmdbook.pandoc import Attributes, Node
from qmdbook.project import Entry, Project
from qmdbook.references import page_url

PATH = Path("site/figures.qmd")
"""As if it were a chapter, in the folder that no chapter is in."""


def page(documents: Sequence[Document], project: Project) -> Document | None:
    """The page of the figures in `documents`, as pages have them; None if there are none."""
    own = Document(Chapter(Entry(PATH, None, None, False), Located(PATH), (), ()), "html", unnumbered=True)
    own.title = pandoc.inlines("Figures for reuse")
    for document in documents:
        shown = [block for figure, print_ in _figures(document) for block in _reused(figure, print_, document, project)]
        if shown:
            values = [["number", document.number]] if document.number else []
            place = pandoc.link(document.title, document.chapter.entry.page.name)
            heading = {"t": "Header", "c": [2, [document.chapter.entry.slug, [], values], [place]]}
            own.blocks += _moved([heading, *shown], document, documents, own)
    if own.blocks:
        own.blocks.insert(0, {"t": "Para", "c": pandoc.inlines(_introduction(project))})
    return own if own.blocks else None


def has_any(document: Document) -> bool:
    """Whether a chapter has a figure for the page."""
    return next(_figures(document), None) is not None


def _introduction(project: Project) -> str:
    licence = f" Licence: {project.licence}." if project.licence else ""
    return (
        f"Every figure of this book, with where it stands, what it was drawn from, and a line of HTML that shows it "
        f"elsewhere.{licence}"
    )


def _figures(document: Document) -> Iterator[tuple[Node, Node | None]]:
    """The numbered figures, each with the small print below it, if there is any before the next figure or table."""
    last: Node | None = None
    for node in pandoc.elements(document.blocks):
        is_print = node["t"] == "Div" and "provenance" in Attributes(node).classes
        if last is not None and (is_print or node["t"] in ("Figure", "Header")):
            yield last, node if is_print else None
            last = None
        if node["t"] == "Figure" and "figure" in Attributes(node).classes and "number" in Attributes(node).values:
            last = node
    if last is not None:
        yield last, None


def _reused(figure: Node, print_: Node | None, document: Document, project: Project) -> Iterator[Node]:
    attributes = Attributes(figure)
    images = [image for image in pandoc.elements(figure["c"][2]) if image["t"] == "Image"]
    place = document.chapter.entry.page
    number = attributes.values["number"]
    yield figure
    if print_ is not None:
        yield print_
    licence = [pandoc.string(f"Licence: {project.licence} · ")] if project.licence else []
    where = pandoc.link([pandoc.string(f"Figure {number} in its place")], f"{place.name}#{attributes.identifier}")
    files = [
        item
        for image in images
        for item in (pandoc.string(" · "), pandoc.link([pandoc.string(Path(image["c"][2][0]).name)], image["c"][2][0]))
    ]
    yield pandoc.div([pandoc.plain([*licence, where, *files])], classes=["provenance"])
    yield pandoc.raw_block("html", _embedding(figure, images, document, project))


def _embedding(figure: Node, images: Sequence[Node], document: Document, project: Project) -> str:
    """The line of HTML, to be unfolded and copied. Addresses are the site's where it is not known; see `page.js`."""

    def address(path: Path) -> str:
        return html.escape(project.address(path) or path.as_posix())

    attributes, caption = Attributes(figure), " ".join(pandoc.text_of(figure["c"][1][1]).split())
    place = f"{address(document.chapter.entry.page)}#{attributes.identifier}"
    shown = "".join(
        f'<img src="{address(local_path(document.chapter.path, image["c"][2][0]))}" '
        f'alt="{html.escape(Attributes(image).values.get("alt", ""))}" style="max-width: 100%; background: white">'
        for image in images
    )
    link = f'<a href="{place}">Figure {attributes.values["number"]}</a>'
    of = html.escape(", ".join(filter(None, [project.title, project.author, project.licence])))
    line = f"<figure>{shown}<figcaption>{html.escape(caption)} ({link} of {of})</figcaption></figure>"
    return (
        '<details class="embed"><summary>Embed</summary><div class="sourceCode"><pre><code>'
        f"{html.escape(line, quote=False)}</code></pre></div></details>"
    )


def _moved(blocks: list[Node], document: Document, documents: Sequence[Document], to: Document) -> list[Node]:
    """A copy of blocks of one page whose addresses hold on another."""
    reference_list = next((other for other in documents if "refs" in other.identifiers()), document)
    folder = to.chapter.path.parent.as_posix()

    def visit(node: Node) -> list[Node] | None:
        if node["t"] not in ("Link", "Image"):
            return None
        attributes, inlines, (url, title) = node["c"]
        path, _, fragment = url.partition("#")
        if REMOTE.match(url):
            return None
        if path:
            moved = posixpath.relpath(local_path(document.chapter.path, path).as_posix(), folder)
        else:
            moved = page_url(to, reference_list if fragment.startswith("ref-") else document)
        target = moved + (f"#{fragment}" if fragment else "")
        return [{"t": node["t"], "c": [attributes, pandoc.walk(inlines, visit), [target, title]]}]

    made: list[Node] = pandoc.walk(blocks, visit)
    return made
