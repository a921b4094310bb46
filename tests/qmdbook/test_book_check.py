"""What is wrong with a book is said before anything runs, with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qmdbook import Problem, check, pandoc

BOOK = Path(__file__).parent / "book"
TWO = Path("chapters/two.qmd")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return shutil.copytree(BOOK, tmp_path / "book")


def append(book: Path, text: str, chapter: Path = TWO) -> int:
    """Add `text` after an empty line; returns the number of its first line."""
    before = (book / chapter).read_text(encoding="utf-8").rstrip("\n")
    (book / chapter).write_text(f"{before}\n\n{text}\n", encoding="utf-8")
    return before.count("\n") + 3


def replace(book: Path, file: str, old: str, new: str) -> int:
    """Replace a text that occurs once; returns its line."""
    before = (book / file).read_text(encoding="utf-8")
    assert before.count(old) == 1
    (book / file).write_text(before.replace(old, new), encoding="utf-8")
    return before[: before.index(old)].count("\n") + 1


def test_a_book_in_the_dialect_has_no_problems(book: Path) -> None:
    assert check(book) == []


def test_labels_that_a_cell_will_print_are_known_if_they_are_said(book: Path) -> None:
    append(book, "@tbl-second of @sec-second, [as linked](one.qmd#sec-second).")
    assert {problem.message.split(":")[0] for problem in check(book)} == {
        "@tbl-second", "@sec-second", "link one.qmd#sec-second",
    }  # fmt: skip
    printed = "## Second {#sec-second}\n\n::: {#tbl-second}\n| a |\n|---|\n| 1 |\n\nA caption.\n:::\n"
    assert check(book, {Path("chapters/one.qmd"): printed}) == []


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        (f"```{{python}}\n{'[' * 5000}{']' * 5000}\n```", 1, "SyntaxError: too many nested parentheses"),
        (f"```{{python}}\n#| label: {'[' * 5000}\n1\n```", 1, "nested too deeply"),
        ("A bell: \a.", 0, r"a control character, '\x07': take it out"),
    ],
)
def test_a_fault_in_a_chapter_is_named_with_its_line(book: Path, text: str, offset: int, says: str) -> None:
    """Those that can't be read in a file; `faults` has all the others."""
    line = append(book, text) + offset
    found = [problem for problem in check(book) if says in problem.message]
    assert {(problem.file, problem.line) for problem in found} == {(TWO, line)}, check(book)


ELSEWHERE = {
    "given twice": 25,  # the second time
    "no title": None,
    "book.author: missing": 4,
    "needs citeproc: true": 21,  # the bibliography
    "footnote [^a] has no text": 11,  # its mark
}
"""Where a fault is named that is not where the text was changed."""


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("_quarto.yml", "subtitle:", "subtitel:", "book.subtitel: unknown option; did you mean `subtitle`?"),
        ("_quarto.yml", "papersize:", "paper:", "format.typst.paper: unknown option"),
        ("_quarto.yml", "code-fold: true", "code-fold: 3", "3 is not one of true, false, show"),
        ("_quarto.yml", "type: book", "type: website", "'website' is not one of book"),
        ("_quarto.yml", "data/*.csv", "data/*.json", "data/*.json matches no file"),
        ("_quarto.yml", "/data/*.csv", "data/*.csv", "write /data/*.csv: without the slash Quarto publishes"),
        ("_quarto.yml", "papersize: a4", "papersize: a44", "'a44' is not one of a3, a4"),
        ("_quarto.yml", "references.bib", "none.bib", "no file none.bib"),
        ("_quarto.yml", "chapters/two.qmd", "chapters/none.qmd", "no file chapters/none.qmd"),
        ("_quarto.yml", "chapters/two.qmd", "chapters/one.qmd", "chapters/one.qmd is in the book twice"),
        ("_quarto.yml", "    theme: cosmo", "    theme: cosmo\n    theme: flatly", "given twice"),
        ("_variables.yml", '"0.99"', "0.99", "accuracy.best: 0.99 is not one line of text"),
        ("_variables.yml", "accuracy:", "'1':", "Quarto takes a whole number in a name for a place in a list"),
        ("_quarto.yml", '  author: "The authors"\n', "", "book.author: missing"),
        ("_quarto.yml", "    citeproc: true\n", "", "needs citeproc: true"),
        ("chapters/one.qmd", "description:", "descripton:", "did you mean `description`?"),
        ("_quarto.yml", "A small book", "A small 本", "no font of the PDF has '本' (U+672C)"),
        ("_quarto.yml", "code-fold: true", "toc-depth: x", "'x' is not a whole number"),
        ("chapters/extra.qmd", "# Extra {#sec-extra}", "Extra", "no title"),
        ("chapters/one.qmd", "[^a]: A note with @power2022.", "", "footnote [^a] has no text"),
    ],
)
def test_a_fault_in_any_file_is_named_with_its_line(book: Path, file: str, old: str, new: str, says: str) -> None:
    line = replace(book, file, old, new)
    found = [problem for problem in check(book) if says in problem.message]
    assert {(problem.file.as_posix(), problem.line) for problem in found} == {(file, ELSEWHERE.get(says, line))}


