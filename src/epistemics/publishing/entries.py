"""The log's entries: the numbers and classes that this book gives them, and the chapters that follow them.

The tables of the first page, the feed and ``llms.txt`` are made of what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from epistemics.analysis.tables import Shown

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


@dataclass(frozen=True)
class Chapter:
    """A chapter that follows entries of the log."""

    path: str
    entries: tuple[int, ...]
    question: str

    @property
    def label(self) -> str:
        return f"sec-{PurePosixPath(self.path).stem}"

    @property
    def classes(self) -> list[str]:
        """Of all its entries, each once."""
        return list(dict.fromkeys("".join(ENTRIES[number] for number in self.entries)))


CHAPTERS = (
    Chapter("chapters/epistemology.qmd", (1, 2), "What can be known about a neural network?"),
    Chapter("chapters/debate.qmd", (3, 4), "Does debate between liars and honest players help a weak judge?"),
    Chapter("chapters/von-neumann.qmd", (5,), "When can a machine make what is as complex as itself?"),
    Chapter("chapters/scaling-laws.qmd", (6,), "How is compute best divided, and what does a larger batch buy?"),
    Chapter("chapters/phase-1-1.qmd", (7,), "What decides how soon a network groks?"),
    Chapter("chapters/phase-1-2.qmd", (8,), "Does weight decay decide how hard a skill is to cut out?"),
    Chapter("chapters/full-length.qmd", (8, 11), "Does resistance last?"),
    Chapter("chapters/baselines.qmd", (8, 11), "What has a cut to be compared with?"),
    Chapter("chapters/batch-size.qmd", (6,), "Do small batches grok in fewer samples, and why?"),
    Chapter("chapters/literature.qmd", (9,), "What was known, and what of it is new?"),
    Chapter("chapters/open-questions.qmd", (10,), "Does resisting a cut mean resisting an input?"),
    Chapter("chapters/joint.qmd", (11,), "Can one skill be cut out of a model that has two?"),
    Chapter("chapters/adversarial.qmd", (13,), "Can training make a skill hard to cut out?"),
    Chapter("chapters/trilemma.qmd", (12,), "Can a model be separable, robust and efficient at once?"),
    Chapter("chapters/ledger.qmd", (6, 7, 8, 11, 12, 13), "Which of the log's claims hold over several seeds?"),
)
"""In the order of the book."""


def chapters() -> Shown:
    """The chapters with their entries, classes and questions, for reading."""
    rows = [[f"@{c.label}", _listed(c.entries), ", ".join(c.classes), c.question] for c in CHAPTERS]
    return Shown(["Chapter", "Log entry", "Class", "The question"], rows, left=4)


def by_class() -> str:
    """A Markdown list of the classes, each with its entries and the chapters that follow them."""
    lines = []
    for letter, meaning in CLASSES.items():
        marked = [number for number, classes in ENTRIES.items() if letter in classes]
        own = [(c, [number for number in c.entries if number in marked]) for c in CHAPTERS]
        following = ", ".join(f"@{c.label} ({_listed(numbers)})" for c, numbers in own if numbers)
        count = "1 entry" if len(marked) == 1 else f"{len(marked)} entries"
        lines.append(f"- **{letter}**, {meaning}: {f'{count}: {following}' if marked else 'no entry'}")
    return "\n".join(lines)


def _listed(entries: Iterable[int]) -> str:
    return ", ".join(map(str, entries))
