"""Figures of debate: one about an image with what it does for the judge, and one about formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, GRID, INK, MUTED, ORANGE, PURPLE, RED, SETTINGS, WIDTH, Picture
from epistemics.analysis.tables import Table

SETTING_LOOKS: Mapping[str, tuple[str, str]] = {
    "honest last": (BLUE, "debate, honest\none last"),
    "liar last": (ORANGE, "debate, liar last"),
    "two claims": (INK, "two claims,\nrandom pixels"),
    "alone": (MUTED, "ten digits,\nrandom pixels"),
    "liar only": (RED, "liar chooses all"),
}
DEBATER_COLOURS = (BLUE, PURPLE, RED, ORANGE, MUTED)


@traced
def pixels(table: Table, board: Table) -> Picture:
    """A perfectly played debate, and the judge's accuracy against the number of pixels that it sees.

    Args:
        board: the pixels of ink of one image, and who revealed which.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.3))
        left, right = figure.subplots(1, 2, width_ratios=(0.62, 1))
        _draw(left, board)
        places = sorted(set(table.column("pixels")))
        ends = []
        for setting, (colour, words) in SETTING_LOOKS.items():
            line = [table.where(setting=setting, pixels=k).column("accuracy")[0] for k in places]
            right.plot(places, line, "o-", color=colour, markersize=4, lw=1.5, clip_on=False)
            ends.append((line[-1], words, colour))
        _beside(right, ends, 0.075)
        right.set_xticks(places)
        right.set_xlim(min(places) - 0.2, max(places))
        right.set_ylim(0, 1.0)
        right.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
        right.set(xlabel="pixels that the judge sees", ylabel="judge is right")
        figure.subplots_adjust(wspace=0.42)
        return Picture(figure)


def _draw(axes: Axes, board: Table) -> None:
    """Ink in grey, and revealed pixels with the number of the move in the colour of who made it."""
    for record in board.records():
        colour = {"honest": BLUE, "liar": ORANGE, None: GRID}[record["revealed_by"]]
        corner = (record["column"] + 0.04, record["row"] + 0.04)
        axes.add_patch(Rectangle(corner, 0.92, 0.92, facecolor=colour, edgecolor="none"))
        if record["move"] is not None:
            middle = (record["column"] + 0.5, record["row"] + 0.52)
            axes.text(*middle, str(record["move"]), color="white", weight="bold", size=9, ha="center", va="center")
    first = next(board.records())
    axes.add_patch(Rectangle((0, 0), first["width"], first["height"], fill=False, edgecolor=MUTED, linewidth=0.8))
    axes.set_xlim(-0.1, first["width"] + 0.1)
    axes.set_ylim(first["height"] + 0.1, -0.1)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.text(0, -0.95, f"“It is a {first['digit']}.”", color=BLUE, size=9, va="bottom")
    axes.text(0, -0.25, f"“It is a {first['lie']}.”", color=ORANGE, size=9, va="bottom")


@traced
def formulas(table: Table, prior: float) -> Picture:
    """The judge's accuracy against the depth of formulas, a line for each kind of debaters.

    Args:
        prior: the accuracy of a judge who hears nobody and says what formulas mostly are.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.1))
        axes = figure.subplots()
        ends = []
        for name, colour in zip(dict.fromkeys(table.column("debaters")), DEBATER_COLOURS, strict=True):
            line = table.where(debaters=name)
            axes.plot(line.column("depth"), line.column("accuracy"), color=colour, clip_on=False)
            ends.append((line.column("accuracy")[-1], name, colour))
        axes.axhline(prior, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        axes.text(6, prior + 0.012, "without debate", color=MUTED, size=8.5, va="bottom")
        _beside(axes, ends, 0.075)
        axes.set_xlim(min(table.column("depth")), max(table.column("depth")))
        axes.set_ylim(0.4, 1.0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
        axes.set(xlabel="depth: moves in a debate", ylabel="judge is right")
        return Picture(figure)


def _beside(axes: Axes, ends: Sequence[tuple[float, str, str]], apart: float) -> None:
    """Names beside the axes at the heights of their lines' ends, moved down where two would touch.

    Args:
        apart: least height between two names of one line each, in the units of the axis; a further line adds as much.
    """
    limit = float("inf")
    for value, text, colour in sorted(ends, key=lambda end: -end[0]):
        tall = apart * (1 + 0.7 * text.count("\n"))
        middle = min(value, limit - tall / 2)
        axes.annotate(
            text, (1, middle), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            color=colour, va="center", size=8.5, linespacing=1.05, annotation_clip=False,
        )  # fmt: skip
        limit = middle - tall / 2
