"""What each construct of the dialect becomes, and what each fault in a chapter is called: held against files.

A case is `cases/NAME.qmd`, a chapter, with what it becomes beside it, `NAME.html`, `NAME.md` and `NAME.typ`; what its
cells gave is in `NAME.yaml`, if it has any. `faults/*.txt` hold many small sources, each with what is said of it. To
add one, write its source and run

    UPDATE_GOLDEN=1 pytest tests/qmdbook/test_golden.py

which writes what is expected anew; then read the difference that git shows.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import qmdbook
from qmdbook import BookError, Problem, book, html, markdown, pandoc, pdf

HERE = Path(__file__).parent
CASE = Path("chapters/case.qmd")
"""Where a source stands in the book of the folder `around`: it is chapter 1."""
TITLE = "# Case\n\n"
"""Put above the source of a fault, unless it begins with front matter."""

CASES = sorted((HERE / "cases").glob("*.qmd"))
UPDATE = "UPDATE_GOLDEN" in os.environ


@pytest.fixture(scope="module", autouse=True)
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The book around the cases is converted once."""
    with pandoc.remembering(tmp_path_factory.mktemp("pandoc")):
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return shutil.copytree(HERE / "around", tmp_path / "book")


Cells = list[list[dict[str, Any]]]
"""The outputs of each cell, as a notebook has them."""


def converted(root: Path, source: str, outputs: Cells | None) -> tuple[str, str, str]:
    """HTML, Markdown and Typst of a chapter. Raises BookError if anything in its book is wrong."""
    (root / CASE).write_text(source, encoding="utf-8")
    problems: list[Problem] = []
    project, chapters = book.read(root, problems)
    if problems:
        raise BookError(problems)
    shown = {chapter.path: outputs if chapter.path == CASE and outputs else [] for chapter in chapters}
    pages, print_ = book.converted(project, chapters, shown)
    (page,) = [document for document in pages.documents if document.chapter.path == CASE]
    (printed,) = [document for document in print_.documents if document.chapter.path == CASE]
    assert book.typeset(project, print_).startswith(b"%PDF")
    written = markdown.text(page, markdown.Book(pages.documents, project))
    return html.body(page, pages.documents[-2]), written, pandoc.convert(pdf.chapter(printed), pdf.WRITER)


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_a_construct_becomes(root: Path, case: Path) -> None:
    given = case.with_suffix(".yaml")
    outputs = yaml.safe_load(given.read_text(encoding="utf-8")) if given.is_file() else None
    made = converted(root, case.read_text(encoding="utf-8"), outputs)
    for suffix, text in zip((".html", ".md", ".typ"), made, strict=True):
        expected = case.with_suffix(suffix)
        if UPDATE:
            expected.write_text(text, encoding="utf-8")
        assert expected.read_text(encoding="utf-8") == text


@dataclass
class Fault:
    """An entry of a file of faults: a name after `=====`, then, parted by `-----`, source, outputs, what is said."""

    name: str
    source: str
    outputs: list[str]
    """One text of YAML, if the source has cells that are to give something."""
    said: str

    def __str__(self) -> str:
        return "-----\n".join([f"===== {self.name}\n{self.source}", *self.outputs, self.said])


def faults(file: Path) -> list[Fault]:
    found = []
    for entry in file.read_text(encoding="utf-8").split("===== ")[1:]:
        name, _, rest = entry.partition("\n")
        source, *outputs, said = rest.split("-----\n")
        found.append(Fault(name, source, outputs, said))
    return found


FAULTS = [(file, fault) for file in sorted((HERE / "faults").glob("*.txt")) for fault in faults(file)]


@pytest.mark.parametrize(("file", "fault"), FAULTS, ids=[f"{file.stem}: {fault.name}" for file, fault in FAULTS])
def test_a_fault_is_named(root: Path, file: Path, fault: Fault) -> None:
    above = "" if fault.source.startswith("---\n") else TITLE
    if fault.outputs:
        with pytest.raises(BookError) as error:
            converted(root, above + fault.source, yaml.safe_load(fault.outputs[0]))
        problems = error.value.problems
    else:
        (root / CASE).write_text(above + fault.source, encoding="utf-8")
        problems = qmdbook.check(root)
    said = "".join(f"{told(problem, len(above.splitlines()))}\n" for problem in problems)
    if UPDATE:
        rewritten = [replace(other, said=said) if other.name == fault.name else other for other in faults(file)]
        file.write_text("".join(map(str, rewritten)), encoding="utf-8")
    else:
        assert said == fault.said


def told(problem: Problem, above: int) -> str:
    """A problem with its line in the source; with its file, if that is another."""
    if problem.file != CASE:
        return str(problem)
    if problem.line is None:
        return problem.message
    return f"{problem.line - above}: {problem.message}"
