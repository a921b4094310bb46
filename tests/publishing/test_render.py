"""The book itself: made from an empty store as a new reader makes it, opened in Chromium, edited, broken."""

from __future__ import annotations

import csv
import json
import re
import shutil
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import epub_file
import nbformat
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from nbclient import NotebookClient
from playwright.sync_api import Browser, Page
from prose import PROJECT
from pypdf import PdfReader
from rendering import Rendering, epistemics, render, watched

import qmdbook

pytestmark = pytest.mark.slow

RUNS = "data/runs/"
ALIKE = (RUNS, "data/source/")
"""Folders of pages that are made alike: one of each is opened."""
FIGURES = "site/figures.html"

# What the tests ask of a page, as the browser sees it.
SEEN = """async () => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  for (const image of document.images) image.loading = "eager";
  await Promise.allSettled([...document.images].map((image) => image.decode()));
  for (const source of all("annotation")) source.remove();  // formulas twice, as LaTeX
  return {
    chapters: all("#chapters li a span:last-child").map((title) => title.textContent),
    links: all("a[href]").map((link) => link.href),
    ids: all("[id]").map((element) => element.id),
    images: [...document.images].map((image) => [image.src, image.naturalWidth, image.alt]),
    captions: all("figcaption").map((caption) => caption.textContent),
    figures: all("[id^=fig-], .provenance").map((element) => element.id
      || [...element.querySelectorAll("a")].map((link) => link.href).find((url) => url.endsWith(".csv"))),
  };
}"""


@dataclass
class Opened:
    """What the browser saw of one page, and what went wrong while it was open."""

    seen: dict[str, Any]
    faults: list[str] = field(default_factory=list)
    barriers: list[str] = field(default_factory=list)
    """What axe finds against WCAG 2.1 AA, on a desktop and on a phone."""


@pytest.fixture
def draft(book: Rendering, tmp_path: Path) -> Path:
    """A copy of the rendered project, to be edited."""
    return shutil.copytree(book.folder, tmp_path / "project")


@pytest.fixture(scope="module", params=["light", "dark"])
def opened(request: pytest.FixtureRequest, browser: Browser, address: str) -> dict[str, Opened]:
    """Every chapter that links lead to from the first, and the page of one run, by address."""
    pages: dict[str, Opened] = {}
    waiting = [f"{address}index.html"]
    context = browser.new_context(color_scheme=request.param)
    while waiting:
        url = waiting.pop()
        page = context.new_page()
        faults = watched(page, address)
        page.goto(url, wait_until="networkidle")
        barriers = [barrier for width in (1280, 360) for barrier in found_by_axe(page, width)]
        pages[url] = Opened(page.evaluate(SEEN), faults, barriers)
        page.close()
        links = {urldefrag(link).url for link in pages[url].seen["links"]}
        for link in sorted(links):
            is_known = link in pages or link in waiting
            is_alike = any(part in link and any(part in other for other in (*pages, *waiting)) for part in ALIKE)
            if link.startswith(address) and link.endswith(".html") and not is_known and not is_alike:
                waiting.append(link)
    context.close()
    return pages


def found_by_axe(page: Page, width: int) -> list[str]:
    """What axe finds at a width of the window, rule and element."""
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    levels = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = Axe().run(page, options=levels).response["violations"]
    return [f"{width} px, {rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def test_the_render_says_where_the_book_is(book: Rendering) -> None:
    for made in (book.site / "index.html", book.site / "epistemics.pdf"):
        assert made.stat().st_size > 0
        assert str(made) in book.log


def test_smoke_results_stay_out_of_the_store(book: Rendering) -> None:
    assert not (book.folder / "results").exists()


def test_every_page_is_reached_from_the_first(book: Rendering, opened: dict[str, Opened], address: str) -> None:
    made = {path.relative_to(book.site).as_posix() for path in book.site.rglob("*.html")}
    links = {urldefrag(link).url for page in opened.values() for link in page.seen["links"]}
    reached = {link.removeprefix(address) for link in links if link.startswith(address) and link.endswith(".html")}
    assert reached | {"index.html"} == made
    chapters = opened[f"{address}index.html"].seen["chapters"]
    assert len(chapters) == len([name for name in made if not name.startswith((*ALIKE, FIGURES))])


def test_every_figure_is_offered_for_reuse_with_data_licence_and_a_line_that_embeds_it(
    book: Rendering, opened: dict[str, Opened], address: str, browser: Browser
) -> None:
    figures = [name for name in opened[f"{address}{FIGURES}"].seen["figures"] if name and name.startswith("fig-")]
    everywhere = {name for url, page in opened.items() if FIGURES not in url for name in page.seen["figures"] if name}
    assert {*figures} == {name for name in everywhere if name.startswith("fig-")}
    page = browser.new_page()
    page.goto(f"{address}{FIGURES}")
    lines = page.locator(".embed code").all_text_contents()
    small = page.locator(".provenance").all_text_contents()
    assert len(lines) == len(figures) == sum(text.strip().startswith("Licence: MIT") for text in small)
    assert len(figures) == sum(".csv" in text for text in small)
    page.set_content(lines[0])
    assert page.locator("img").evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") > 100
    page.close()


def test_the_licence_is_the_one_that_the_project_is_under() -> None:
    cited = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))["license"]
    assert qmdbook.project.read(PROJECT, []).licence == cited


