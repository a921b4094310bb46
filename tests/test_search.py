"""A search finds words, puts them before words that begin so, and finds nothing where there is nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from rendering import Rendering, watched

from qmdbook import outline
from qmdbook.search import Section, sections_of


def test_sections_hold_the_words_of_a_page_as_they_are_read() -> None:
    body = """
<p>Of the <math><semantics><msup><mi>p</mi><mn>2</mn></msup><annotation>p^2</annotation></semantics></math> pairs<a
href="#fn1" class="footnote-ref"><sup>1</sup></a>.</p>
<h2 id="one"><span class="header-section-number">1.1</span> A <em>head</em>ing<a class="anchor" href="#one">#</a></h2>
<table><tr><td>a</td><td>b<br/>c</td></tr></table>
<details class="code-fold"><summary>Code</summary><pre>import <span>code</span></pre></details>
<div class="provenance"><p>Data: a.csv</p></div>
<script type="application/json">{"lines": [1, 2]}</script>
"""
    assert sections_of(body) == [Section("", "", "Of the p² pairs1."), Section("one", "A heading", "a b c")]


@dataclass
class Searched:
    status: str
    titles: list[str]
    marked: list[list[str]]
    """Of each result, the words that it marks."""
    texts: list[str]


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page()
    faults = watched(page, address)
    page.goto(f"{address}chapters/phase-1-1.html")
    yield page
    page.close()
    assert faults == []


def search(page: Page, words: str) -> Searched:
    if not page.get_by_role("searchbox").is_visible():
        page.keyboard.press("/")
    page.get_by_role("searchbox").fill(words)
    status, results = page.locator("#search-status"), page.locator("#search-results a")
    expect(status).not_to_be_empty()
    return Searched(
        status.inner_text(),
        results.locator("strong").all_inner_texts(),
        [result.locator("mark").all_inner_texts() for result in results.all()],
        results.all_inner_texts(),
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", ["asdkjh", "qzxv", "grokking asdkjh", "\\longmapsto", "mathrm"])
def test_nothing_is_found_for_what_is_not_there(page: Page, words: str) -> None:
    found = search(page, words)
    assert found.status == f"Nothing found for “{words}”"
    assert found.titles == []


@pytest.mark.slow
def test_a_number_is_found_as_it_stands(page: Page) -> None:
    found = search(page, "0.1")
    assert found.titles
    assert {word for words in found.marked for word in words} == {"0.1"}


@pytest.mark.slow
def test_whole_words_come_before_words_that_begin_so(page: Page, book: Rendering) -> None:
    found = search(page, "batch")
    is_whole = ["batch" in text.lower().replace("batches", "").replace("batched", "") for text in found.texts]
    assert is_whole == sorted(is_whole, reverse=True)
    (about,) = [c for c in outline(book.folder).chapters if c.path == Path("chapters/batch-size.qmd")]
    assert found.titles[0].startswith(f"{about.number} {about.title}")


@pytest.mark.slow
def test_a_slip_of_the_finger_is_said_and_forgiven(page: Page) -> None:
    found = search(page, "groking")
    assert found.status == "Nothing found for “groking”. Similar words:"
    assert "grokking" in [word.lower() for word in found.marked[0]]


@pytest.mark.slow
def test_a_result_leads_to_its_section(page: Page) -> None:
    found = search(page, "noise scale")
    page.keyboard.press("Enter")
    page.wait_for_url("**/chapters/*.html#*")
    heading = found.titles[0].split(" › ")[-1]
    assert heading in page.locator(":target").inner_text()


@pytest.mark.slow
def test_no_tex_is_searched(book: Rendering) -> None:
    assert "\\\\" not in (book.site / "site" / "sections.js").read_text("utf-8")


@pytest.mark.slow
def test_a_book_opened_as_files_is_searched_as_well(browser: Browser, book: Rendering) -> None:
    page = browser.new_page()
    page.goto((book.site / "index.html").as_uri())
    assert search(page, "grokking").titles
    page.close()
