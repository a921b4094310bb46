"""The rooms and what they import, as a drawing."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, GREEN, INK, MUTED, ORANGE, SETTINGS, WIDTH, Picture
from epistemics.analysis.tables import Table
from epistemics.chapters.architecture.chapter import depths

HALF_WIDTH, HALF_HEIGHT = 0.42, 0.27
"""Of a box, where rows and columns are one apart."""


@traced
def drawn_rooms(table: Table) -> Picture:
    """A box for each room and an arrow from it to what it imports; what others import stands lower."""
    rows: dict[int, list[str]] = {}
    for room, depth in sorted(depths(table).items()):
        rows.setdefault(depth, []).append(room)
    places = {
        room: (column - (len(row) - 1) / 2, float(depth))
        for depth, row in rows.items()
        for column, room in enumerate(row)
    }
    widest = max((len(row) for row in rows.values()), default=1)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 0.6 * len(rows)))
        axes = figure.subplots()
        axes.set(xlim=(-widest / 2, widest / 2), ylim=(len(rows) - 0.6, -0.4))
        axes.axis("off")
        imported, importing = set(table.column("to")), set(table.column("from"))
        for room, (x, y) in places.items():
            colour = ORANGE if room not in imported else BLUE if room in importing else GREEN
            look: dict[str, Any] = {"edgecolor": colour, "facecolor": "none", "linewidth": 1.4}
            corner = (x - HALF_WIDTH, y - HALF_HEIGHT)
            shape = "round,pad=0,rounding_size=0.08"
            axes.add_patch(FancyBboxPatch(corner, 2 * HALF_WIDTH, 2 * HALF_HEIGHT, shape, **look))
            axes.text(x, y, room, ha="center", va="center", color=INK, fontsize=12)
        for record in table.records():
            _arrow(axes, places[record["from"]], places[record["to"]])
        return Picture(figure)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Down to the next row; to a lower one straight down and then in from the side, around the boxes between."""
    (x, y), (u, v) = start, end
    look: dict[str, Any] = {"arrowstyle": "-|>", "color": MUTED, "shrinkA": 1, "shrinkB": 1}
    head = (u, v - HALF_HEIGHT)
    if v - y > 1 and x != u:
        head = (u - HALF_WIDTH if x < u else u + HALF_WIDTH, v)
        look["connectionstyle"] = "angle,angleA=90,angleB=0,rad=6"
    elif v - y > 1:
        look["connectionstyle"] = "arc3,rad=0.6"
    axes.annotate("", head, (x, y + HALF_HEIGHT), arrowprops=look)