def test_every_run_that_the_book_shows_has_a_page_whose_links_resolve(book: Rendering) -> None:
    pages = sorted((book.site / RUNS).glob("*.html"))
    with (book.site / "data" / "runs.phase_1_1.csv").open(newline="", encoding="utf-8") as file:
        assert {row["run"] for row in csv.DictReader(file)} <= {page.stem for page in pages}
    broken = []
    for page in pages:
        for link in re.findall(r'href="([^"]*)"', page.read_text("utf-8")):
            path, anchor = urldefrag(link)
            target = (page.parent / unquote(path)).resolve()
            if path == "data:,":
                continue
            if not target.is_file() or (anchor and f'id="{anchor}"' not in target.read_text("utf-8")):
                broken.append((page.name, link))
    assert broken == []


def test_a_notebook_executes_in_the_project(book: Rendering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPISTEMICS_PROFILE", "smoke")
    monkeypatch.setenv("PYTHONPATH", str(book.folder / "src"))
    notebook = nbformat.read(book.site / "chapters/debate.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(book.folder)}}).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/svg+xml" in data for data in shown)
    assert any("text/markdown" in data for data in shown)


def test_the_epub_is_sound_and_has_every_figure(book: Rendering) -> None:
    epub = epub_file.read((book.site / "epistemics.epub").read_bytes())
    assert epub.faults == []
    drawn = list(book.site.glob("chapters/*_files/*.svg"))
    assert len([name for name in epub.files if name.endswith(".svg")]) == len(drawn) > 30
    for title in (chapter.title for chapter in qmdbook.outline(book.folder).chapters):
        assert title in epub.text


def test_pages_open_without_errors_and_without_other_hosts(opened: dict[str, Opened]) -> None:
    assert {url: page.faults for url, page in opened.items() if page.faults} == {}


def test_axe_finds_no_barrier_on_any_page(opened: dict[str, Opened]) -> None:
    assert {url: page.barriers for url, page in opened.items() if page.barriers} == {}


def test_every_image_is_loaded_and_described(opened: dict[str, Opened]) -> None:
    images = [image for page in opened.values() for image in page.seen["images"]]
    assert images
    assert [(source, width, alt) for source, width, alt in images if not width or not alt.strip()] == []


def test_every_link_and_anchor_resolves(book: Rendering, opened: dict[str, Opened], address: str) -> None:
    broken = []
    for url, page in opened.items():
        for link in page.seen["links"]:
            target, anchor = urldefrag(link)
            if not target.startswith(address):
                assert not target.startswith(address.removesuffix("book/")), f"{url} links out of the site: {link}"
                continue
            if target in opened:
                found = not anchor or unquote(anchor) in opened[target].seen["ids"]
            else:
                found = (book.site / unquote(target.removeprefix(address))).is_file()
            if not found:
                broken.append((url, link))
    assert broken == []


def test_the_line_below_every_figure_links_to_its_data(
    book: Rendering, opened: dict[str, Opened], address: str
) -> None:
    figures = [name for page in opened.values() for name in page.seen["figures"]]
    named = [name for name in figures if name and name.startswith("fig-")]
    assert named
    for name, data in zip(figures, [*figures[1:], None], strict=True):
        if name not in named:
            continue
        assert data is not None, f"{name}: no provenance, or no data in it"
        assert data.startswith(address), f"{name}: no provenance"
        with (book.site / unquote(data.removeprefix(address))).open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert rows, data
        assert {len(row) for row in rows} == {len(header)}, data


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no script"])
def test_a_phone_needs_no_sideways_scrolling(
    browser: Browser, address: str, opened: dict[str, Opened], javascript: bool
) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=javascript)
    page = context.new_page()
    too_wide = {}
    for url in opened:
        page.goto(url)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            too_wide[url] = width
    context.close()
    assert too_wide == {}


