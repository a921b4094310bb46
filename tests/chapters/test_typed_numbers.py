"""Numbers in prose are computed. Each that is typed, in a chapter or a caption, is on a list with its reason.

Not looked at: code, formulas, citations and references, labels, links, list markers, years, and names with a number in
them. Everything else in digits comes from ``{{< var … >}}`` or stands in ``typed_numbers.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from prose import blank, chapters, prose

ALLOWED = Path(__file__).parent / "typed_numbers.yaml"

EXEMPT = (
    r"^::: \{\.callout-tip\}\n## Edit this\n.*?^:::$",  # what a reader is told to type
    r"\b[Ee]ntr(?:y|ies)\s+\d+(?:(?:,|\s+and|\s+to)\s+\d+)*|^\| @sec-[\w-]+ \| \d+(?:, \d+)* \|",  # log entries
    r"\$\$.*?\$\$|\$[^$]*?\$",  # formulas are definitions
    r"\{\{<.*?>\}\}",  # variables are computed
    r"\]\([^)\s]*\)|<https?:[^>]*>",  # where a link leads
    r"\{[#.][^}]*\}",  # labels
    r"@[A-Za-z][\w:.-]*\w",  # citations and references
    r"^\d+\. ",  # list markers
    r"\b(?:1[89]|20)\d\d\b(?![,.]?\d|%)",  # years
    r"\b[Pp]hase\s+\d\.\d\b|\b[Rr]ules?\s+\d+(?:\s+and\s+\d+)*|\bPython\s+\d\.\d+",  # names
    r"\b[Dd]ecays?\s+\d[\d.]*(?:(?:,|\s+and|\s+or)\s+\d[\d.]*)*",  # the models of a weight decay are called by it
)
NUMBER = re.compile(r"(?<![\w@])(?<!\w[-.])\d(?:[\d,.]*\d)?")
"""Digits that no letter stands before, as in rank99, k@95%, GPT-2 and A.6: these are names."""


class Typed(NamedTuple):
    number: str
    start: int
    end: int


def typed_numbers(text: str) -> Iterator[Typed]:
    """The numbers typed into a chapter's prose, and where."""
    left = prose(text)
    for pattern in EXEMPT:
        left = re.sub(pattern, blank, left, flags=re.M | re.S)
    for match in NUMBER.finditer(left):
        yield Typed(match[0], *match.span())


def faults(chapter: str, text: str, allowed: Sequence[str]) -> Iterator[str]:
    """Numbers that none of the allowed words contain, and words that contain no number any more."""
    needed = set()
    for number in typed_numbers(text):
        holding = [
            words for words in allowed if any(a <= number.start and number.end <= b for a, b in _at(words, text))
        ]
        needed.update(holding)
        if not holding:
            line = text.count("\n", 0, number.start) + 1
            around = " ".join(text[max(0, number.start - 50) : number.end + 30].split())
            yield f"{chapter}.qmd:{line}: {number.number} is typed, in “{around}”; compute it, or give a reason"
    for words in allowed:
        if words not in needed:
            yield f"{ALLOWED.name}: “{words}” of {chapter} is needed no more"


def _at(words: str, text: str) -> Iterator[tuple[int, int]]:
    """Where words stand in a text, over line ends too, and not within a longer number."""
    spaced = r"\s+".join(map(re.escape, words.split()))
    for match in re.finditer(rf"(?<![\w.,]){spaced}(?!\w|[.,]\d)", text):
        yield match.span()


def allow_list() -> dict[str, list[str]]:
    """Chapter → the words around its typed numbers."""
    found: dict[str, list[str]] = {}
    groups: Mapping[str, Mapping[str, list[str]]] = yaml.safe_load(ALLOWED.read_text(encoding="utf-8"))
    for of_reason in groups.values():
        for chapter, words in of_reason.items():
            found.setdefault(chapter, []).extend(words)
    return found


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_every_typed_number_has_a_reason(chapter: Path) -> None:
    found = list(faults(chapter.stem, chapter.read_text(encoding="utf-8"), allow_list().get(chapter.stem, [])))
    assert not found, "\n".join(found)


def test_the_allow_list_names_chapters_that_exist() -> None:
    assert set(allow_list()) <= {path.stem for path in chapters()}


@pytest.mark.parametrize(
    "text",
    [
        "We measured 12 things.",
        "Accuracy is 97.5% here.",
        "| Model | 1,024 |",
        '```{python}\n#| fig-cap: "All 5 of them."\nf(3)\n```',
        '```{python}\n#| fig-alt: "A line at 0.5."\nf(3)\n```',
        ": Out of 7. {#tbl-3}",
        "They are 1900 apart in steps of 2,048.",
        "With $p = 97$ there are 40.",
        "A 2-layer model.",
    ],
)
def test_a_typed_number_is_found(text: str) -> None:
    assert len(list(faults("some", text, []))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "It takes {{< var some.steps >}} of `range(12)` and $p^2 = 97$, $$ x = 3 $$",
        "As @power2022grokking and [@nanda2023progress; @eq-3] say (@sec-phase-1-2), in 2022.",
        '```{python}\n#| label: fig-7\n#| fig-cap: "None."\nf(3)\n```\n\n```bash\nmake 3\n```',
        "1. First\n2. Second, of rule 30 and rank99, k@95%, GPT-2, A.6, float32",
        "[here](https://a.example/3) in entries 1, 2 and\n13, at decay 0.1, decays\n0 and 0.01.",
        "::: {.callout-tip}\n## Edit this\n\nChange `A` to 1009.\n:::",
    ],
)
def test_what_is_no_typed_number(text: str) -> None:
    assert not list(faults("some", text, []))


def test_an_allowed_number_passes_and_only_there() -> None:
    text = "It falls below 95% of\n12 things, not of 12."
    assert not list(faults("some", text, ["below 95%", "of 12 things", "not of 12"]))
    assert [fault.split()[1] for fault in faults("some", text, ["below 95%", "of 12 things"])] == ["12"]


def test_a_line_that_nothing_needs_is_found() -> None:
    assert "of 13 is needed no more" not in "\n".join(faults("some", "Below 95%.", ["Below 95%"]))
    for gone in ("of 13", "Below 9", "below"):
        assert f"“{gone}” of some is needed no more" in "\n".join(faults("some", "Below 95%.", ["Below 95%", gone]))
