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
        ("```{python}\nx = (1,\n```", 1, "SyntaxError: '(' was never closed: x = (1,"),
        ("```{python}\n#| echo: false\n1\ndef f():\nreturn 1\n```", 4, "IndentationError: expected an indented block"),
        ("```{python}\nreturn 1\n```", 1, "SyntaxError: 'return' outside function"),
        ("```{python}\n%matplotlib inline\n```", 1, "invalid syntax (IPython's own commands are not in the dialect)"),
        (f"```{{python}}\n{'[' * 5000}{']' * 5000}\n```", 1, "SyntaxError: too many nested parentheses"),
        (f"```{{python}}\n#| label: {'[' * 5000}\n1\n```", 1, "nested too deeply"),
        ("```{python}\n#| label: 2025-99-99\n1\n```", 1, "not YAML: month must be in 1..12; put the value in quotes"),
        ("```{python}\n#| echo:\n#| \tx: 1\n1\n```", 2, "cannot start any token; indent with spaces"),
        ("Two,\n你好 and 😀.", 1, "no font of the PDF has '你' (U+4F60), '好' (U+597D), '😀'"),
        ("`漢`", 0, "no font of the PDF has '漢' (U+6F22): add one by `font-paths`"),
        ('```{python}\n#| echo: true\n"漢"\n```', 2, "no font of the PDF has '漢' (U+6F22)"),
        ("A bell: \a.", 0, r"a control character, '\x07': take it out"),
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


def test_what_is_for_pages_only_needs_no_font_of_the_pdf(book: Path) -> None:
    append(book, '::: {.content-visible when-format="html"}\n你好\n:::')
    assert check(book) == []


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