def test_chapters_are_read_without_scripts(browser: Browser, opened: dict[str, Opened]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for url in opened:
        page.goto(url)
        words = page.locator("article").inner_text().split()
        assert len(words) > 20, url
        for selector in ("article p", "article figure", "nav.sidebar li a"):
            for element in page.locator(f"{selector}:not(details *)").all():
                assert element.is_visible(), f"{url}: {element.inner_html()}"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_search_finds_a_word(browser: Browser, address: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    faults = watched(page, address)
    page.goto(f"{address}chapters/phase-1-1.html")
    red, green, blue = re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
    assert (int(red) + int(green) + int(blue) < 3 * 128) == (scheme == "dark")
    page.keyboard.press("/")
    page.get_by_role("searchbox").fill("grokking")
    result = page.locator("#search-results a").first
    result.wait_for()
    assert result.locator("mark").count()
    result.click()
    page.wait_for_load_state()
    assert page.url.startswith(address)
    assert "grokking" in page.locator("article").inner_text().lower()
    assert faults == []
    context.close()


def letters(text: str) -> str:
    """Letters and digits alone: spaces, hyphens, ligatures and mathematical alphabets differ by medium."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).casefold()


def test_the_pdf_has_every_title_and_caption(book: Rendering, opened: dict[str, Opened], address: str) -> None:
    text = letters("".join(page.extract_text() for page in PdfReader(book.site / "epistemics.pdf").pages))
    captions = [caption for page in opened.values() for caption in page.seen["captions"]]
    assert captions
    titles = opened[f"{address}index.html"].seen["chapters"]
    assert [words for words in [*titles, *captions] if letters(words) not in text] == []


def edit(path: Path, pattern: str, replacement: str) -> int:
    """Replace the first match; returns the line that the replacement ends on."""
    text = path.read_text(encoding="utf-8")
    match = re.search(pattern, text)
    assert match, f"{path} has no {pattern}"
    before = text[: match.start()] + match.expand(replacement)
    path.write_text(before + text[match.end() :], encoding="utf-8")
    return before.rstrip("\n").count("\n") + 1


FIRST_CELL = r"```\{python\}\n(#\|.*\n)*"


def test_a_new_book_executes_every_chapter_that_has_cells(book: Rendering) -> None:
    sources = [*book.folder.glob("*.qmd"), *book.folder.glob("chapters/*.qmd")]
    with_cells = {
        path.relative_to(book.folder).as_posix()
        for path in sources
        if re.search(FIRST_CELL, path.read_text(encoding="utf-8"))
    }
    assert with_cells >= {"chapters/phase-1-1.qmd", "chapters/phase-1-2.qmd"}
    assert book.executed == with_cells


def test_only_what_was_edited_executes_again(draft: Path) -> None:
    chapter = draft / "chapters" / "phase-1-1.qmd"
    render(draft)  # the chapters of a copied project execute once: its results lie elsewhere
    assert "nothing has changed since the book was rendered" in render(draft).log
    edit(chapter, r"\Z", "\nA sentence that was not there before.\n")
    after_prose = render(draft)
    assert (after_prose.exit_status, after_prose.executed) == (0, set()), after_prose.log
    assert "A sentence that was not there before." in (draft / "_site/chapters/phase-1-1.html").read_text("utf-8")
    edit(chapter, FIRST_CELL, r"\g<0>pass\n")
    after_code = render(draft)
    assert (after_code.exit_status, after_code.executed) == (0, {"chapters/phase-1-1.qmd"}), after_code.log


def test_an_edited_value_asks_for_no_other_run(draft: Path) -> None:
    edit(
        draft / "experiments" / "phase-1-1.yaml",
        r"train_fraction: \[0\.3, 0\.7, 0\.9\]",
        "train_fraction: [0.3, 0.7, 0.8]",
    )
    status = json.loads(epistemics(draft, "status", "--json").stdout)
    assert [run["run"] for run in status if run["state"] != "fresh"] == [
        run["run"] for run in status if "fraction 0.8" in run["run"]
    ]
    assert len({run["key"] for run in status if run["state"] != "fresh"}) == 1


def test_a_result_whose_code_has_changed_is_marked_where_it_is_shown(draft: Path) -> None:
    render(draft)
    edit(draft / "src" / "epistemics" / "science" / "training.py", r"EPSILON = 1e-8", "EPSILON = 2e-8")
    refused = render(draft, "--policy", "stored")
    assert refused.exit_status == 1
    assert "stored results only" in refused.log
    assert "stale   add 1L d64" in refused.log
    rendering = render(draft, "--policy", "stale")
    assert rendering.exit_status == 0, rendering.log
    for chapter in ("phase-1-1", "phase-1-2"):
        assert f"chapters/{chapter}.qmd" in rendering.executed
        assert "of them stale" in (draft / "_site" / "chapters" / f"{chapter}.html").read_text("utf-8")


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("pattern", "replacement", "says"),
    [
        (FIRST_CELL, r'\g<0>raise RuntimeError("broken on purpose")\n', "RuntimeError: broken on purpose"),
        (r"\Z", "\nSee @fig-that-nobody-drew.\n", "@fig-that-nobody-drew"),
    ],
    ids=["a failing cell", "a missing reference"],
)
def test_a_fault_is_named_and_leaves_the_last_site(draft: Path, pattern: str, replacement: str, says: str) -> None:
    last = contents(draft / "_site")
    line = edit(draft / "chapters" / "phase-1-2.qmd", pattern, replacement)
    rendering = render(draft)
    assert rendering.exit_status == 1
    message = re.search(rf"chapters/phase-1-2\.qmd:{line}: (.*)", rendering.log)
    assert message, rendering.log
    assert says in message[1]
    assert contents(draft / "_site") == last
