"""The log's entries: the numbers and classes that this book gives them, and the tables of the first page."""

from __future__ import annotations

from collections.abc import Iterable

from epistemics.analysis.tables import Shown
from epistemics.chapters.contents import FOLLOWING, Chapter

CLASSES = {
    "A": "artificial intelligence, machine learning and alignment",
    "C": "cryptography",
    "M": "mathematics",
    "F": "finance and markets",
    "S": "software engineering",
    "P": "philosophy and epistemology",
}
"""This book's letters and what they stand for."""

ENTRIES = {
    1: "APM",
    2: "AP",
    3: "A",
    4: "A",
    5: "MPA",
    6: "AM",
    7: "AS",
    8: "A",
    9: "A",
    10: "A",
    11: "A",
    12: "AP",
    13: "A",
}
"""Number of an entry → its classes, the first one first."""


def classes(chapter: Chapter) -> list[str]:
    """Those of all entries that a chapter follows, each once."""
    return list(dict.fromkeys("".join(ENTRIES[number] for number in chapter.entries)))


def chapters() -> Shown:
    """The chapters with their entries, classes and questions, for reading."""
    rows = [[f"@{c.label}", _listed(c.entries), ", ".join(classes(c)), c.question] for c in FOLLOWING]
    return Shown(["Chapter", "Log entry", "Class", "The question"], rows, left=4)


def by_class() -> str:
    """A Markdown list of the classes, each with its entries and the chapters that follow them."""
    lines = []
    for letter, meaning in CLASSES.items():
        marked = [number for number, classes in ENTRIES.items() if letter in classes]
        own = [(c, [number for number in c.entries if number in marked]) for c in FOLLOWING]
        following = ", ".join(f"@{c.label} ({_listed(numbers)})" for c, numbers in own if numbers)
        count = "1 entry" if len(marked) == 1 else f"{len(marked)} entries"
        lines.append(f"- **{letter}**, {meaning}: {f'{count}: {following}' if marked else 'no entry'}")
    return "\n".join(lines)


def _listed(entries: Iterable[int]) -> str:
    return ", ".join(map(str, entries))
