"""What is wrong with a book is said before anything runs, with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from epistemics.book import Problem, check

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


CELL = '```{python}\n#| label: fig-cell\n#| fig-cap: "Cap"\n#| fig-alt: "Alt"\n1\n```'


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        ("See\n@fig-nothing.", 1, "@fig-nothing: unresolved reference"),
        ("See @Sec-nothing.", 0, "@Sec-nothing: unresolved reference"),
        ("See @thm-one.", 0, "references to thm- are not known"),
        ("A claim [@nobody2020].", 0, "@nobody2020: neither a label nor an entry of the bibliography"),
        ("[@fig-sine; @nanda2023]", 0, "a reference and a citation in one pair of brackets"),
        ("[@fig-sine, left]", 0, "is lost in Quarto"),
        ("## New {#sec-one}", 0, "label sec-one is already used in chapters/one.qmd"),
        (CELL.replace("fig-cell", "fig-square"), 1, "label fig-square is already used in chapters/two.qmd"),
        ("[a]{#x} and\n[b]{#x}", 1, "identifier x is used twice"),
        ('![Cap](none.svg){#fig-n fig-alt="x"}', 0, "image none.svg: no file chapters/none.svg"),
        ("![Cap](square.svg){#fig-n}", 0, "fig-n: no fig-alt"),
        ("![](square.svg)", 0, "image square.svg: no fig-alt"),
        ("![Cap](https://example.org/x.png)", 0, "keep images in the project"),
        ('![Cap](square.svg){fig-align="left"}', 0, "attribute 'fig-align' is not one of"),
        ('![Cap](square.svg){width="wide"}', 0, "width is a number with"),
        ("[there](nowhere.qmd)", 0, "chapters/nowhere.qmd is not a chapter of the book"),
        ("[there](one.qmd#nowhere)", 0, "no #nowhere in chapters/one.qmd"),
        ("[here](#nowhere)", 0, "no #nowhere in chapters/two.qmd"),
        ("[file](nowhere.txt)", 0, "no file chapters/nowhere.txt"),
        ("[file](../references.bib)", 0, "references.bib is not among `project: resources`"),
        ("{{< video a >}}", 0, "only {{< var name >}} is known"),
        ("A\n{{< var accuracy.worst >}}", 1, "no variable accuracy.worst in _variables.yml"),
        ("`{{< var accuracy.best >}}`", 0, "a shortcode inside code"),
        ("```\n{{< var accuracy.best >}}\n```", 1, "a shortcode inside a code block"),
        ("[a](x-{{< var accuracy.best >}}.txt)", 0, "in the target of a link"),
        ("## Best {{< var accuracy.best >}}", 0, "a heading with a variable needs an identifier"),
        ("@fig-sine.\nNext", 0, "a line that begins so is a numbered example"),
        ("{{< var accuracy.best", 0, "an unfinished shortcode"),
        ("It is `{python} x`.", 0, "inline `{python}` expression: use {{< var name >}}"),
        ("```{r}\n1\n```", 0, "only ```{python} is executed"),
        ("```{python, echo=FALSE}\n1\n```", 0, "only ```{python} is executed"),
        ("- a\n\n  ```{python}\n  1\n  ```", 2, "a cell begins in the first column"),
        ("```{python}\n1", 0, "the cell has no closing fence"),
        ("```{python}\n#| fig-colour: red\n1\n```", 1, "fig-colour: unknown option"),
        ("```{python}\n#| echo: maybe\n1\n```", 1, "echo: 'maybe' is not true or false"),
        ("```{python}\n1\n#| echo: false\n```", 2, "`#|` options come first in a cell"),
        ("```{python}\n#| label: [a\n1\n```", 1, "not YAML"),
        ("```{python}\n#| label: lst-x\n1\n```", 1, "begins with fig- or tbl-"),
        ("```{python}\n#| label: fig-x\n#| fig-cap: c\n1\n```", 1, "the cell has no `fig-alt`"),
        ("```{python}\n#| label: tbl-x\n1\n```", 1, "the cell has no `tbl-cap`"),
        (CELL.replace("Alt", "Alt {{< var no >}}"), 3, "no variable no in _variables.yml"),
        (CELL.replace("Cap", "See @fig-nothing"), 2, "@fig-nothing: unresolved reference"),
        (CELL.replace("1\n", "#| output: false\n1\n", 1), 1, "a labelled cell whose output is not shown"),
        ("::: {.callout-danger}\nx\n:::", 0, "callout 'danger' is not one of"),
        ('::: {.callout-note color="red"}\nx\n:::', 0, "callout attribute 'color' is not one of"),
        ('::: {.content-visible when-format="pdf"}\nx\n:::', 0, "the conditions known here"),
        ("::: {.panel-tabset}\nx\n:::", 0, "'panel-tabset' is not known here"),
        ("::: {.a}\nunclosed", 0, "Div unclosed"),
        ("text\n:::", 1, "::: closes nothing here"),
        ("text\n## heading", 1, "a heading needs a blank line before it"),
        ("#### Deep", 0, "a level is skipped"),
        ("## A {.unnumbered}\n\n### B", 2, "inside an unnumbered section"),
        (CELL.replace('"Alt"', "'{{< var accuracy.best >}} \"x\"'"), 3, "Quarto shows part of it as text"),
        ("# Another title", 0, "a second title, 'Another title'"),
        ("Text {#eq-a}", 0, "right after $$…$$"),
        ("$$ a $$ {#eq-a .wide}", 0, "right after $$…$$"),
        (r"Let $\frac{1$ be", 0, "can't be converted"),
        ("A note.[^none]", 0, "footnote [^none] has no text"),
        ("[^unused]: text", 0, "not used"),
        ('::: {#fig-d}\n![](square.svg){fig-alt="x"}\n:::', 0, "fig-d: no caption"),
        ("::: {#tbl-d}\ntext\n\ncaption\n:::", 0, "tbl-d: no table in it"),
        ('```{=html}\n<img src="https://example.org/x.png">\n```', 1, "loads from another host"),
        ('```{.python filename="a.py"}\n1\n```', 0, "'filename' is not known here"),
    ],
)
def test_a_fault_in_a_chapter_is_named_with_its_line(book: Path, text: str, offset: int, says: str) -> None:
    line = append(book, text) + offset
    found = [problem for problem in check(book) if says in problem.message]
    assert {(problem.file, problem.line) for problem in found} == {(TWO, line)}, check(book)


ELSEWHERE = {
    "given twice": 24,  # the second time
    "no title": None,
    "book.author: missing": 4,
    "needs citeproc: true": 20,  # the bibliography
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
        ("_quarto.yml", '  author: "The authors"\n', "", "book.author: missing"),
        ("_quarto.yml", "    citeproc: true\n", "", "needs citeproc: true"),
        ("chapters/one.qmd", "description:", "descripton:", "did you mean `description`?"),
        ("chapters/extra.qmd", "# Extra {#sec-extra}", "Extra", "no title"),
        ("chapters/one.qmd", "[^a]: A note with @power2022.", "", "footnote [^a] has no text"),
    ],
)
def test_a_fault_in_any_file_is_named_with_its_line(book: Path, file: str, old: str, new: str, says: str) -> None:
    line = replace(book, file, old, new)
    found = [problem for problem in check(book) if says in problem.message]
    assert {(problem.file.as_posix(), problem.line) for problem in found} == {(file, ELSEWHERE.get(says, line))}


def test_an_unnumbered_section_cannot_be_referred_to(book: Path) -> None:
    line = append(book, "## Aside {#sec-aside .unnumbered}\n\nSee @sec-aside.")
    assert check(book) == [Problem(TWO, line + 2, "@sec-aside: it has no number to refer to; make a link to it")]


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


def test_every_problem_is_found_at_once(book: Path) -> None:
    append(book, "@fig-a @fig-b")
    replace(book, "_quarto.yml", "papersize", "paper")
    assert len(check(book)) == 3


def test_a_folder_without_a_book(tmp_path: Path) -> None:
    assert [problem.file for problem in check(tmp_path)] == [Path("_quarto.yml")]
