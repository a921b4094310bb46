"""The way from a line of source to a figure, as a drawing."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, GREEN, INK, MUTED, ORANGE, SETTINGS, WIDTH, Picture
from epistemics.analysis.tables import Table

# Column, row, words, colour. Rows count downwards.
BOXES = {
    "source": (0, 0, "source of a run:\ntraining.training and all\nthat it reaches", BLUE),
    "experiment": (0, 1, "experiment file:\nconfigurations, seeds", BLUE),
    "drawing": (0, 2, "source of a chapter:\nall that its cells reach", BLUE),
    "result": (1, 0.5, "stored result:\nkey, fingerprint,\ndefinitions, canary", ORANGE),
    "chapter": (1, 2, "key of a chapter", ORANGE),
    "state": (2, 0.5, "fresh, adopted, stale,\ndamaged or missing", GREEN),
    "page": (2, 2, "page: cached,\nor executed again", GREEN),
}
HALF_WIDTH, HALF_HEIGHT = 0.39, 0.3


@traced
def from_source_to_figure(table: Table) -> Picture:
    """What decides whether a result may be shown and whether a page must be made again."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 2.9))
        axes = figure.subplots()
        axes.set(xlim=(-0.45, 2.45), ylim=(2.4, -0.4))
        axes.axis("off")
        for column, row, words, colour in BOXES.values():
            _box(axes, column, row, words, colour)
        for record in table.records():
            _arrow(axes, BOXES[record["from"]][:2], BOXES[record["to"]][:2])
        return Picture(figure)


def _box(axes: Axes, column: float, row: float, words: str, colour: str) -> None:
    corner, size = (column - HALF_WIDTH, row - HALF_HEIGHT), (2 * HALF_WIDTH, 2 * HALF_HEIGHT)
    look: dict[str, Any] = {"edgecolor": colour, "facecolor": "none", "linewidth": 1.4}
    axes.add_patch(FancyBboxPatch(corner, *size, "round,pad=0,rounding_size=0.06", **look))
    axes.text(column, row, words, ha="center", va="center", color=INK, fontsize=8, linespacing=1.3)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From the side of one box to the side of another; up and down if they stand in one column."""
    (x, y), (u, v) = start, end
    if x == u:
        tail, head = (x, y + HALF_HEIGHT), (u, v - HALF_HEIGHT)
    else:
        tail, head = (x + HALF_WIDTH, y), (u - HALF_WIDTH, v)
    axes.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": MUTED, "shrinkA": 1, "shrinkB": 1})
