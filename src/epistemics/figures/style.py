"""The look that every figure shares, and the picture that a cell returns."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 6.0  # inches; a little less than the measure of the page, so that letters stay readable on a phone

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


class Picture:
    """A figure as SVG, for HTML and PDF alike."""

    def __init__(self, figure: Figure) -> None:
        text = io.StringIO()
        with mpl.rc_context(SETTINGS):
            figure.savefig(text, format="svg", bbox_inches="tight", pad_inches=0.04, metadata={"Date": None})
        self.svg = text.getvalue()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"image/svg+xml": self.svg}


def name_beside(axes: Axes, text: str, height: float, colour: str, va: str = "center") -> None:
    """A curve's name to the right of its axes, at a share of their height."""
    axes.annotate(
        text, (1, height), (7, 0), xycoords="axes fraction", textcoords="offset points",
        color=colour, va=va, size=8.5, linespacing=1.05, annotation_clip=False,
    )  # fmt: skip


def decay_colour(decay: float) -> str:
    """The hue of one weight decay; grey for one that the book has no hue for."""
    return DECAY_COLOURS.get(decay, MUTED)
