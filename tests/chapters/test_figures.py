"""Every figure of the paper book as a reader sees it: drawn by Chromium, nothing on top of anything else.

The chapters' cells are executed here, in one process and on the stored results, and what their figures give is opened.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from prose import PROJECT

from epistemics.declared.project import PROFILE_VARIABLE, RESULTS_VARIABLE
from qmdbook import chapter, project

pytestmark = pytest.mark.slow

LINE = 124 / 25.4 * 72
"""Width of the text on the PDF's page, in points: a figure that is wider is printed smaller."""
LEAST = 7.0
"""Size of the smallest text on paper, in points."""
TOUCHING = 0.5
"""Pixels that two boxes may share: curves of letters are drawn a little beyond their own edges."""

# What the browser makes of a figure of matplotlib: boxes as left, top, right, bottom in pixels. A text is a group of
# glyphs, or of lines of them, whose transformation has their size. The first shape of axes is their ground, unless they
# are switched off, and the others are marks or spines.
DRAWN = """() => {
  const box = (element) => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    return [left, top, right, bottom];
  };
  const all = (element, selector) => [...element.querySelectorAll(selector)];
  const said = (element) => [...element.childNodes].map((node) =>
    node.nodeType === Node.COMMENT_NODE ? node.data.trim() : said(node)).filter((text) => text).join(" ");
  const painted = (element) => {
    const { fill, stroke } = getComputedStyle(element);
    return fill !== "none" || stroke !== "none" || element.tagName === "image";
  };
  const NO_MARKS = "[id^='matplotlib.axis'], [id^='text_'], [id^='legend_'], defs";
  const svg = document.querySelector("svg");
  const sizes = (text) => all(text, "[transform*='scale(0.']").map((glyphs) =>
    100 * parseFloat(/scale\\((0\\.\\d+)/.exec(glyphs.getAttribute("transform"))[1]));
  return {
    frame: box(svg),
    texts: all(svg, "[id^='text_']").filter(said)
      .map((text) => ({ said: said(text), box: box(text), size: Math.max(...sizes(text)) })),
    axes: all(svg, "[id^='axes_']").map((axes) => {
      const marks = all(axes, "path, use, image").filter((shape) => !shape.closest(NO_MARKS));
      const ground = axes.querySelector("[id^='matplotlib.axis']") ? box(marks.shift()) : null;
      return { ground, marks: marks.filter(painted).map(box) };
    }),
  };
}"""


def _chapters() -> dict[str, chapter.Chapter]:
    """Label of each figure → the chapter that has it, in the book's order."""
    problems: list[Any] = []
    read = [chapter.read(PROJECT, entry, problems) for entry in project.read(PROJECT, problems).entries]
    return {cell.label: one for one in read for cell in one.cells if cell.label.startswith("fig-")}


CHAPTERS = _chapters()


@pytest.fixture(autouse=True)
def stored_results_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROFILE_VARIABLE, "paper")
    monkeypatch.delenv(RESULTS_VARIABLE, raising=False)


@cache
def figures_of(path: Path) -> dict[str, str]:
    """Label → SVG of a chapter's figures: its cells are executed, but not those that show tables or print."""
    namespace: dict[str, Any] = {}
    found = {}
    of_path = next(one for one in CHAPTERS.values() if one.path == path)
    with contextlib.chdir(PROJECT / path.parent), contextlib.redirect_stdout(io.StringIO()):
        for cell in of_path.cells:
            if cell.label.startswith("tbl-") or cell.options.values.get("output") == "asis":
                continue
            tree = ast.parse(cell.code)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, str(path), "exec"), namespace)
            if isinstance(last, ast.Expr):
                shown = eval(compile(ast.Expression(last.value), str(path), "eval"), namespace)
                if cell.label.startswith("fig-"):
                    found[cell.label] = shown._repr_mimebundle_()["image/svg+xml"]
    return found


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 1000, "height": 1000})


def shared(one: list[float], other: list[float]) -> float:
    """How deep two boxes lie in each other, in pixels; not above zero if they are apart."""
    return min(min(one[side + 2], other[side + 2]) - max(one[side], other[side]) for side in (0, 1))


def around(boxes: list[list[float]]) -> list[float]:
    """The least box that holds all of them."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return [min(left), min(top), max(right), max(bottom)]


def drawn(page: Page, svg: str) -> dict[str, Any]:
    page.set_content(f"<body style='margin: 100px'>{svg[svg.index('<svg') :]}</body>")
    seen: dict[str, Any] = page.evaluate(DRAWN)
    return seen


def faults(seen: dict[str, Any]) -> list[str]:
    """What a reader of this figure would stumble over."""
    found = []
    frame, texts = seen["frame"], seen["texts"]
    printed = min(1, LINE / (0.75 * (frame[2] - frame[0])))
    for place, text in enumerate(texts):
        outside = max(frame[0] - text["box"][0], frame[1] - text["box"][1],
                      text["box"][2] - frame[2], text["box"][3] - frame[3])  # fmt: skip
        if outside > TOUCHING:
            found.append(f"{text['said']!r} lies outside the figure by {outside:.0f} px")
        if text["size"] * printed < LEAST - 0.01:
            found.append(f"{text['said']!r} is printed at {text['size'] * printed:.1f} pt")
        found += [
            f"{text['said']!r} lies on {other['said']!r}"
            for other in texts[place + 1 :]
            if shared(text["box"], other["box"]) > TOUCHING
        ]
    for number, axes in enumerate(seen["axes"], 1):
        marks = [mark for mark in axes["marks"] if mark[2] > mark[0] and mark[3] > mark[1]]  # spines have no area
        box = axes["ground"] or around(marks)
        for side, name in ((0, "width"), (1, "height")):
            share = (box[side + 2] - box[side]) / (frame[side + 2] - frame[side])
            if share < 0.1:
                found.append(f"axes {number} have {share:.0%} of the figure's {name}")
        if not any(shared(mark, box) > 0 for mark in axes["marks"]):
            found.append(f"axes {number} show no data")
    return found


@pytest.mark.parametrize("label", CHAPTERS)
def test_nothing_in_a_figure_is_hidden(page: Page, label: str) -> None:
    found = faults(drawn(page, figures_of(CHAPTERS[label].path)[label]))
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("axes.text(0.5, 0.5, 'one'); axes.text(0.52, 0.52, 'other')", "'one' lies on 'other'"),
        ("axes.text(0.5, 0.5, 'small', size=6)", "'small' is printed at 6.0 pt"),
        ("axes.text(0, 2.5, 'above', in_layout=False)", "'above' lies outside the figure by"),
        ("axes.set_position((0.1, 0.1, 0.8, 0.05))", "axes 1 have 5% of the figure's height"),
        ("axes.lines[0].remove()", "axes 1 show no data"),
        ("axes.set_ylim(2, 3)", "axes 1 show no data"),
    ],
)
def test_what_would_be_hidden_is_found(page: Page, broken: str, says: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1])
    exec(broken, {"axes": axes})
    text = io.StringIO()
    figure.savefig(text, format="svg")
    assert re.search(re.escape(says), "\n".join(faults(drawn(page, text.getvalue()))))
