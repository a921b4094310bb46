"""What is published, page by page: site and PDF of the embedded renderer, and of Quarto where there is one."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typst
from playwright.sync_api import Browser
from prose import PROJECT
from pypdf import PdfReader
from rendering import Rendering

import qmdbook as books

pytestmark = pytest.mark.slow

RENDERERS = ["embedded", "quarto"]

SEEN = """() => {
  const content = document.querySelector("article") ?? document.querySelector("#quarto-document-content");
  const left = "script, .anchor, .anchorjs-link, math, .equation-number";
  for (const element of document.querySelectorAll(left)) element.remove();
  const words = (selector) => [...content.querySelectorAll(selector)]
    .map((element) => element.textContent.replace(/\\s+/g, " ").trim());
  return {
    headings: words("h1, h2, h3, h4"),
    captions: words("figcaption"),
    cells: words("td"),
    references: words("a.quarto-xref, a.cross-reference"),
    pdf: [...document.querySelectorAll("a[href$='.pdf']")].map((link) => link.href),
  };
}"""


@dataclass(frozen=True)
class Word:
    """A word where it stands on its page, in points from the upper left."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def is_read(self) -> bool:
        """Whether it is a word or an equation's number; the signs of a formula lie in boxes larger than they are."""
        return len(re.findall(r"[^\W_]", self.text)) > 1

    def lies_on(self, other: Word) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 1 and down > 0.4 * min(self.bottom - self.top, other.bottom - other.top)


@dataclass(frozen=True)
class PrintedPage:
    width: float
    height: float
    words: list[Word]

    @cached_property
    def lines(self) -> list[str]:
        """Its text from top to bottom."""
        lines: dict[int, list[Word]] = {}
        for word in self.words:
            lines.setdefault(round(word.bottom / 3), []).append(word)
        return [" ".join(w.text for w in sorted(line, key=lambda w: w.left)) for _, line in sorted(lines.items())]


def printed(pdf: Path) -> list[PrintedPage]:
    """The pages of a PDF by poppler's ``pdftotext -bbox`` (Debian: poppler-utils)."""
    text = subprocess.run(["pdftotext", "-bbox", pdf, "-"], check=True, capture_output=True, text=True).stdout
    text = re.sub(r'<!DOCTYPE[^>]*>| xmlns="[^"]*"|[\x00-\x08\x0b\x0c\x0e-\x1f]', "", text)

    def word(element: ElementTree.Element) -> Word:
        left, top, right, bottom = (float(element.get(name, "")) for name in ("xMin", "yMin", "xMax", "yMax"))
        return Word(unicodedata.normalize("NFKC", element.text or ""), left, top, right, bottom)

    return [
        PrintedPage(float(page.get("width", "")), float(page.get("height", "")), [word(w) for w in page.iter("word")])
        for page in ElementTree.fromstring(text).iter("page")
    ]


