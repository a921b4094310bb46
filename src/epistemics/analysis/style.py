"""The look that every figure shares, and the picture that a cell returns."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from epistemics.analysis.provenance_line import Origin

WIDTH = 5.5
"""Of every figure, in inches: letters of 8 points are then printed at 7, and still readable on a phone."""
EDGE = 0.04
"""Room around a figure, in inches."""

INK, MUTED, GRID = "#1f2328", "#5b6470", "#d8dce2"

# Colour-blind safe (Okabe and Ito 2008), the same hue for the same weight decay throughout the book.
BLUE, ORANGE, GREEN, PURPLE, RED, SKY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"
DECAY_COLOURS: Mapping[float, str] = {0.0: PURPLE, 0.01: SKY, 0.1: GREEN, 1.0: BLUE, 10.0: RED}

SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "path",  # the same letters on every machine
    "svg.hashsalt": "epistemics",  # the same bytes for the same picture
}


def fit(figure: Figure) -> Bbox:
    """Give the axes the width that names and numbers beside them leave, so that letters have one size in all figures.

    Returns:
        What the figure covers then, in inches.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    width, sides = figure.get_figwidth(), figure.subplotpars
    for _ in range(3):  # wider axes may have other ticks
        drawn = figure.get_tightbbox(renderer)
        left = sides.left + (EDGE - drawn.xmin) / width
        figure.subplots_adjust(left=left, right=sides.right + (width - EDGE - drawn.xmax) / width)
    return figure.get_tightbbox(renderer)


class Picture:
    """A figure as SVG, for HTML and PDF alike."""

    origin: Origin | None = None

    def __init__(self, figure: Figure) -> None:
        text = io.StringIO()
        with mpl.rc_context(SETTINGS):
            drawn = fit(figure)
            frame = Bbox([[0, drawn.ymin - EDGE], [figure.get_figwidth(), drawn.ymax + EDGE]])
            # With a date each render would write other bytes, and every cache below it would be out of date.
            figure.savefig(text, format="svg", bbox_inches=frame, metadata={"Date": None})
        self.svg = text.getvalue()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"image/svg+xml": self.svg}


def nothing_to_draw() -> Picture:
    """In the place of a figure of which the experiment files have no run, or no run that got so far."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 1.0))
        figure.text(0.5, 0.5, "nothing to draw: no run of this grid has it", color=MUTED, ha="center", va="center")
        return Picture(figure)


def name_beside(axes: Axes, text: str, height: float, colour: str, va: str = "center") -> None:
    """A curve's name to the right of its axes, at a share of their height."""
    axes.annotate(
        text, (1, height), (7, 0), xycoords="axes fraction", textcoords="offset points",
        color=colour, va=va, size=8.5, linespacing=1.05, annotation_clip=False,
    )  # fmt: skip


def median_of(axes: Axes, lines: Sequence[Sequence[tuple[float, float]]], colour: str, *, band: bool = True) -> None:
    """Lines of one kind thin, and where there are all of them their median thick, with the band that they span.

    Between its points a line is straight. Two lines have a mean and no median, and stand alone.

    Args:
        lines: each with rising x, one a seed.
    """
    drawn = [line for line in lines if line]
    for line in drawn:
        axes.plot(*zip(*line, strict=True), color=colour, lw=0.7, alpha=0.5)
    if len(drawn) < 3:
        return
    low, high = max(line[0][0] for line in drawn), min(line[-1][0] for line in drawn)
    places = sorted({x for line in drawn for x, _ in line if low <= x <= high})
    if len(places) < 2:
        return
    heights = np.array([np.interp(places, [x for x, _ in line], [y for _, y in line]) for line in drawn])
    axes.plot(places, np.median(heights, axis=0), color=colour, lw=2.0, zorder=3)
    if band:
        axes.fill_between(places, heights.min(axis=0), heights.max(axis=0), color=colour, alpha=0.13, lw=0)


def decay_colour(decay: float) -> str:
    """The hue of one weight decay; grey for one that the book has no hue for."""
    return DECAY_COLOURS.get(decay, MUTED)
