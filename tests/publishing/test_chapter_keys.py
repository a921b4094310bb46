"""What a chapter depends on: exactly the experiments whose results it loads, and all where reading can't tell."""

from __future__ import annotations

import pytest
from prose import CELL, PROJECT

from epistemics.declared.experiments import experiment_names
from epistemics.publishing.chapter_keys import loaded
from epistemics.store.fingerprint import reached_from

ALL = ["one", "two", "three"]


@pytest.mark.parametrize(
    ("code", "experiments"),
    [
        ('load_results("one")', ["one"]),
        ('load_results(name="one")', ["one"]),
        ('stored_runs.load_results("one", project)', ["one"]),
        ('load_results("one")\nprint("two")', ["one"]),
        ('print("one")', []),
        ('[load_results(name) for name in ("three", "one")]', ["one", "three"]),
        ('NAMES = ("two",)\nfor name in NAMES:\n    load_results(name)', ALL),  # not followed
        ('LAST = "three"\nfor name in ("one", LAST):\n    load_results(name)', ALL),
        ('load_results("one" if asked else other)', ALL),
        ('name = "one"\nname += "s"\nload_results(name)', ALL),
        ('for n in ("one",):\n    load_results(n)\nfor n in names:\n    load_results(n)', ALL),
        ('load_results("-".join(["o", "ne"]))', ALL),
        ('load_results(input())\nprint("one")', ALL),
        ('name = input()\nload_results(name)\nprint("one")', ALL),
        ('a, b = (load_results(name) for name in ("one", "two"))', ["one", "two"]),
        ('def load(name):\n    print("one")\n    return load_results(name)\nload("two")', ALL),
        ('from epistemics.analysis.stored_runs import load_results as load\nload("one")', ALL),
        ('print("one")\nlist(map(load_results, names))', ALL),
    ],
)
def test_what_some_code_loads(code: str, experiments: list[str]) -> None:
    assert loaded(code, {}, ALL) == experiments


def test_what_the_chapters_load() -> None:
    every = experiment_names(PROJECT / "experiments")

    def of(chapter: str) -> list[str]:
        cells = CELL.findall((PROJECT / "chapters" / f"{chapter}.qmd").read_text(encoding="utf-8"))
        text = "\n".join(line for cell in cells for line in cell.splitlines() if not line.startswith("```"))
        return loaded(text, reached_from(text), every)

    assert of("phase-1-1") == ["phase-1-1"]
    assert of("method") == ["gradient", "precision"]
    assert of("debate") == []
    assert set(of("trilemma")) >= {"phase-1-2", "full-length", "joint", "adversarial-sweep"}  # two by constants
    assert of("runs") == every


@pytest.mark.parametrize(
    ("public", "uses", "does_not"),
    [
        ("final_states", "science.transformer.Transformer", "science.training.training_step"),
        ("train", "science.training.training_step", "science.noise.DRAWS"),
        ("load_results", "store.store.Store", "science.transformer.Transformer"),
    ],
)
def test_what_is_looked_up_in_a_table_counts_where_it_is_looked_up(public: str, uses: str, does_not: str) -> None:
    """A cell that computes with a network hangs on its source; one that loads what was computed does not."""
    found = reached_from(f"from epistemics import {public}\n{public}")
    assert uses in found
    assert does_not not in found