@pytest.mark.parametrize("file", ["chapters/two.qmd", "_quarto.yml", "_variables.yml", "references.bib"])
def test_a_file_that_is_not_utf_8_is_named_with_its_line(book: Path, file: str) -> None:
    before = (book / file).read_bytes()
    (book / file).write_bytes(before + b"\n# caf\xe9\n")
    (problem,) = [problem for problem in check(book) if "UTF-8" in problem.message]
    assert (problem.file.as_posix(), problem.line) == (file, before.count(b"\n") + 2)
    assert problem.message == "byte 0xe9 is not UTF-8: save the file in this encoding"


@pytest.mark.parametrize("text", ["> " * 5000 + "a", "::: {.a}\n" * 5000 + "a\n\n" + ":::\n" * 5000])
def test_what_is_nested_too_deeply_is_named_by_its_chapter(book: Path, text: str) -> None:
    append(book, text)
    assert check(book) == [Problem(TWO, None, "nested too deeply to be read")]


def test_what_pandoc_never_finishes_is_named_by_its_chapter(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute and more of 5,000 brackets, which nobody should wait for here."""
    check(book)  # the other chapters are remembered
    monkeypatch.setattr(pandoc, "PATIENCE", 10)
    append(book, "[" * 5000 + "a" + "]" * 5000)
    assert check(book) == [Problem(TWO, None, "pandoc can't read this in 10 s; is something nested very deeply?")]


@pytest.mark.parametrize(("file", "text"), [("_quarto.yml", "x: [" * 2000), ("_variables.yml", "a: &a [*a]")])
def test_of_a_file_that_is_no_yaml_nothing_more_is_said(book: Path, file: str, text: str) -> None:
    """Not each key that is missing then, nor each variable."""
    (book / file).write_text(text, encoding="utf-8")
    (problem,) = check(book)
    assert problem == Problem(Path(file), 1, "not YAML: brackets or anchors nested too deeply")


def test_missing_variables_are_one_problem(book: Path) -> None:
    (book / "_variables.yml").unlink()
    assert check(book) == [Problem(Path("_variables.yml"), None, "missing or empty, and chapters use variables")]


def test_a_chapter_that_is_not_in_the_book_is_named(book: Path) -> None:
    (book / "chapters/more.qmd").write_text("# More\n", encoding="utf-8")
    (book / "chapters/_draft.qmd").write_text("# Draft\n", encoding="utf-8")
    message = "not in the book: list it in _quarto.yml, or begin its name with _ if it is a draft"
    assert check(book) == [Problem(Path("chapters/more.qmd"), None, message)]


def test_the_first_page_does_not_show_the_title_twice(book: Path) -> None:
    replace(book, "index.qmd", "# Preface", "# A small book")
    assert [(p.file, p.line) for p in check(book) if "Quarto shows on the first page besides" in p.message] == [
        (Path("index.qmd"), 1)
    ]


def test_citations_need_a_place_for_the_list(book: Path) -> None:
    replace(book, "references.qmd", "{#refs}", "{.refs}")
    assert [problem.message for problem in check(book)] == ["citations, but no chapter with `::: {#refs}` in it"]


def test_a_broken_bibliography_is_named(book: Path) -> None:
    (book / "references.bib").write_text("@article{power2022, title = {Unclosed", encoding="utf-8")
    assert any(problem.file == Path("references.bib") for problem in check(book))


def test_a_broken_bibliography_in_yaml_is_named_and_a_sound_one_needs_no_fences(book: Path) -> None:
    replace(book, "_quarto.yml", "bibliography: references.bib", "bibliography: [references.bib, more.yaml]")
    (book / "more.yaml").write_text("references: [\n", encoding="utf-8")
    assert [problem.file for problem in check(book)] == [Path("more.yaml")]
    append(book, "A claim [@another2020].")
    sound = "references:\n- id: another2020\n  type: book\n  title: Another\n"
    for text in (sound, f"---\n{sound}---\n", f"---\n{sound}...\n"):
        (book / "more.yaml").write_text(text, encoding="utf-8")
        assert check(book) == []


@pytest.mark.parametrize("content", [b"", b"<style", b"<html></html>", b"\xff\xfe"])
def test_a_broken_citation_style_is_named(book: Path, content: bytes) -> None:
    replace(book, "_quarto.yml", "bibliography: references.bib", "bibliography: references.bib\ncsl: broken.csl")
    (book / "broken.csl").write_bytes(content)
    (problem,) = check(book)
    assert problem.file == Path("broken.csl")
    assert problem.message.startswith("pandoc: ")


def test_every_problem_is_found_at_once(book: Path) -> None:
    append(book, "@fig-a @fig-b")
    replace(book, "_quarto.yml", "papersize", "paper")
    assert len(check(book)) == 3


def test_a_folder_without_a_book(tmp_path: Path) -> None:
    assert [problem.file for problem in check(tmp_path)] == [Path("_quarto.yml")]
