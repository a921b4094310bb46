"""What a chapter says to readers, cut out of its source: prose, captions and alternative texts, without code."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]

CELL = re.compile(r"^```\{python\}\n.*?^```$", re.M | re.S)
SPOKEN = re.compile(r'^#\| (?:fig-cap|fig-alt|tbl-cap): "(.*)"$', re.M)
LISTING = re.compile(r"\A---\n.*?^---\n|^```.*?^```$|`(?:[^`\n]|\n(?!\n))*`", re.M | re.S)


def chapters() -> list[Path]:
    """The book's chapters."""
    return [PROJECT / "index.qmd", *sorted((PROJECT / "chapters").glob("*.qmd"))]


def blank(match: re.Match[str]) -> str:
    """As long as the match and on as many lines, so that what is left keeps its place; a space ends no number."""
    return re.sub(r"[^\n]", "\0", match[0])


def prose(text: str) -> str:
    """The text with front matter, code and listings blanked, but not captions in cells; of the same length."""
    spoken = list(CELL.sub(blank, text))
    for cell in CELL.finditer(text):
        for option in SPOKEN.finditer(text, *cell.span()):
            spoken[option.start(1) : option.end(1)] = option[1]
    return LISTING.sub(blank, "".join(spoken))
