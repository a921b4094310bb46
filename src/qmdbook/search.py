"""What a reader can search: the text of every section, as one script for the whole site.

It is a script because pages that are opened as files can load one, and can fetch nothing. `page.js` searches it with
MiniSearch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from qmdbook.previews import Page

HEADINGS = ("h2", "h3", "h4", "h5", "h6")
TOGETHER = re.compile("a|abbr|b|code|del|em|i|mark|q|s|small|span|strong|sub|sup|u|semantics|m[a-z]+")
"""Elements, those of mathematics among them, whose text goes on from what stands before."""
VOID = ("br", "col", "hr", "img", "input", "source", "wbr")
LEFT_OUT = {
    "script", "style", "annotation", "anchor", "header-section-number", "code-fold", "provenance", "footnote-back",
}  # fmt: skip
"""Elements and classes without words of the text: data of figures, TeX beside its formula, folded code, small print."""
POWER = re.compile(r"(<msup>\s*<m[ino]>[^<]*</m[ino]>)<mn>(\d+)</mn>")
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass
class Section:
    """A heading, and the text up to the next one. A page's first section has no heading of its own."""

    identifier: str = ""
    heading: str = ""
    text: str = ""


def script(pages: Mapping[Path, Page]) -> str:
    """JavaScript that sets `bookSections`: address, page, heading and text of every section."""
    sections = [
        {
            "url": f"{path.as_posix()}#{section.identifier}" if section.identifier else path.as_posix(),
            "page": page.name,
            "heading": section.heading,
            "text": section.text,
        }
        for path, page in pages.items()
        for section in sections_of(page.body)
    ]
    return f"window.bookSections = {json.dumps(sections, ensure_ascii=False, indent=0)};\n"


def sections_of(body: str) -> list[Section]:
    """The sections of a page's HTML, their text as it is read: formulas once, powers raised."""
    reader = _Reader()
    reader.feed(POWER.sub(lambda power: power[1] + power[2].translate(RAISED), body))
    reader.close()
    return [
        Section(section.identifier, " ".join(section.heading.split()), " ".join(section.text.split()))
        for section in reader.sections
    ]


class _Reader(HTMLParser):
    """Collects sections from HTML that is well-formed."""

    def __init__(self) -> None:
        super().__init__()
        self.sections = [Section()]
        self.left_out = [False]
        """Of each open element, whether its text is left out."""
        self.in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in HEADINGS and values.get("id"):
            self.sections.append(Section(values["id"] or ""))
            self.in_heading = True
        self.part(tag)
        if tag not in VOID:
            names = {tag, *(values.get("class") or "").split()}
            self.left_out.append(self.left_out[-1] or not LEFT_OUT.isdisjoint(names))

    def handle_endtag(self, tag: str) -> None:
        self.part(tag)
        if tag in HEADINGS:
            self.in_heading = False
        if tag not in VOID:
            self.left_out.pop()

    def handle_data(self, data: str) -> None:
        section = self.sections[-1]
        if self.left_out[-1]:
            return
        if self.in_heading:
            section.heading += data
        else:
            section.text += data

    def part(self, tag: str) -> None:
        """Words on both sides of this tag are two, unless it stands within a line."""
        if not TOGETHER.fullmatch(tag):
            self.handle_data(" ")
