"""Characters that no font of the PDF has: typst's own fonts know no Chinese, no Japanese and no emoji.

For one of them typst refuses the whole document (PDF/UA) and names no chapter, so they are looked for before. Fonts
are asked through typst: it typesets a page with every character on a line of its own, and its complaints name lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import typst

from qmdbook import pandoc
from qmdbook.chapter import Cell, Chapter
from qmdbook.document import Document
from qmdbook.problems import Problem
from qmdbook.project import CONFIGURATION, Project

PLACE = re.compile(r"^ +┌─ .*:(\d+):\d+$", re.MULTILINE)
REMEDY = 'add one by `font-paths` of `format: typst`, or show it on pages only (`.content-visible when-format="html"`)'


def not_shown(project: Project, documents: Sequence[Document]) -> list[Problem]:
    """A problem for each line of the book with a character that the PDF can't show."""
    cover = "".join([project.title, project.subtitle, project.author, project.date])
    cover += "".join(entry.part or "" for entry in project.entries)
    texts = [(document.chapter, set(_text([*document.title, *document.blocks]))) for document in documents]
    missing = _without_font(project, set(cover).union(*(text for _, text in texts)))
    if not missing:
        return []
    found: list[Problem] = []
    if missing & set(cover):
        found += _named(CONFIGURATION, _lines_of(project.root / CONFIGURATION), missing & set(cover))
    cited = {path: _lines_of(project.root / path) for path in project.bibliography}
    for chapter, text in texts:
        left = missing & text
        for path, said in [(chapter.path, list(_lines(chapter))), *cited.items()]:
            found += _named(path, said, left)
            left -= {character for _, line in said for character in line}
        if left:  # a variable, or what a cell gave
            found.append(Problem(chapter.path, None, _message(left)))
    return found


def _without_font(project: Project, characters: set[str]) -> set[str]:
    """Those of the characters that none of the fonts has."""
    asked = sorted(character for character in characters if not " " <= character <= "~" and character not in "\n\t")
    page = ['#set document(title: "Characters")', *(f'#"\\u{{{ord(character):x}}}"' for character in asked)]
    own = [str(project.root / path) for path in project.font_paths]
    fonts = typst.Fonts(include_system_fonts=False, font_paths=own)
    try:
        typst.compile("\n\n".join(page).encode(), font_paths=fonts, pdf_standards="ua-1")
    except typst.TypstError as error:
        # Every second line is empty, and the first is the title's: the characters stand on lines 3, 5, 7, …
        return {asked[int(line) // 2 - 1] for line in PLACE.findall(error.diagnostic)}
    return set()


def _text(blocks: list[pandoc.Node]) -> str:
    """All that is set in type."""
    parts = []
    for node in pandoc.elements(blocks):
        if node["t"] == "Str":
            parts.append(node["c"])
        elif node["t"] in ("Code", "CodeBlock", "Math", "RawInline", "RawBlock"):
            parts.append(node["c"][1])
    return "".join(parts)


def _lines_of(path: Path) -> list[tuple[int, str]]:
    return list(enumerate(path.read_text(encoding="utf-8").split("\n"), 1))


def _lines(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """The chapter's lines with their numbers, code included; most are there twice."""
    yield from enumerate(chapter.searchable, 1)
    for segment in chapter.segments:
        first, text = (segment.code_line, segment.code) if isinstance(segment, Cell) else (segment.line, segment.text)
        yield from enumerate(text.split("\n"), first)


def _named(file: Path, lines: Iterable[tuple[int, str]], missing: set[str]) -> Iterator[Problem]:
    for number, line in lines:
        if here := missing & set(line):
            yield Problem(file, number, _message(here))


def _message(characters: set[str]) -> str:
    if control := [character for character in sorted(characters) if unicodedata.category(character) == "Cc"]:
        return f"a control character, {control[0]!r}: take it out"
    shown = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in sorted(characters)[:5])
    more = f" and {len(characters) - 5} more" if len(characters) > 5 else ""
    return f"no font of the PDF has {shown}{more}: {REMEDY}"
