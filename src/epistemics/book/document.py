"""A chapter as pandoc's tree in one output format: figures, tables, equations and callouts in one shape each.

After `read` these are the only special elements:

- `Figure` with class `figure` or `table`: contents, caption, and the label as identifier
- `Div` with class `equation` and an `eq-` identifier around a display formula
- `Div` with classes `callout callout-note`: a div `callout-title` (if it has one), then `callout-body`
- `Div` with class `cell`: at most one code block of class `cell-code`, then at most one div `cell-output`
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from epistemics.book import pandoc
from epistemics.book.chapter import Chapter
from epistemics.book.pandoc import Attributes, Node
from epistemics.book.problems import Problem

FORMATS = ("html", "typst")
CALLOUTS = ("note", "tip", "warning", "important", "caution")
NUMBERED = {"fig": "Figure", "tbl": "Table", "eq": "Equation", "sec": "Section"}
EQUATION = re.compile(r"\{#(eq-[\w-]+)\}(.*)$")
CONDITIONS = ("content-visible", "content-hidden")
NOT_HERE = re.compile(r"panel-|column-|aside$|theorem$|proof$|hidden$|layout|absolute$|fragment$")
IMAGE_ATTRIBUTES = {"width", "height", "fig-alt", "alt"}
CALLOUT_ATTRIBUTES = {"title", "collapse", "appearance", "icon"}
REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


@dataclass
class Document:
    """One chapter in one format; `title` is empty for a chapter that has nothing in this format."""

    chapter: Chapter
    output_format: str
    title: list[Node] = field(default_factory=list)
    identifier: str = ""
    number: str = ""
    unnumbered: bool = False
    blocks: list[Node] = field(default_factory=list)
    images: set[Path] = field(default_factory=set)

    @property
    def name(self) -> str:
        return pandoc.text_of(self.title).strip()

    @property
    def empty(self) -> bool:
        return not self.title and not self.blocks

    @property
    def headings(self) -> list[Node]:
        return [node for node in pandoc.elements(self.blocks) if node["t"] == "Header"]

    def identifiers(self) -> list[str]:
        """Every identifier on the page, the title's first."""
        found = [
            Attributes(node).identifier
            for node in pandoc.elements(self.blocks)
            if pandoc.has_attributes(node)
        ]
        return [identifier for identifier in (self.identifier, *found) if identifier]


def local_path(chapter: Path, url: str) -> Path:
    """The project's path of a relative or /absolute URL in a chapter."""
    path = unquote(url)
    joined = path.lstrip("/") if path.startswith("/") else posixpath.join(chapter.parent.as_posix(), path)
    return Path(posixpath.normpath(joined))


def read(
    chapter: Chapter, markdown: str, output_format: str, root: Path, generated: Collection[Path],
    problems: list[Problem],
) -> Document:  # fmt: skip
    """The chapter's tree; `generated` are the images that its cells made."""
    document = Document(chapter, output_format)
    reader = _Reader(document, root, generated, problems)
    blocks = pandoc.walk(pandoc.parse(markdown), reader.condition)
    blocks = reader.take_title(pandoc.walk(blocks, reader.shape))
    document.blocks = blocks
    for node in pandoc.elements(blocks):
        reader.inspect(node)
    reader.inspect_headings()
    return document


