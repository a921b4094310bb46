"""Interactive figures in a real browser: what is moved is what the table says, and the static figure is never lost."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from prose import PROJECT

from epistemics.analysis.interactive import Lines, Series, interactive
from epistemics.analysis.tables import Table, percent, spread, table_of

HUES = {"weak": "#0072B2", "strong": "#E69F00"}
NAMES = {"weak": "weak </script>", "strong": "strong"}
PANELS = {"own": "its own", "random": "random ones"}
LENGTHS = {"own": 40, "random": 60}
SEEDS = (0, 1, 2)
ALT = "Two panels of falling lines."

# The same figure as the embedded renderer and as Quarto write it, each with the style sheet of the book.
MARKUPS = {
    "embedded": '<html><head><link rel="stylesheet" href="style.css"></head><body><main><article>'
    f'<figure id="fig-one" class="figure"><img src="one.svg" alt="{ALT}"><figcaption>Figure 1</figcaption></figure>',
    "quarto": '<html><head><link rel="stylesheet" href="book.css"></head><body class="quarto-THEME"><main><article>'
    '<div id="fig-one" class="quarto-float quarto-figure"><figure class="figure"><div aria-describedby="caption">'
    f'<p><img src="one.svg" alt="{ALT}"></p></div><figcaption id="caption">Figure 1</figcaption></figure></div>',
}


def accuracy(panel: str, series: str, seed: int, k: int) -> float:
    pace = (2 if panel == "own" else 1) * (1.5 if series == "strong" else 1) + seed / 4
    return round(max(0.0, 1 - pace * k / LENGTHS["random"]), 4)


def rows() -> Iterator[dict[str, Any]]:
    for panel, series, seed in itertools.product(PANELS, NAMES, SEEDS):
        for k in range(LENGTHS[panel]):
            value = accuracy(panel, series, seed, k)
            yield {"cut": panel, "model": series, "seed": seed, "k": k, "accuracy": value}


LINES = Lines(
    table=table_of(list(rows())),
    x="k",
    y="accuracy",
    panel="cut",
    series="model",
    panels=PANELS,
    named={name: Series(NAMES[name], HUES[name], dashed=name == "strong") for name in NAMES},
    x_label="directions",
    y_label="share",
    start=10.2,
    note="A note.",
)


def expected(k: int, seeds: tuple[int, ...] = SEEDS) -> list[list[str]]:
    """Each series' median and range at k in each panel, by the book's own function."""
    return [
        [
            spread([accuracy(panel, series, s, k) for s in seeds], lambda v: percent(v, 1))
            if k < LENGTHS[panel]
            else "–"
            for panel in PANELS
        ]
        for series in NAMES
    ]


def figures(texts: list[list[str]]) -> list[float]:
    """To be compared nearly: Python and JavaScript round a half differently."""
    return [float(number) for row in texts for text in row for number in re.findall(r"\d+\.\d", text)]


def assert_reads(page: Page, wanted: list[list[str]]) -> None:
    found = [row.locator("td").all_inner_texts() for row in page.locator(".interactive tbody tr").all()]
    assert [[re.sub(r"[\d.]+", "#", text) for text in row] for row in found] == [
        [re.sub(r"[\d.]+", "#", text) for text in row] for row in wanted
    ]
    assert figures(found) == pytest.approx(figures(wanted), abs=0.1001)


@pytest.fixture(params=MARKUPS)
def markup(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Opener:
    """Opens the figure from the disk, as a reader without a server does, and collects what goes wrong."""

    def __init__(self, browser: Browser, folder: Path, block: str, markup: str) -> None:
        self.browser, self.folder, self.block, self.markup = browser, folder, block, markup
        self.faults: list[str] = []

    def __call__(self, theme: str = "light", width: int = 1000, **options: Any) -> Page:
        html = MARKUPS[self.markup].replace("THEME", theme) + self.block + "</article></main></body></html>"
        path = self.folder / "chapters" / "page.html"
        path.write_text("<!DOCTYPE html><meta charset=utf-8>" + html, encoding="utf-8")
        viewport: Any = {"width": width, "height": 800}
        page = self.browser.new_context(color_scheme=theme, viewport=viewport, **options).new_page()  # type: ignore[arg-type]
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("requestfailed", lambda request: self.faults.append(request.url))
        inside = f"file://{self.folder}/"
        page.on("request", lambda request: None if request.url.startswith(inside) else self.faults.append(request.url))
        page.goto(path.as_uri())
        return page


@pytest.fixture
def opened(browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str], markup: str) -> Iterator[Opener]:
    interactive("fig-one", LINES)
    block = re.fullmatch(r"\s*```\{=html\}\n(.*)\n```\s*", capsys.readouterr().out, re.DOTALL)
    assert block
    shutil.copytree(PROJECT / "theme" / "interactive", tmp_path / "theme" / "interactive")
    (tmp_path / "chapters").mkdir()
    for style in (Path(str(files("qmdbook"))) / "site" / "style.css", PROJECT / "theme" / "book.css"):
        shutil.copy(style, tmp_path / "chapters")
    (tmp_path / "chapters" / "one.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200"><path d="M0 0L400 200"/></svg>'
    )
    opener = Opener(browser, tmp_path, block[1], markup)
    yield opener
    for context in browser.contexts:
        context.close()
    assert opener.faults == []


def hues(page: Page) -> dict[str, int]:
    """How many lines of each hue are drawn."""
    strokes = page.locator(".interactive-chart path[fill=none], .interactive-chart g[stroke] path").evaluate_all(
        "paths => paths.map(path => (path.closest('[stroke]') ?? path).getAttribute('stroke'))"
    )
    return {name: strokes.count(hue) for name, hue in HUES.items()}


def test_the_slider_reads_the_table(opened: Opener) -> None:
    page = opened()
    slider = page.get_by_role("slider", name="directions")
    assert slider.get_attribute("aria-valuetext") == "10 directions"
    assert_reads(page, expected(10))
    mark = page.locator(".interactive-mark line")
    before = [box["x"] for box in mark.evaluate_all("lines => lines.map(line => line.getBoundingClientRect())")]
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.locator(".interactive output").inner_text() == "13"
    assert_reads(page, expected(13))
    after = [box["x"] for box in mark.evaluate_all("lines => lines.map(line => line.getBoundingClientRect())")]
    assert len(before) == len(PANELS)
    assert all(there > here for here, there in zip(before, after, strict=True))
    page.keyboard.press("End")  # where the lines of one panel have ended
    assert page.locator(".interactive output").inner_text() == "59"
    assert_reads(page, expected(59))


def test_series_and_seeds_are_hidden_and_shown(opened: Opener) -> None:
    page = opened()
    every = len(PANELS) * len(SEEDS)
    assert hues(page) == {"weak": every, "strong": every}
    weak = page.get_by_role("checkbox", name=NAMES["weak"])
    weak.press("Space")
    assert hues(page) == {"weak": 0, "strong": every}
    assert_reads(page, [["–", "–"], expected(10)[1]])
    weak.check()
    page.get_by_role("group", name="Seeds").get_by_role("checkbox", name="2").uncheck()
    assert hues(page) == {"weak": every - len(PANELS), "strong": every - len(PANELS)}
    assert_reads(page, expected(10, (0, 1)))


def test_the_static_figure_is_a_button_away(opened: Opener) -> None:
    page = opened()
    image, drawing = page.locator("img"), page.get_by_role("img", name=ALT).and_(page.locator("svg"))
    assert (image.is_visible(), drawing.is_visible()) == (False, True)
    page.get_by_role("button", name="Show the printed figure").click()
    assert (image.is_visible(), page.get_by_role("slider").count()) == (True, 0)
    page.get_by_role("button", name="Show the interactive figure").click()
    assert (image.is_visible(), drawing.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (image.is_visible(), page.locator(".interactive").is_visible()) == (True, False)


def test_without_scripts_there_is_the_static_figure_alone(opened: Opener) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("img").is_visible()
    assert page.locator("article").inner_text().split() == ["Figure", "1"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_hues_are_those_of_the_static_figure(opened: Opener, theme: str) -> None:
    page = opened(theme)
    found = page.evaluate("[...document.querySelectorAll('img, svg')].map(e => getComputedStyle(e).filter)")
    assert len(found) == 1 + 1 + len(HUES)  # the image, the drawing and a swatch for each series
    assert len(set(found)) == 1
    assert ("invert" in found[0]) == (theme == "dark")


@pytest.mark.parametrize("width", [360, 700])
def test_the_values_under_the_pointer_are_seen_in_full(opened: Opener, width: int) -> None:
    page = opened(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".interactive-chart svg").bounding_box()
    assert box
    tip = page.locator(".interactive-tip text")
    seen = set()
    for across, down in itertools.product(range(10, 100, 8), range(10, 100, 8)):
        page.mouse.move(box["x"] + box["width"] * across / 100, box["y"] + box["height"] * down / 100)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        if tip.count():
            frame = page.locator(".interactive-tip:has(text)").bounding_box()
            assert frame
            assert frame["x"] >= 0
            assert frame["x"] + frame["width"] <= width
            seen.add(" ".join(tip.locator("tspan").all_text_contents()).replace("\u200b", ""))  # Plot's marks
    values = [re.fullmatch(r"(.+), seed (\d) ([\d.]+)% at (\d+) directions", text) for text in seen]
    assert len(values) > 20
    for value in values:
        assert value
        series = next(name for name in NAMES if NAMES[name] == value[1])
        allowed = [accuracy(p, series, int(value[2]), int(value[4])) for p in PANELS if int(value[4]) < LENGTHS[p]]
        assert any(abs(100 * y - float(value[3])) < 0.1001 for y in allowed), value[0]
    page.keyboard.press("Escape")
    assert tip.count() == 0


def test_every_row_is_described_once() -> None:
    description = LINES.description()
    x, panels, series = description["x"]["values"], list(PANELS), list(NAMES)
    found = {
        (panels[line["panel"]], series[line["series"]], line["seed"], x[place], y)
        for line in description["lines"]
        for place, y in enumerate(line["y"])
    }
    assert found == set(LINES.table.rows)
    assert x[description["x"]["start"]] == 10


def test_a_logarithmic_axis_has_no_zero() -> None:
    assert min(replace(LINES, logarithmic=True).description()["x"]["values"]) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"table": Table(LINES.table.columns, LINES.table.rows * 2)}, "two rows with cut 'own', model 'weak', seed 0"),
        ({"panels": {"others": "others"}}, "no row with cut in ['others']"),
    ],
)
def test_a_table_that_is_no_lines_is_refused(changes: Mapping[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        replace(LINES, **changes).description()
