"""What each chapter invites its reader to do: done on a copy of the book in the smoke profile, it keeps its promise.

A box "Edit this" says, in its own words, «in `FILE`, change `OLD` to `NEW`» or «add `TEXT` to `FILE`», the commands to
run then, and what follows: whether anything trains, and which chapters execute again.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from prose import PROJECT, chapters
from rendering import Rendering, epistemics, python, render

from epistemics.analysis.tables import ABSENT

BOX = re.compile(r"^::: \{\.callout-tip\}\n## Edit this\n(.*?)^:::$", re.M | re.S)
STEP = re.compile(r"[Aa]dd `([^`]+)` to `([^`]+)`|[Ii]n `([^`]+)`|`([^`]+)` to `([^`]+)`(?: in both (\w+))?")


@dataclass(frozen=True)
class Edit:
    """A text of a file and what takes its place; an empty text stands at the file's end."""

    file: str
    old: str
    new: str
    times: int = 1
    """How often the old text is there."""

    def made(self, text: str) -> str:
        return text.replace(self.old, self.new) if self.old else f"{text}\n{self.new}\n"


@dataclass(frozen=True)
class Box:
    """A box, as a reader understands it."""

    chapter: str
    text: str

    @property
    def edits(self) -> list[Edit]:
        found, file = [], ""
        for added, to, within, old, new, both in STEP.findall(self.text):
            file = within or file
            if added:
                found.append(Edit(to, "", added))
            elif old:
                found.append(Edit(file, old, new, 2 if both else 1))
        return found

    def edited(self, folder: Path) -> dict[str, str]:
        """The files of a project that its edits change, as they are then."""
        texts = {edit.file: (folder / edit.file).read_text(encoding="utf-8") for edit in self.edits}
        for edit in self.edits:
            texts[edit.file] = edit.made(texts[edit.file])
        return texts

    @property
    def commands(self) -> list[list[str]]:
        return [command.split() for command in re.findall(r"`epistemics ([^`]+)`", self.text)]

    @property
    def executes(self) -> set[str] | None:
        """The chapters that it says execute again; None if it says nothing of that."""
        said = " ".join(sentence for sentence in self.text.split(". ") if re.search(r"\bexecutes?\b", sentence))
        own = {self.chapter} if "this chapter" in said else set()
        return own | {f"chapters/{name}.qmd" for name in re.findall(r"@sec-([\w-]*\w)", said)} if said else None

    @property
    def trains(self) -> bool:
        """Whether it says that something does."""
        return re.search(r"nothing (trains|executes)", self.text, re.I) is None and "train" in self.text


def boxes() -> list[Box]:
    """Every box, its text on one line."""
    return [
        Box(path.relative_to(PROJECT).as_posix(), " ".join(box.split()))
        for path in chapters()
        for box in BOX.findall(path.read_text(encoding="utf-8"))
    ]


BOXES = boxes()
OF_EACH = pytest.mark.parametrize("box", BOXES, ids=[Path(box.chapter).stem for box in BOXES])

# Puts each box's files, as edited, alone into a copy of the rendered book, and prints what would train and what decides
# whether a chapter executes again.
ASK = """
import json, sys
from pathlib import Path
import qmdbook
from epistemics.declared.project import find_project
from epistemics.publishing.chapter_keys import chapter_key
from epistemics.lab.status import status
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.store.store import Store

project = find_project()

def asked():
    names = experiment_names(project.experiments)
    planned = {name: load_experiment(project.experiments, name, project.profile).runs for name in names}
    found = {name: status(runs, Store(project.results)) for name, runs in planned.items()}
    key = chapter_key(project)
    cells = qmdbook.cells(project.folder)
    return {
        "states": {name: [s.state for s in several] for name, several in found.items()},
        "keys": {path.as_posix(): [key(path, own), *own] for path, own in cells.items()},
    }

answers = [asked()]
for edits in json.load(sys.stdin):
    before = {file: Path(file).read_text(encoding="utf-8") for file in edits}
    for file, text in edits.items():
        Path(file).write_text(text, encoding="utf-8")
    answers.append(asked())
    for file, text in before.items():
        Path(file).write_text(text, encoding="utf-8")
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    """What would follow on a box's edits."""

    states: Mapping[str, list[str]]
    """Experiment → the states of its runs."""
    keys: Mapping[str, list[str]]
    """Chapter → what decides whether it executes again."""