class _Reader:
    def __init__(
        self, document: Document, root: Path, generated: Collection[Path], problems: list[Problem]
    ) -> None:
        self.document = document
        self.chapter = document.chapter
        self.root = root
        self.generated = generated
        self.problems = problems

    def problem(self, message: str, *patterns: str) -> None:
        self.problems.extend(self.chapter.problems(message, *patterns))

    # Content for one format only

    def condition(self, node: Node) -> list[Node] | None:
        if not pandoc.has_attributes(node):
            return None
        attributes = Attributes(node)
        behaviour = next((name for name in attributes.classes if name in CONDITIONS), None)
        if behaviour is None:
            return None
        met = True
        for key, value in attributes.values.items():
            if key not in ("when-format", "unless-format") or value not in FORMATS:
                known = f"when-format and unless-format with {' or '.join(FORMATS)}"
                place = rf"{re.escape(key)}=.?{re.escape(value)}"
                self.problem(
                    f'.{behaviour} with {key}="{value}": the conditions known here are {known}', place
                )
            met = met and (value == self.document.output_format) == (key == "when-format")
        visible = met if behaviour == "content-visible" else not met
        if not visible:
            return []
        if node["t"] not in ("Div", "Span"):
            return None
        children: list[Node] = pandoc.walk(node["c"][1], self.condition)
        return children

    # The shapes

    def shape(self, node: Node) -> list[Node] | None:
        kind = node["t"]
        if kind == "Figure":
            return [self._figure(node)]
        if kind == "Table":
            return [self._table(node)]
        if kind in ("Para", "Plain") and any(_is_equation_label(item) for item in node["c"]):
            return self._equations(node)
        if kind == "Div":
            attributes = Attributes(node)
            callout = next((name for name in attributes.classes if name.startswith("callout")), None)
            if callout is not None:
                return [self._callout(node, callout.removeprefix("callout-"))]
            if attributes.identifier.startswith(("fig-", "tbl-")) or "figure" in attributes.classes:
                return [self._float(node)]
        return None

    def _figure(self, node: Node) -> Node:
        attributes = Attributes(node)
        attributes.classes[:] = [*attributes.classes, "figure"]
        return node

    def _table(self, node: Node) -> Node:
        attributes, caption = Attributes(node), node["c"][1]
        identifier = attributes.identifier
        if attributes.values:
            self.problem(
                f"table attributes {', '.join(attributes.values)} are not known here", re.escape(identifier)
            )
        if not caption[1]:
            return node
        attributes.identifier = ""
        node["c"][1] = [None, []]
        return {"t": "Figure", "c": [[identifier, ["table"], []], caption, [node]]}

    def _float(self, node: Node) -> Node:
        """A div around a figure or table whose last paragraph is the caption."""
        attributes, blocks = Attributes(node), node["c"][1]
        identifier = attributes.identifier
        place = re.escape(identifier) if identifier else "^$"
        kind = "table" if identifier.startswith("tbl-") else "figure"
        tables = [block for block in pandoc.elements(blocks) if block["t"] == "Table"]
        caption: list[Node] = []
        if len(blocks) > 1 and blocks[-1]["t"] == "Para":
            caption, blocks = [pandoc.plain(blocks[-1]["c"])], blocks[:-1]
        elif tables and tables[0]["c"][1][1]:
            caption, tables[0]["c"][1] = tables[0]["c"][1][1], [None, []]
        else:
            self.problem(f"{identifier}: no caption; it is the last paragraph of the div", place)
        contents: list[Node] = []
        for block in blocks:
            if block["t"] == "Figure":
                contents.extend(block["c"][2])
            elif block["t"] == "Para":
                contents.append(pandoc.plain(block["c"]))
            else:
                contents.append(block)
        if kind == "table" and not tables:
            self.problem(f"{identifier}: no table in it", place)
        nested = [
            Attributes(item).identifier for item in pandoc.elements(blocks) if pandoc.has_attributes(item)
        ]
        if any(name.startswith(("fig-", "tbl-")) for name in nested):
            self.problem(f"{identifier}: figures inside a figure are not known here", place)
        unknown = [name for name in attributes.values if name != "fig-alt"]
        if unknown:
            self.problem(f"{identifier}: attributes {', '.join(unknown)} are not known here", place)
        for image in pandoc.elements(contents):
            if image["t"] == "Image" and "fig-alt" in attributes.values:
                Attributes(image).set("fig-alt", attributes.values["fig-alt"])
        classes = [kind, *(name for name in attributes.classes if name not in ("figure", "table"))]
        return {"t": "Figure", "c": [[identifier, classes, []], [None, caption], contents]}

    def _equations(self, node: Node) -> list[Node]:
        """A paragraph cut at its labelled formulas, each of which becomes a div."""
        result: list[Node] = []
        pending: list[Node] = []

        def flush() -> None:
            while pending and pending[-1]["t"] in ("Space", "SoftBreak"):
                pending.pop()
            if pending:
                result.append({"t": "Para", "c": list(pending)})
            pending.clear()

        for item in node["c"]:
            match = EQUATION.match(item["c"]) if _is_equation_label(item) else None
            if match is not None:
                while pending and pending[-1]["t"] in ("Space", "SoftBreak"):
                    pending.pop()
                if pending and pending[-1]["t"] == "Math" and pending[-1]["c"][0]["t"] == "DisplayMath":
                    formula = pending.pop()
                    flush()
                    result.append(pandoc.div([pandoc.plain([formula])], match[1], ["equation"]))
                    pending.extend([pandoc.string(match[2])] if match[2] else [])
                    continue
            if _is_equation_label(item):
                self.problem(
                    f"{item['c']}: an equation's label is {{#eq-name}} right after $$…$$",
                    re.escape(item["c"]),
                )
            if pending or item["t"] not in ("Space", "SoftBreak"):
                pending.append(item)
        flush()
        return result

    def _callout(self, node: Node, kind: str) -> Node:
        attributes, blocks = Attributes(node), pandoc.walk(node["c"][1], self.shape)
        values = attributes.values
        place = rf"\.callout-?{re.escape(kind)}"
        if kind not in CALLOUTS:
            self.problem(f"callout {kind!r} is not one of {', '.join(CALLOUTS)}", place)
        for key in values.keys() - CALLOUT_ATTRIBUTES:
            self.problem(
                f"callout attribute {key!r} is not one of {', '.join(sorted(CALLOUT_ATTRIBUTES))}", place
            )
        title: list[Node] = []
        if "title" in values:
            title = next((block["c"] for block in pandoc.parse(values["title"]) if "c" in block), [])
        elif blocks and blocks[0]["t"] == "Header":
            title, blocks = blocks[0]["c"][2], blocks[1:]
        parts = [pandoc.div([pandoc.plain(title)], classes=["callout-title"])] if title else []
        parts.append(pandoc.div(blocks, classes=["callout-body"]))
        shaped = pandoc.div(parts, attributes.identifier, ["callout", f"callout-{kind}"])
        if values.get("collapse") in ("true", "false"):
            Attributes(shaped).set("collapse", values["collapse"])
        return shaped

    # The title

    def take_title(self, blocks: list[Node]) -> list[Node]:
        """`blocks` without the chapter's title, which goes into the document."""
        document, titles = (
            self.document,
            [block for block in blocks if block["t"] == "Header" and block["c"][0] == 1],
        )
        if self.chapter.title and (blocks or document.output_format == "html"):
            document.title = pandoc.parse(self.chapter.title)[0]["c"]
        elif titles:
            title = titles.pop(0)
            blocks = [block for block in blocks if block is not title]
            document.title = title["c"][2]
            document.identifier = Attributes(title).identifier
            document.unnumbered = "unnumbered" in Attributes(title).classes
        elif blocks or document.output_format == "html":
            self.problem("no title: neither `title:` in the front matter nor a heading with one #")
        for extra in titles:
            text = pandoc.text_of(extra)
            self.problem(
                f"a second title, {text!r}: sections begin with ##", rf"^#\s+{re.escape(text)}", r"^#\s"
            )
        return blocks

    def inspect_headings(self) -> None:
        level = 1
        for heading in self.document.headings:
            text = pandoc.text_of(heading)
            if heading["c"][0] > level + 1:
                marks = "#" * heading["c"][0]
                self.problem(
                    f"{marks} {text}: a level is skipped", rf"^{marks}\s+{re.escape(text)}", rf"^{marks}\s"
                )
            level = heading["c"][0]

    # What can be wrong with the rest

    def inspect(self, node: Node) -> None:
        kind = node["t"]
        if kind == "Image":
            self._image(node)
        elif kind == "Figure":
            identifier = Attributes(node).identifier
            for image in pandoc.elements(node["c"][2]):
                if (
                    image["t"] == "Image"
                    and identifier
                    and not Attributes(image).values.get("fig-alt", "").strip()
                ):
                    self.problem(f"{identifier}: no fig-alt", re.escape(identifier))
        elif kind in ("RawBlock", "RawInline"):
            if re.search(r"""(?:src|srcset|poster|data)\s*=\s*["']?\s*(?:https?:)?//""", node["c"][1]):
                self.problem("raw content that loads from another host", r"src\s*=")
        elif kind == "Str" and "{{<" in node["c"]:
            self.problem("an unfinished shortcode {{<", r"\{\{<")
        elif kind in ("Div", "CodeBlock", "Span"):
            attributes = Attributes(node)
            for name in (*attributes.classes, *attributes.values):
                if NOT_HERE.match(name) or (kind == "CodeBlock" and name in attributes.values):
                    self.problem(f"{name!r} is not known here", rf"[.{{\s]{re.escape(name)}")

    def _image(self, node: Node) -> None:
        attributes, url = Attributes(node), node["c"][2][0]
        place = re.escape(url)
        if REMOTE.match(url):
            self.problem(f"image {url}: keep images in the project", place)
            return
        path = local_path(self.chapter.path, url)
        if path not in self.generated and not (self.root / path).is_file():
            self.problem(f"image {url}: no file {path.as_posix()}", place)
        self.document.images.add(path)
        if self.document.output_format == "typst":
            node["c"][2][0] = f"/{path.as_posix()}"
        else:
            node["c"][2][0] = posixpath.relpath(path.as_posix(), self.chapter.path.parent.as_posix())
        for key in attributes.values.keys() - IMAGE_ATTRIBUTES:
            self.problem(
                f"image {url}: attribute {key!r} is not one of {', '.join(sorted(IMAGE_ATTRIBUTES))}", place
            )
        alt = attributes.values.get("fig-alt", attributes.values.get("alt", pandoc.text_of(node["c"][1])))
        if not alt.strip() and path not in self.generated:
            self.problem(f"image {url}: no fig-alt", place)
        attributes.remove("fig-alt")
        attributes.set("alt", alt)


def _is_equation_label(item: Any) -> bool:
    return bool(item["t"] == "Str" and item["c"].startswith("{#eq-"))