def quarto(folder: Path) -> subprocess.CompletedProcess[str]:
    """``quarto render`` of the smoke profile."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("EPISTEMICS_")}
    environment = outside | {
        "EPISTEMICS_PROFILE": "smoke",
        "PYTHONPATH": str(folder / "src"),
        "QUARTO_PYTHON": sys.executable,
    }
    return subprocess.run(["quarto", "render"], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def of_quarto(book: Rendering, tmp_path_factory: pytest.TempPathFactory) -> Rendering:
    """The same project rendered by Quarto, with the results that the embedded renderer has trained."""
    if shutil.which("quarto") is None:
        pytest.skip("Quarto is not installed")
    folder = shutil.copytree(book.folder, tmp_path_factory.mktemp("quarto") / "project")
    done = quarto(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return Rendering(folder, done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="module", params=RENDERERS)
def published(request: pytest.FixtureRequest, book: Rendering) -> Rendering:
    if request.param == "embedded":
        return book
    rendering: Rendering = request.getfixturevalue("of_quarto")
    return rendering


@pytest.fixture(scope="module")
def pages(published: Rendering) -> list[PrintedPage]:
    return printed(published.site / "epistemics.pdf")


def numbered(pages: list[PrintedPage]) -> Iterator[tuple[int, PrintedPage]]:
    return enumerate(pages, 1)


def test_no_word_lies_on_another_or_leaves_its_page(pages: list[PrintedPage]) -> None:
    faults = []
    for number, page in numbered(pages):
        words = [word for word in page.words if word.is_read]
        outside = [w for w in words if w.left < 0 or w.top < 0 or w.right > page.width or w.bottom > page.height]
        faults += [f"page {number}: {word.text} leaves the page" for word in outside]
        faults += [
            f"page {number}: {one.text} on {other.text}"
            for position, one in enumerate(words)
            for other in words[position + 1 :]
            if one.lies_on(other)
        ]
    assert faults == []


def test_every_page_has_text_and_its_number_once(pages: list[PrintedPage]) -> None:
    """The head has it, except where a chapter opens; nothing stands in the foot."""
    assert [number for number, page in numbered(pages) if not page.words] == []
    foot = [number for number, page in numbered(pages) if any(w.top > 0.93 * page.height for w in page.words)]
    assert foot == []
    heads = {number: [w.text for w in page.words if w.bottom < 0.08 * page.height] for number, page in numbered(pages)}
    assert {number: head for number, head in heads.items() if head and str(number) not in (head[0], head[-1])} == {}
    assert sum(1 for head in heads.values() if head) > len(pages) / 2


def letters(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).casefold()


@pytest.fixture(scope="module")
def site(published: Rendering, browser: Browser) -> dict[str, dict[str, Any]]:
    """Page → what is on it."""
    page = browser.new_page()
    found = {}
    for chapter in books.outline(published.folder).chapters:
        page.goto((published.site / chapter.page).as_uri())
        found[chapter.page.as_posix()] = page.evaluate(SEEN)
    page.close()
    return found


def test_no_heading_stands_alone_at_the_foot_of_a_page(
    pages: list[PrintedPage], site: dict[str, dict[str, Any]]
) -> None:
    headings = {letters(heading) for page in site.values() for heading in page["headings"]}
    last = {number: letters(page.lines[-1]) for number, page in numbered(pages) if page.words}
    contents = [number for number, page in numbered(pages) if len(re.findall(r"(?m)\d$", "\n".join(page.lines))) > 15]
    assert {number: line for number, line in last.items() if line in headings and number not in contents} == {}


def test_no_page_is_wider_than_a_phone(published: Rendering, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    widths = {}
    for chapter in books.outline(published.folder).chapters:
        page.goto((published.site / chapter.page).as_uri())
        widths[chapter.page.as_posix()] = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert {name: width for name, width in widths.items() if width > 360} == {}


def test_nothing_but_the_book_is_published(published: Rendering) -> None:
    project = books.project.read(published.folder, [])
    own = {path.as_posix() for path in project.resources} | {project.pdf.as_posix()}
    made = re.compile(
        r"(.+\.(html|md|ipynb|epub)|site/.+|site_libs/.+|chapters/\w[\w-]*_files/.+|theme/.+|.+\.woff2|search\.json|sitemap\.xml)$"
    )
    paths = {p.relative_to(published.site).as_posix() for p in published.site.rglob("*") if p.is_file()}
    assert own <= paths
    assert sorted(path for path in paths - own if not made.fullmatch(path)) == []
    html = {p for p in paths if p.endswith(".html") and not p.startswith("site/")} - own
    assert html == {chapter.page.as_posix() for chapter in books.outline(published.folder).chapters}


def test_every_page_has_headings_of_its_own_and_the_pdf(site: dict[str, dict[str, Any]]) -> None:
    for name, page in site.items():
        doubled = [heading for heading, count in Counter(page["headings"]).items() if count > 1]
        assert doubled == [], name
        assert any(link.endswith("/epistemics.pdf") for link in page["pdf"]), name


def test_both_books_say_the_same(book: Rendering, of_quarto: Rendering, browser: Browser) -> None:
    """Captions, cells of tables and references, with the numbers in them, on every page."""
    page = browser.new_page()
    for chapter in books.outline(book.folder).chapters:
        seen = []
        for rendering in (book, of_quarto):
            page.goto((rendering.site / chapter.page).as_uri())
            seen.append(page.evaluate(SEEN))
        for what in ("captions", "cells", "references"):
            assert seen[0][what] == seen[1][what], f"{what} of {chapter.page}"
    page.close()


def test_both_pdfs_have_the_same_page_and_numbers(book: Rendering, of_quarto: Rendering) -> None:
    own, quartos = (printed(rendering.site / "epistemics.pdf") for rendering in (book, of_quarto))
    assert {(page.width, page.height) for page in own} == {(page.width, page.height) for page in quartos}

    def numbers(pages: list[PrintedPage]) -> Counter[str]:
        """Those of the text: a head has its page's, and the contents have many."""
        body = [w.text for page in pages for w in page.words if w.top > 0.08 * page.height]
        return Counter(number for text in body for number in re.findall(r"\d+\.\d+", text))

    assert numbers(own) == numbers(quartos)


