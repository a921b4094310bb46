"""Every table and formula of the book is seen in full on a desktop and on a phone, and formulas in their own font."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from rendering import Rendering

from qmdbook import html

pytestmark = pytest.mark.slow

DESKTOP, PHONE = 1280, 360

# Tables and displayed formulas of a page: how far each is hidden by what it scrolls in, or by the window.
SHOWN = """() => [...document.querySelectorAll("article :is(table, math[display=block])")]
  .filter((element) => element.checkVisibility())
  .map((element) => {
    const { left, right } = element.getBoundingClientRect();
    const end = left + Math.max(right - left, element.scrollWidth);
    let [first, last, scrolls] = [0, innerWidth, false];
    for (let outer = element.parentElement; outer !== document.body; outer = outer.parentElement) {
      if (getComputedStyle(outer).overflowX === "visible") continue;
      const box = outer.getBoundingClientRect();
      [first, last] = [Math.max(first, box.left), Math.min(last, box.right)];
      scrolls ||= outer.tabIndex === 0 && getComputedStyle(outer).backgroundImage !== "none";
    }
    return {
      name: element.closest("[id]").id,
      kind: element.localName,
      hidden: Math.round(Math.max(0, first - left, end - last)),
      scrolls,
    };
  })"""


@pytest.fixture(scope="module")
def pages(book: Rendering) -> list[str]:
    """The address of each chapter in the site."""
    return [
        path.relative_to(book.site).as_posix()
        for path in [book.site / "index.html", *book.site.glob("chapters/*.html")]
    ]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": DESKTOP, "height": 800})
    yield page
    page.close()


def shown(page: Page, address: str, pages: list[str], width: int) -> list[dict[str, Any]]:
    page.set_viewport_size({"width": width, "height": 800})
    found = []
    for path in pages:
        page.goto(address + path)
        page.evaluate("document.fonts.ready")
        found += page.evaluate(SHOWN)
    assert {"table", "math"} == {element["kind"] for element in found}
    return found


def test_a_desktop_hides_nothing_of_a_table_or_formula(page: Page, address: str, pages: list[str]) -> None:
    assert [element for element in shown(page, address, pages, DESKTOP) if element["hidden"] > 1] == []


def test_a_phone_hides_no_column_and_lets_long_formulas_be_scrolled(page: Page, address: str, pages: list[str]) -> None:
    hidden = [element for element in shown(page, address, pages, PHONE) if element["hidden"] > 1]
    assert [element for element in hidden if element["kind"] == "table" or not element["scrolls"]] == []


def test_a_card_says_the_column_of_each_value(page: Page, address: str) -> None:
    page.goto(f"{address}chapters/phase-1-2.html")
    table = page.locator("#tbl-phase-1-2-verdicts table")
    columns = table.locator("thead th").all_inner_texts()
    values = table.locator("tbody tr").first.locator("td").all_inner_texts()
    assert len(columns) == len(values) > 3
    page.set_viewport_size({"width": PHONE, "height": 800})
    said = [text.split("\n") for text in table.locator("tbody tr").first.locator("td").all_inner_texts()]
    assert said == [[column, value] for column, value in zip(columns, values, strict=True)]
    page.set_viewport_size({"width": DESKTOP, "height": 800})
    assert table.locator("tbody tr").first.locator("td").all_inner_texts() == values


def test_cards_are_a_table_to_a_screen_reader(page: Page, address: str) -> None:
    page.goto(f"{address}chapters/phase-1-2.html")
    wide = roles(page, "#tbl-phase-1-2-verdicts")
    assert wide["columnheader"] > 3
    page.set_viewport_size({"width": PHONE, "height": 800})
    expect(page.locator("#tbl-phase-1-2-verdicts .card-heading").first).to_be_visible()
    assert roles(page, "#tbl-phase-1-2-verdicts") == wide


def roles(page: Page, selector: str) -> dict[str, int]:
    """How many tables, rows, headings and cells Chromium tells of, with the words that they have."""
    session = page.context.new_cdp_session(page)
    session.send("Accessibility.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    node = session.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    names = ("table", "row", "columnheader", "cell")
    found = {role: session.send("Accessibility.queryAXTree", {"nodeId": node, "role": role})["nodes"] for role in names}
    return {role: len(nodes) for role, nodes in found.items()}


def test_the_contents_make_way_for_a_table_in_the_margin(page: Page, address: str, pages: list[str]) -> None:
    reaches = """() => [...document.querySelectorAll(".table-scroll")].findIndex((table) =>
      table.getBoundingClientRect().right > document.querySelector(".contents").getBoundingClientRect().left)"""
    for path in pages:
        page.goto(address + path)
        if (number := page.evaluate(reaches)) >= 0:
            break
    else:
        pytest.fail("no table of the book reaches into the margin")
    contents = page.locator(".contents")
    expect(contents).to_have_css("opacity", "1")
    wide = page.locator(".table-scroll").nth(number)
    wide.evaluate("(table) => table.scrollIntoView({ behavior: 'instant' })")
    expect(contents).to_have_css("opacity", "0")
    page.locator("#content").evaluate("(main) => main.scrollIntoView({ behavior: 'instant' })")
    expect(contents).to_have_css("opacity", "1")


# Marks the first element of each text in a page's formulas; the font of any character is then asked once.
MARK_CHARACTERS = """() => {
  const seen = new Set();
  for (const element of document.querySelectorAll("article :is(mi, mn, mo, mtext)")) {
    if (!element.textContent.trim() || seen.has(element.textContent) || !element.checkVisibility()) continue;
    seen.add(element.textContent);
    element.classList.add("asked");
  }
}"""


def test_formulas_are_set_in_the_font_that_the_site_ships(page: Page, address: str, pages: list[str]) -> None:
    fonts = {}
    for path in pages:
        page.goto(address + path)
        page.evaluate("document.fonts.ready")
        page.evaluate(MARK_CHARACTERS)
        session = page.context.new_cdp_session(page)
        for domain in ("DOM", "CSS"):
            session.send(f"{domain}.enable")
        root = session.send("DOM.getDocument")["root"]["nodeId"]
        for node in session.send("DOM.querySelectorAll", {"nodeId": root, "selector": ".asked"})["nodeIds"]:
            for font in session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]:
                fonts[font["familyName"], font["isCustomFont"]] = path
    assert set(fonts) == {("STIX Two Math", True)}, fonts


def test_an_exponent_is_smaller_than_its_base(page: Page, address: str) -> None:
    page.goto(f"{address}chapters/phase-1-1.html")
    page.evaluate("document.fonts.ready")
    base, exponent = page.locator("article msup").first.evaluate(
        "(power) => [...power.children].map((part) => part.getBoundingClientRect().height)"
    )
    assert exponent < 0.8 * base


def test_the_font_comes_with_its_licence(book: Rendering) -> None:
    licences = (book.site / "site" / "LICENSES.txt").read_text("utf-8")
    assert "stix-two-math.woff2" in licences
    assert "SIL OPEN FONT LICENSE Version 1.1" in licences
    assert Path(book.folder / "theme" / "book.css").read_text("utf-8").count("stix-two-math.woff2") == 1


@pytest.mark.parametrize(
    ("formula", "parts"),
    [
        (r"a = b", [r"a = b"]),
        (r"a = b, \qquad c = d", [r"a = b, ", r" c = d"]),
        (r"\{a\} \quad \text{if \quad b}", [r"\{a\} ", r" \text{if \quad b}"]),
        (r"\left( a \quad b \right)", [r"\left( a \quad b \right)"]),
        (r"\begin{aligned} a \quad b \end{aligned}", [r"\begin{aligned} a \quad b \end{aligned}"]),
    ],
)
def test_a_formula_is_parted_at_its_wide_spaces_alone(formula: str, parts: list[str]) -> None:
    assert html._parted(formula) == parts
