"""What a reference, a citation or a footnote leads to is shown on hover and on focus, of pages opened as files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from qmdbook import previews as previews_of
from qmdbook import render

BOOK = Path(__file__).parent / "book"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = shutil.copytree(BOOK, tmp_path_factory.mktemp("previews") / "book")
    environment = {"EXECUTION_LOG": str(root.parent / "executions")}
    render(
        root, root / "_site", chapter_key=lambda path, cells: "", environment=environment,
        report=lambda line: None, workers=1,
    )  # fmt: skip
    return root / "_site"


Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, site: Path) -> Iterator[Open]:
    """Opens a page of the book from disk; nothing may go wrong while it is open."""
    faults: list[str] = []
    contexts = []

    def open_page(name: str, width: int = 1280) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": 740}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto((site / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def link(page: Page, href: str) -> str:
    selector = f"article p a[href='{href}']"
    assert page.locator(selector).count(), f"no link to {href}"
    return selector


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("#tbl-numbers", "Numbers."),
        ("#eq-logistic", "(1.1)"),
        ("#sec-method", "1.1 Method"),
        ("#fn1", "A note with"),
        ("two.html", "2 "),
        ("../references.html#ref-power2022", "Power"),
    ],
)
def test_a_link_shows_what_it_leads_to(opened: Open, href: str, shown: str) -> None:
    page = opened("chapters/one.html")
    page.locator(link(page, href)).first.hover()
    preview = page.get_by_role("tooltip")
    expect(preview).to_be_visible()
    expect(preview).to_contain_text(shown)
    page.mouse.move(1, 1)
    expect(preview).to_be_hidden()


def test_a_figure_of_another_page_is_loaded(opened: Open) -> None:
    page = opened("chapters/two.html")
    page.locator(link(page, "one.html#fig-sine")).first.hover()
    picture = page.get_by_role("tooltip").locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") == 100


def test_it_stays_under_the_pointer_and_goes_with_escape(opened: Open) -> None:
    page = opened("chapters/one.html")
    selector = link(page, "#tbl-numbers")
    page.locator(selector).first.hover()
    preview = page.get_by_role("tooltip")
    expect(preview).to_be_visible()
    preview.hover()
    page.wait_for_timeout(600)  # longer than the time that is given to get there
    assert preview.is_visible()
    page.keyboard.press("Escape")
    assert preview.is_hidden()
    assert page.locator(selector).first.get_attribute("aria-describedby") is None


def test_it_is_shown_on_keyboard_focus_and_read_out(opened: Open) -> None:
    page = opened("chapters/one.html")
    selector = link(page, "#tbl-numbers")
    page.locator("#content").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            break
    preview = page.get_by_role("tooltip")
    expect(preview).to_be_visible()
    described = page.locator(selector).get_attribute("aria-describedby")
    assert "Numbers." in page.locator(f"#{described}").inner_text()
    page.keyboard.press("Tab")
    expect(page.locator(f"{selector}[aria-describedby]")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_never_cut_off(opened: Open, width: int) -> None:
    page = opened("chapters/one.html", width)
    preview = page.get_by_role("tooltip")
    links = page.locator("main .cross-reference, main .footnote-ref")
    assert links.count() > 4
    for position in range(links.count()):
        if not links.nth(position).is_visible():
            continue
        links.nth(position).hover()
        expect(preview).to_be_visible()
        box = preview.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 740
        page.keyboard.press("Escape")
        page.mouse.move(1, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_target_of_a_reference_citation_or_footnote_has_a_preview(site: Path) -> None:
    pages = {path.relative_to(site): path.read_text("utf-8") for path in site.rglob("*.html")}
    wanted = {
        f"{target}#{identifier}"
        for path, body in pages.items()
        for target, identifier in previews_of._targets(path, body)
    }
    keys = set(re.findall(r'^"(.*?)": "', (site / "site" / "previews.js").read_text("utf-8"), re.MULTILINE))
    assert len(wanted) > 8
    assert wanted == keys