@pytest.fixture(scope="module")
def answers(book: Rendering, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Answer]:
    """By chapter, and under the empty name with no edit made."""
    folder = shutil.copytree(book.folder, tmp_path_factory.mktemp("asked") / "project")
    done = python(folder, "-c", ASK, given=json.dumps([box.edited(folder) for box in BOXES]))
    assert done.returncode == 0, done.stdout
    found = [Answer(**answer) for answer in json.loads(done.stdout)]
    return dict(zip(["", *(box.chapter for box in BOXES)], found, strict=True))


def test_the_boxes_are_found() -> None:
    invited = [path for path in chapters() if "## Edit this" in path.read_text(encoding="utf-8")]
    assert [box.chapter for box in BOXES] == [path.relative_to(PROJECT).as_posix() for path in invited]
    assert all(box.commands for box in BOXES)


@OF_EACH
def test_a_box_names_what_is_there(box: Box) -> None:
    for edit in box.edits:
        text = (PROJECT / edit.file).read_text(encoding="utf-8")
        if edit.old:
            assert text.count(edit.old) == edit.times, f"{edit.old} in {edit.file}"
            assert edit.new not in text, f"{edit.new} in {edit.file}"


@pytest.mark.slow
@OF_EACH
def test_a_box_says_what_trains(box: Box, answers: Mapping[str, Answer]) -> None:
    states = answers[box.chapter].states
    waiting = {name for name, found in states.items() if set(found) != {"fresh"}}
    assert not any("stale" in found for found in states.values())
    assert bool(waiting) == box.trains
    assert {name for verb, *names in box.commands if verb == "run" for name in names if name in states} <= waiting


@pytest.mark.slow
@OF_EACH
def test_a_box_says_what_executes(box: Box, answers: Mapping[str, Answer]) -> None:
    before, after = answers[""].keys, answers[box.chapter].keys
    again = {chapter for chapter, key in after.items() if key != before[chapter]}
    if box.executes is not None:
        assert again == box.executes
    elif ["render"] in box.commands:
        assert box.chapter in again


@pytest.fixture(scope="module")
def edited(book: Rendering, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rendering, Mapping[str, str]]:
    """The book with the edits of every box made and its commands run, and what each command but `render` printed."""
    folder = shutil.copytree(book.folder, tmp_path_factory.mktemp("edited") / "project")
    for box in BOXES:
        for file, text in box.edited(folder).items():
            (folder / file).write_text(text, encoding="utf-8")
    commands = [command for box in BOXES for command in box.commands if command != ["render"]]
    trained = [command[1] for command in commands if command[0] == "run" and len(command) == 2]
    printed = {}
    for verb, *rest in (["run", *trained], *commands):  # all runs first, and at once, for `verify` needs them
        done = epistemics(folder, verb, *rest)
        assert done.returncode == 0, done.stdout
        printed[" ".join([verb, *rest])] = done.stdout
    return render(folder), printed


@pytest.mark.slow
def test_the_book_renders_with_every_edit_made(edited: tuple[Rendering, Mapping[str, str]]) -> None:
    rendering, _ = edited
    assert rendering.exit_status == 0, rendering.log
    invited = {box.chapter for box in BOXES if box.executes and box.chapter in box.executes}
    assert invited <= rendering.executed


@pytest.mark.slow
def test_an_edited_setting_is_in_the_data_and_one_that_is_gone_is_said_to_be(
    edited: tuple[Rendering, Mapping[str, str]],
) -> None:
    site = edited[0].site
    for table, column, value in (
        ("full_length.moments", "weight_decay", "0.3"),
        ("batch_size.runs", "batch_size", "256"),
        ("phase_1_1.grokking_steps", "train_fraction", "0.8"),
        ("phase_1_2.moments", "weight_decay", "0.03"),
        ("baselines.places", "removed", "5"),
        ("method.runs", "seed", "1"),
    ):
        with (site / "data" / f"{table}.csv").open(newline="", encoding="utf-8") as file:
            assert value in {row[column] for row in csv.DictReader(file)}, table
    assert ABSENT in (site / "chapters/full-length.html").read_text(encoding="utf-8")
    assert "Gromov" in (site / "references.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_a_box_has_printed_is_what_it_says(book: Rendering, edited: tuple[Rendering, Mapping[str, str]]) -> None:
    _, printed = edited
    assert "stale" not in printed["status"]
    assert "agrees" in printed["verify --rerun 1"]
    assert "(log: 0.50)" in printed["verify"]
    assert "(log: 0.50)" not in epistemics(book.folder, "verify").stdout


@pytest.mark.slow
def test_the_book_unedited_has_every_setting_that_it_names(book: Rendering) -> None:
    pages = [book.site / path.relative_to(PROJECT).with_suffix(".html") for path in chapters()]
    assert [page.name for page in pages if ABSENT in page.read_text(encoding="utf-8")] == []
