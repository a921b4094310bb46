"""A chapter as pandoc's tree in one output format: figures, tables, equations and callouts in one shape each.

After `read` these are the only special elements:

- `Figure` with class `figure` or `table`: contents, caption, and the label as identifier
- `Div` with class `equation` and an `eq-` identifier around a display formula
- `Div` with classes `callout callout-note`: a div `callout-title` (if it has one), then `callout-body`
- `Div` with class `cell`, and the cell's number in its chapter as `cell`: at most one code block of class `cell-code`,
  then at most one div `cell-output`; empty if the chapter shows neither
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from qmdbook import pandoc
from qmdbook.assemble import Assembled
from qmdbook.chapter import Chapter
from qmdbook.pandoc import Attributes, Node
from qmdbook.problems import Problem
from qmdbook.shapes import Shaper

FORMATS = ("html", "typst")
NUMBERED = {"fig": "Figure", "tbl": "Table", "eq": "Equation", "sec": "Section"}
CONDITIONS = ("content-visible", "content-hidden")
REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


@dataclass
class Document:
    """One chapter in one format."""

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
    def headings(self) -> list[Node]:
        return [node for node in pandoc.elements(self.blocks) if node["t"] == "Header"]

    @property
    def description(self) -> str:
        """`description:`, or else the first paragraph as plain text, without citations in brackets."""
        if self.chapter.description:
            return self.chapter.description
        first = next((block for block in self.blocks if block["t"] != "Div" or block["c"][1]), None)
        if first is None or first["t"] != "Para":
            return ""
        kept: list[Node] = []
        for node in first["c"]:
            if node["t"] != "Cite" or node["c"][0][0]["citationMode"]["t"] == "AuthorInText":
                kept.append(node)
            elif kept and kept[-1]["t"] in ("Space", "SoftBreak"):
                kept.pop()
        return " ".join(pandoc.text_of(kept).split())

    def identifiers(self) -> list[str]:
        """Every identifier on the page, the title's first."""
        found = [Attributes(node).identifier for node in pandoc.elements(self.blocks) if pandoc.has_attributes(node)]
        return [identifier for identifier in (self.identifier, *found) if identifier]


def local_path(chapter: Path, url: str) -> Path:
    """The project's path of a relative or /absolute URL in a chapter."""
    path = unquote(url)
    joined = path.lstrip("/") if path.startswith("/") else posixpath.join(chapter.parent.as_posix(), path)
    return Path(posixpath.normpath(joined))


def read(chapter: Chapter, assembled: Assembled, output_format: str, problems: list[Problem]) -> Document:
    """The tree of a chapter whose cells' outputs are in `assembled`."""
    document = Document(chapter, output_format)
    reader = _Reader(document, problems)
    parsed, warnings = pandoc.parse(assembled.text)
    for warning in warnings:
        line = assembled.lines[min(warning.line, len(assembled.lines)) - 1] if warning.line else None
        problems.append(Problem(chapter.path, line, warning.message))
    blocks = pandoc.walk(parsed, reader.condition)
    blocks = pandoc.walk(blocks, Shaper(chapter, problems).shape)
    document.blocks = reader.take_title(blocks)
    return document


class _Reader:
    def __init__(self, document: Document, problems: list[Problem]) -> None:
        self.document = document
        self.chapter = document.chapter
        self.problems = problems

    def problem(self, message: str, *patterns: str) -> None:
        self.problems.extend(self.chapter.problems(message, *patterns))

    def condition(self, node: Node) -> list[Node] | None:
        """Nothing in place of content for the other format, the content itself in place of its wrapper."""
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
                self.problem(f'.{behaviour} with {key}="{value}": the conditions known here are {known}', place)
            met = met and (value == self.document.output_format) == (key == "when-format")
        visible = met if behaviour == "content-visible" else not met
        if not visible:
            return []
        if node["t"] not in ("Div", "Span"):
            return None
        children: list[Node] = pandoc.walk(node["c"][1], self.condition)
        return children

    def take_title(self, blocks: list[Node]) -> list[Node]:
        """`blocks` without the chapter's title, which goes into the document."""
        document, titles = (
            self.document,
            [block for block in blocks if block["t"] == "Header" and block["c"][0] == 1],
        )
        if self.chapter.title:
            document.title = pandoc.inlines(self.chapter.title)
        elif titles:
            title = titles.pop(0)
            blocks = [block for block in blocks if block is not title]
            document.title = title["c"][2]
            document.identifier = Attributes(title).identifier
            document.unnumbered = "unnumbered" in Attributes(title).classes
        else:
            self.problem("no title: neither `title:` in the front matter nor a heading with one #, for both formats")
        for extra in titles:
            text = pandoc.text_of(extra)
            self.problem(f"a second title, {text!r}: sections begin with ##", rf"^#\s+{re.escape(text)}", r"^#\s")
        return blocks