def test_quarto_executes_a_chapter_once_for_both_formats(of_quarto: Rendering) -> None:
    assert of_quarto.log.count("(Notebook read from cache)") == len(books.cells(of_quarto.folder))


@pytest.fixture
def draft(of_quarto: Rendering, tmp_path: Path) -> Path:
    """A copy of what Quarto rendered, to be edited."""
    return shutil.copytree(of_quarto.folder, tmp_path / "project")


def contents(site: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}


def unknown_reference(draft: Path) -> str:
    chapter = draft / "chapters" / "debate.qmd"
    text = chapter.read_text(encoding="utf-8") + "\nSee @fig-nope.\n"
    chapter.write_text(text, encoding="utf-8")
    return f"chapters/debate.qmd:{text.count(chr(10))}: @fig-nope: unresolved reference"


def unanchored_resource(draft: Path) -> str:
    configuration = draft / "_quarto.yml"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(text.replace("- /examples", "- examples"), encoding="utf-8")
    return "project.resources: write /examples/*.py"


@pytest.mark.parametrize("fault", [unknown_reference, unanchored_resource])
def test_quarto_refuses_a_faulty_book_and_leaves_the_last_site(draft: Path, fault: Callable[[Path], str]) -> None:
    said, last = fault(draft), contents(draft / "_site")
    done = quarto(draft)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert contents(draft / "_site") == last


def test_make_clean_leaves_nothing_of_a_render(draft: Path) -> None:
    subprocess.run(["make", "clean"], cwd=draft, check=True, capture_output=True)
    sources = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    paths = [path.relative_to(draft) for path in draft.rglob("*") if path.is_file()]
    left = {path.as_posix() for path in paths if not {".workspace", "__pycache__"} & {*path.parts}}
    assert sorted(left - {*sources}) == []
    rendered = {"book-cache", "prepared", "quarto-site", "quarto-keys.json"}
    assert {path.name for path in (draft / ".workspace").iterdir()}.isdisjoint(rendered)


def test_what_quarto_gives_the_template_of_its_pdf_may_have_quotes_and_backslashes(tmp_path: Path) -> None:
    given = {"title": 'A "quoted" title: a\\b #1 [x]', "description": "Nobody's $5 & *more*", "papersize": "a4"}
    meta = {name: {"t": "MetaString", "c": text} for name, text in given.items()}
    book = json.dumps({"pandoc-api-version": [1, 23, 1], "meta": meta, "blocks": []})
    template = PROJECT / "theme" / "quarto" / "template.typ"
    written, _ = books.pandoc.run(["--from", "json", "--to", "typst", f"--template={template}"], book)
    (tmp_path / "main.typ").write_text(written, encoding="utf-8")
    shutil.copytree(PROJECT / "src" / "qmdbook" / "site", tmp_path / "src" / "qmdbook" / "site")
    compiled = typst.compile(str(tmp_path / "main.typ"), root=str(tmp_path), ignore_system_fonts=True)
    found = PdfReader(io.BytesIO(compiled)).metadata
    assert found is not None
    assert (found.title, found.subject) == (given["title"], given["description"])
