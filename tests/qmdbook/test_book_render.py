"""From a small book to its website and PDF: numbers, references, one execution, the cache, and failures."""

from __future__ import annotations

import html
import importlib
import io
import math
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from posixpath import join, normpath
from typing import Any

import epub_file
import nbformat
import pytest
from nbclient import NotebookClient
from pypdf import PdfReader

from qmdbook import BookError, Rendered, cells, pandoc, pdf, render

BOOK = Path(__file__).parent / "book"
ONE = Path("chapters/one.qmd")

pytestmark = pytest.mark.slow


@dataclass
class Book:
    """A copy of the small book, and how often its chapters' cells ran."""

    root: Path

    @property
    def output(self) -> Path:
        return self.root / "_site"

    @property
    def log(self) -> Path:
        return self.root.parent / "executions"

    @property
    def executions(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def render(
        self, key: Callable[[Path, list[str]], str] = lambda path, cells: "", workers: int = 2,
        environment: Mapping[str, str] | None = None, report: Callable[[str], None] = lambda line: None,
        cell_seconds: float = math.inf,
    ) -> Rendered:  # fmt: skip
        return render(
            self.root, self.output, chapter_key=key, report=report, workers=workers, cell_seconds=cell_seconds,
            environment={"EXECUTION_LOG": str(self.log), **(environment or {})},
        )  # fmt: skip

    def replace(self, file: str | Path, old: str, new: str) -> int:
        before = (self.root / file).read_text(encoding="utf-8")
        assert before.count(old) == 1
        (self.root / file).write_text(before.replace(old, new), encoding="utf-8")
        return before[: before.index(old)].count("\n") + 1

    def page(self, name: str) -> str:
        return (self.output / name).read_text(encoding="utf-8")

    def pdf(self) -> str:
        reader = PdfReader(io.BytesIO((self.output / "small.pdf").read_bytes()))
        return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def copy(folder: Path) -> Book:
    return Book(shutil.copytree(BOOK, folder / "book"))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return copy(tmp_path)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Book:
    book = copy(tmp_path_factory.mktemp("rendered"))
    book.render()
    return book


def text(markup: str) -> str:
    return " ".join(re.sub(r"<annotation.*?</annotation>|<[^>]+>", "", markup).replace("\u00a0", " ").split())


class Page(HTMLParser):
    """The identifiers of a page and the addresses in it."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.identifiers: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                assert value not in self.identifiers
                self.identifiers.add(value)
            if name == "href" and value and tag == "a":
                self.links.append(value)
            if value and (name == "src" or (name == "href" and tag == "link")):
                self.loads.append(value)


def test_the_site_is_whole(rendered: Book) -> None:
    pages = {
        path.relative_to(rendered.output).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in rendered.output.rglob("*.html")
    }
    assert set(pages) == {
        "index.html", "references.html", "chapters/one.html", "chapters/two.html", "chapters/extra.html",
        "site/figures.html",
    }  # fmt: skip
    for name, page in pages.items():
        for address in page.loads:
            if not address.startswith("data:"):
                assert (rendered.output / name).parent.joinpath(address).is_file(), address
        for address in page.links:
            if address.startswith("http"):
                continue
            path, _, fragment = address.partition("#")
            target = normpath(join(Path(name).parent.as_posix(), path)) if path else name
            assert (rendered.output / target).is_file(), address
            assert not fragment or fragment in pages[target].identifiers, (name, address)


def test_every_page_has_its_markdown(rendered: Book) -> None:
    pages = [path.relative_to(rendered.output) for path in rendered.output.rglob("*.html")]
    for page in {*pages} - {Path("site/figures.html")}:
        markdown = page.with_suffix(".md")
        assert '<link rel="alternate" type="text/markdown"' in rendered.page(page.as_posix())
        assert Page(rendered.page(page.as_posix())).links.count(markdown.name) == 1
        for address in re.findall(r"\]\(([^)\s]+)\)", rendered.page(markdown.as_posix())):
            assert (rendered.output / markdown.parent / address).is_file(), (markdown, address)


def test_markdown_says_what_the_page_says(rendered: Book) -> None:
    one = rendered.page("chapters/one.md")
    assert one.startswith("# 1 Chapter one\n\nChapter 1 of [A small book](../index.md) by The authors.")
    assert "[one.html](one.html)" in one
    for line in (
        "![A rising line to 0.99.](one_files/fig-sine.svg)",
        "See Equation 1.1, 1.1, Figure 1.1, Table 1.1, Section 1.1, [Chapter 2](two.md) and [Appendix A](extra.md).",
    ):
        assert line in one.replace("\u00a0", " ")
    assert re.search(r"``` ?python\nimport os\n", one)
    assert "printed 42" in one
    assert "text_markdown" not in one  # echo: false
    assert "<" not in one.replace("<svg", "").replace("<path", "").replace("</svg>", "")  # the code of a cell has these


def test_a_notebook_has_the_text_and_the_cells_in_order(rendered: Book) -> None:
    assert [path.name for path in rendered.output.rglob("*.ipynb")] == ["one.ipynb"]  # the others have no cells
    assert Page(rendered.page("chapters/one.html")).links.count("one.ipynb") == 1
    notebook = nbformat.read(rendered.output / "chapters/one.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code == cells(rendered.root)[ONE]
    assert not any(cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    sources = [cell.source.replace("\u00a0", " ") for cell in notebook.cells]
    (drawn,) = [number for number, source in enumerate(sources) if source.startswith("class Shown")]
    assert sources[drawn - 1].endswith("## 1.1 Method")
    assert sources[drawn + 1].startswith("**Figure 1.1:** A curve, about *half* of $x$, see Table 1.1.")
    words = "\n\n".join(sources)
    assert "**bold** from a cell, see Figure 1.1" in words
    assert "[Chapter 2](two.html)" in words
    assert "fig-sine.svg" not in words  # the reader's own figure appears there


def test_a_notebook_executes_to_its_end(rendered: Book, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EXECUTION_LOG", str(tmp_path / "log"))
    notebook = nbformat.read(rendered.output / "chapters/one.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, resources={"metadata": {"path": str(rendered.root)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs[0].text == "printed 42\n"
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)


def test_numbers_and_references_are_those_of_quarto(rendered: Book) -> None:
    one = text(rendered.page("chapters/one.html"))
    assert "See Equation 1.1, 1.1, Figure 1.1, Table 1.1, Section 1.1, Chapter 2 and Appendix A." in one.replace(
        "Figure 1.1, Table 1.1, Section", "Figure 1.1, Table 1.1, Section"
    )
    assert "Figure 1.1: A curve, about half of" in one
    assert "Table 1.1: Numbers." in one
    two = text(rendered.page("chapters/two.html"))
    assert "Figure 2.1, Table 2.1, Figure 2.2, Figure 1.1." in two
    assert "Figure A.1: Cap" in text(rendered.page("chapters/extra.html"))
    assert "A.1 Sub" in text(rendered.page("chapters/extra.html"))
    assert 'href="one.html#fig-sine"' in rendered.page("chapters/two.html")
    assert 'href="chapters/one.html#sec-method"' in rendered.page("index.html")


def test_citations_share_one_list(rendered: Book) -> None:
    assert "Power and Burda (2022) showed it (Nanda 2023, 3)" in text(rendered.page("index.html"))
    assert 'href="../references.html#ref-power2022"' in rendered.page("chapters/one.html")
    assert text(rendered.page("references.html")).count("Grokking: Generalization") == 1


def test_cells_show_what_their_options_say(rendered: Book) -> None:
    one = rendered.page("chapters/one.html")
    assert (rendered.output / "chapters/one_files/fig-sine.svg").read_text().startswith("<svg")
    assert '<img src="one_files/fig-sine.svg" alt="A rising line to 0.99." />' in one
    assert "<summary>Show the code</summary>" in one
    assert "printed 42" in one
    assert "text_markdown" not in one  # echo: false
    assert "<strong>bold</strong> from a cell" in one  # output: asis
    assert "never shown" not in one  # include: false


def test_the_pdf_has_the_same_words(rendered: Book) -> None:
    pdf = rendered.pdf()
    for words in (
        "A small book", "Preface", "Chapter 1 Chapter one", "Appendix A Extra", "References",
        "Figure 1.1: A curve, about half of", "Table 1.1: Numbers.", "Figure 2.1: A square, by hand.",
        "Figure A.1: Cap", "See Equation 1.1, 1.1, Figure 1.1, Table 1.1, Section 1.1, Chapter 2 and Appendix A.",
        "Power and Burda (2022) showed it (Nanda 2023, 3)", "Nanda, Neel. 2023.", "printed 42",
        "Only in print.", "raw typst", "Mind this",
    ):  # fmt: skip
        assert words in pdf
    assert "raw html" not in pdf


def test_the_epub_is_sound(rendered: Book) -> None:
    assert epub_file.read((rendered.output / "small.epub").read_bytes()).faults == []
    for page in rendered.output.rglob("*.html"):
        assert any(link.endswith("small.epub") for link in Page(page.read_text(encoding="utf-8")).links)


def test_the_epub_has_the_same_words(rendered: Book) -> None:
    epub = epub_file.read((rendered.output / "small.epub").read_bytes())
    assert (epub.metadata["title"], epub.metadata["creator"]) == ("A small book", "The authors")
    assert epub.metadata["date"].startswith("2025-11-21")
    words = epub.text.replace("\u00a0", " ")
    for said in (
        "Preface", "1 Chapter one", "1.1 Method", "A Extra", "Things measured", "Figure 1.1: A curve, about half of",
        "Table 1.1: Numbers.", "Figure 2.1: A square, by hand.", "Figure A.1: Cap",
        "See Equation 1.1, 1.1, Figure 1.1, Table 1.1, Section 1.1, Chapter 2 and Appendix A.",
        "Power and Burda (2022) showed it (Nanda 2023, 3)", "Nanda, Neel. 2023.", "printed 42", "Only in print.",
    ):  # fmt: skip
        assert said in words
    for left in ("raw html", "raw typst", "never shown"):
        assert left not in words


def test_the_epub_is_the_same_when_made_again(book: Book) -> None:
    book.render()
    before = (book.output / "small.epub").read_bytes()
    shutil.rmtree(book.root / ".workspace" / "book-cache" / "pandoc")
    book.render()
    assert (book.output / "small.epub").read_bytes() == before


def test_figures_are_offered_for_reuse(rendered: Book) -> None:
    page = rendered.page("site/figures.html")
    assert re.findall(r'<figure id="([^"]*)"', page) == ["fig-sine", "fig-square", "fig-div", "fig-extra"]
    assert 'href="site/figures.html"' in rendered.page("index.html")
    said = text(page)
    assert "Data: csv." in said
    assert said.count("Licence: CC BY 4.0 · Figure") == 4
    embedded = [html.unescape(line) for line in re.findall(r"<pre><code>(.*?)</code></pre>", page)]
    assert embedded[0].startswith('<figure><img src="chapters/one_files/fig-sine.svg" alt="A rising line to 0.99."')
    assert '<a href="chapters/one.html#fig-sine">Figure 1.1</a> of A small book, The authors, CC BY 4.0' in embedded[0]


def test_what_embeds_a_figure_has_the_address_of_the_site(book: Book) -> None:
    book.replace("_quarto.yml", "  output-file: small", "  site-url: https://example.org/a\n  output-file: small")
    book.render()
    assert "https://example.org/a/chapters/one_files/fig-sine.svg" in book.page("site/figures.html")
    assert "https://example.org/a/site/figures.html" in book.page("sitemap.xml")
    assert "The page: <https://example.org/a/chapters/one.html>" in book.page("chapters/one.md")
    assert "https://example.org/a/data/x.csv" in book.page("chapters/one.ipynb")


def test_what_is_published(rendered: Book) -> None:
    assert (rendered.output / "data/x.csv").is_file()
    assert (rendered.output / "chapters/square.svg").is_file()
    assert not (rendered.output / "_quarto.yml").exists()


def test_a_chapter_executes_once_for_both_formats(rendered: Book) -> None:
    assert rendered.executions == 1


def test_two_renders_at_once_execute_a_chapter_once(book: Book) -> None:
    with ThreadPoolExecutor() as pool:
        both = [made.result() for made in [pool.submit(book.render) for _ in range(2)]]
    assert sorted(made.executed for made in both) == [(), (ONE,)]
    assert book.executions == 1
    assert "printed 42" in book.page("chapters/one.html")


def test_what_executes_again(book: Book) -> None:
    assert book.render().executed == (ONE,)
    book.replace(ONE, "in the middle", "between the lines")
    book.replace(ONE, '"Numbers."', '"Some numbers."')
    book.replace("_variables.yml", '"0.99"', '"0.98"')
    assert book.render().executed == ()
    assert "between the lines" in book.page("chapters/one.html")
    assert "Table 1.1: Some numbers." in text(book.page("chapters/one.html"))
    assert "line to 0.98." in book.page("chapters/one.html")
    assert book.executions == 1
    assert book.render(key=lambda path, cells: "other results").executed == (ONE,)
    book.replace(ONE, "40 + 2", "40 + 3")
    assert book.render(key=lambda path, cells: "other results").executed == (ONE,)
    assert "printed 43" in book.page("chapters/one.html")
    assert book.executions == 3


def test_a_damaged_cache_entry_is_made_again(book: Book) -> None:
    book.render()
    for entry in book.root.rglob("base.ipynb"):
        entry.write_text(entry.read_text()[:100])
    assert book.render().executed == (ONE,)
    assert book.render().executed == ()


def test_what_is_converted_again(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of an unchanged book; after a change of prose, that chapter, and the citations, which are the book's."""
    asked: list[str] = []
    start = pandoc._started

    def counted(arguments: list[str], text: str) -> tuple[str, str]:
        asked.append(text)
        return start(arguments, text)

    monkeypatch.setattr(pandoc, "_started", counted)
    book.render()
    cold, page = len(asked), book.page("chapters/one.html")
    asked.clear()
    book.render()
    assert asked == []
    assert book.page("chapters/one.html") == page
    book.replace(ONE, "in the middle", "between the lines")
    book.render()
    assert 0 < len(asked) < cold / 2
    assert "between the lines" in book.page("chapters/one.html")
    asked.clear()
    for answer in (book.root / ".workspace/book-cache/pandoc").iterdir():
        answer.write_text(answer.read_text()[:20])
    book.render()
    assert len(asked) > cold / 2
    assert "between the lines" in book.page("chapters/one.html")


def test_another_environment_executes_again(book: Book) -> None:
    book.render()
    assert book.render(environment={"PROFILE": "smoke"}).executed == (ONE,)


def test_the_key_is_asked_for_with_the_code_of_the_cells(book: Book) -> None:
    asked: dict[Path, list[str]] = {}

    def key(path: Path, cells: list[str]) -> str:
        asked[path] = cells
        return ""

    book.render(key)
    assert list(asked) == [ONE]
    assert asked[ONE][0].startswith("import os")
    assert not any("#|" in cell for cell in asked[ONE])


def test_a_failing_cell_names_its_line_and_leaves_the_last_site(book: Book) -> None:
    book.render()
    before = {path: path.read_bytes() for path in book.output.rglob("*") if path.is_file()}
    book.replace(
        ONE,
        "```{python}\n#| include: false\n",
        "```{python}\n#| include: false\ndef half(n):\n    return 1 / n\n\n\nhalf(\n    0\n)\n",
    )
    line = (book.root / ONE).read_text(encoding="utf-8").splitlines().index("    return 1 / n") + 1
    with pytest.raises(BookError) as error:
        book.render()
    (problem,) = error.value.problems
    assert (problem.file, problem.line) == (ONE, line + 3)
    assert problem.message.startswith("ZeroDivisionError: division by zero")
    assert f"chapters/one.qmd, line {line}" in problem.message
    assert {path: path.read_bytes() for path in book.output.rglob("*") if path.is_file()} == before
    assert [path.name for path in book.root.glob("._site*")] == []


def test_the_pdf_can_be_read_out(rendered: Book) -> None:
    """PDF/UA-1: tagged, with a language, and words for every formula and picture."""
    catalog: Any = PdfReader(io.BytesIO((rendered.output / "small.pdf").read_bytes())).trailer["/Root"]
    assert b"<pdfuaid:part>1</pdfuaid:part>" in catalog["/Metadata"].get_data()
    assert catalog["/Lang"] == "en"
    spoken: list[tuple[str, str | None]] = []
    waiting = [catalog["/StructTreeRoot"]]
    while waiting:
        element = waiting.pop().get_object()
        if isinstance(element, list):
            waiting += element
        elif isinstance(element, dict) and "/K" in element:
            if element.get("/S") in ("/Formula", "/Figure"):
                spoken.append((element["/S"], element.get("/Alt")))
            waiting.append(element["/K"])
    assert ("/Formula", r"y = \frac{1}{1 + e^{-x}}") in spoken
    assert ("/Formula", "x^2") in spoken
    assert ("/Figure", "A rising line to 0.99.") in spoken
    assert all(words for _, words in spoken)


def test_chapters_execute_at_the_same_time(book: Book) -> None:
    meet = """
```{{python}}
import pathlib
import time

pathlib.Path("{mine}.here").touch()
for _ in range(600):
    if pathlib.Path("{other}.here").exists():
        break
    time.sleep(0.1)
else:
    raise TimeoutError("alone")
```
"""
    for mine, other in (("two", "extra"), ("extra", "two")):
        with (book.root / f"chapters/{mine}.qmd").open("a") as file:
            file.write(meet.format(mine=mine, other=other))
    assert set(book.render(workers=3).executed) == {ONE, Path("chapters/two.qmd"), Path("chapters/extra.qmd")}


def test_a_kernel_that_dies_is_reported(book: Book) -> None:
    line = book.replace(ONE, "hidden = print", "os.kill(os.getpid(), 9)\nhidden = print")
    with pytest.raises(BookError) as error:
        book.render()
    assert [(problem.line, problem.message) for problem in error.value.problems] == [
        (line - 2, "the kernel died while it executed this cell")
    ]


def add_cell(book: Book, code: str, chapter: str = "chapters/two.qmd") -> int:
    """Append a cell; returns its line."""
    before = (book.root / chapter).read_text(encoding="utf-8").rstrip("\n")
    (book.root / chapter).write_text(f"{before}\n\n```{{python}}\n{code}\n```\n", encoding="utf-8")
    return before.count("\n") + 3


@pytest.mark.parametrize(
    ("code", "seconds", "says"),
    [
        ("while True: pass", 3, "the cell was stopped after 3 s, the limit `cell_seconds`"),
        ("import subprocess\nsubprocess.run(['sleep', '9999'])", 3, "the cell was stopped after 3 s"),
        ("while True: print('x' * 1000)", math.inf, "the cell was stopped: its output is longer than 100,000 char"),
        ("print('x' * 300_000)", math.inf, "the cell was stopped: its output is longer than 100,000 characters"),
    ],
)
def test_a_cell_without_an_end_is_stopped_and_named(
    book: Book, monkeypatch: pytest.MonkeyPatch, code: str, seconds: float, says: str
) -> None:
    book.render()  # of what is executed below only the new cell has no end
    monkeypatch.setattr(importlib.import_module("qmdbook.execute"), "OUTPUT_CHARACTERS", 100_000)
    line = add_cell(book, code)
    with pytest.raises(BookError) as error:
        book.render(cell_seconds=seconds)
    (problem,) = error.value.problems
    assert (problem.file, problem.line) == (Path("chapters/two.qmd"), line)
    assert says in problem.message


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_long_cell_is_named_and_ctrl_c_leaves_nothing_behind(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    book.render()
    before = {path: path.read_bytes() for path in book.output.rglob("*") if path.is_file()}
    monkeypatch.setattr(importlib.import_module("qmdbook.execute"), "FIRST_REPORT_SECONDS", 0.5)
    line = add_cell(
        book, "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(9999)"
    )
    said: list[str] = []

    def report(text: str) -> None:
        said.append(text)
        if "executes since" in text:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        book.render(report=report)
    assert re.match(rf"chapters/two.qmd:{line}: cell 1 of 1 executes since \d\d:\d\d:\d\d, for \d+ s now", said[-1])
    assert not is_alive(int((book.root / "chapters/pid").read_text()))
    assert {path: path.read_bytes() for path in book.output.rglob("*") if path.is_file()} == before
    assert [path.name for path in book.root.glob("._site*")] == []


def test_an_output_that_no_font_of_the_pdf_has(book: Book) -> None:
    add_cell(book, "print(chr(0x4F60))")
    with pytest.raises(BookError, match=r"chapters/two\.qmd: no font of the PDF has '你' \(U\+4F60\)"):
        book.render()
    assert not book.output.exists()


def test_a_cited_name_that_no_font_of_the_pdf_has(book: Book) -> None:
    line = book.replace("references.bib", "Burda, Yuri", "本, Yuri")
    with pytest.raises(BookError, match=rf"references\.bib:{line}: no font of the PDF has '本'"):
        book.render()


@pytest.mark.parametrize(
    ("conversion", "file"), [("--citeproc", "_quarto.yml"), ("html5", "index.qmd"), (pdf.WRITER[1], "_quarto.yml")]
)
def test_what_pandoc_fails_to_write_is_a_problem(
    book: Book, monkeypatch: pytest.MonkeyPatch, conversion: str, file: str
) -> None:
    convert = pandoc.convert

    def failing(blocks: list[pandoc.Node], arguments: list[str], reads: Sequence[Path] = ()) -> str:
        return convert(blocks, ["--to", "nothing"] if conversion in arguments else arguments, reads)

    monkeypatch.setattr(pandoc, "convert", failing)
    with pytest.raises(BookError, match=rf"^{file}: pandoc: .*nothing"):
        book.render()
    assert not book.output.exists()


def test_what_typst_refuses_is_named_by_its_chapter_and_not_by_a_temporary_folder(book: Book) -> None:
    with (book.root / "chapters/two.qmd").open("a", encoding="utf-8") as file:
        file.write("\n```{=typst}\n#nothing()\n```\n")
    with pytest.raises(BookError) as error:
        book.render()
    (problem,) = error.value.problems
    assert problem.file == Path("chapters/two.qmd")
    assert problem.message.startswith("the PDF can't be typeset: error: unknown variable: nothing")
    assert "book-" not in problem.message


def test_the_same_book_gives_the_same_bytes(book: Book) -> None:
    book.render()
    first = {path: path.read_bytes() for path in book.output.rglob("*") if path.suffix in (".html", ".pdf", ".svg")}
    book.render()
    assert {path: path.read_bytes() for path in first} == first
