"""Figures of what a cut is held against: whose directions are removed, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import (
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
    PURPLE,
    RED,
    SETTINGS,
    SKY,
    WIDTH,
    Picture,
    nothing_to_draw,
)
from epistemics.analysis.tables import Table

DIRECTION_COLOURS: Mapping[str, str] = {
    "random": MUTED,
    "of shuffled answers": ORANGE,
    "own": BLUE,
    "of most variance": RED,
}


@traced
def directions(table: Table) -> Picture:
    """Accuracy against directions removed, for each kind; a panel for each decay, a line for each seed."""
    if not len(table):
        return nothing_to_draw()
    return _curves(table, "directions", DIRECTION_COLOURS, "directions removed")


@traced
def places(table: Table) -> Picture:
    """Accuracy against directions cut at each place of the stream; a panel for each decay, a line for each seed."""
    alone = table.where(everywhere=False)
    if not len(alone):
        return nothing_to_draw()
    hues = (SKY, GREEN, RED, ORANGE, PURPLE)
    names = list(dict.fromkeys(alone.column("place")))
    colours = dict(zip(names[:-1], hues, strict=False)) | {names[-1]: BLUE}
    return _curves(alone, "place", colours, "directions removed at the place")


def _curves(table: Table, column: str, colours: Mapping[str, str], label: str) -> Picture:
    decays = sorted(set(table.column("weight_decay")), reverse=True)
    names = [name for name in colours if name in table.column(column)]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.1))
        panels = figure.subplots(1, len(decays), sharey=True, squeeze=False)[0]
        for axes, decay in zip(panels, decays, strict=True):
            for name in names:
                own = table.where(**{"weight_decay": decay, column: name})
                for seed in sorted(set(own.column("seed"))):
                    line = own.where(seed=seed)
                    # Those of most variance may lie on the model's own, so these are broad and pale.
                    look: dict[str, Any] = {"lw": 3.2, "alpha": 0.4} if name == "own" else {"lw": 1.1}
                    axes.plot(line.column("removed"), line.column("accuracy"), color=colours[name], **look)
            axes.set_title(f"weight decay {decay:g}")
            axes.set_xlim(0, max(table.column("removed")))
            axes.set_ylim(-0.02, 1.03)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
            axes.set_xlabel(label)
        panels[0].set_ylabel("validation accuracy")
        _name(figure, names, colours)
        figure.subplots_adjust(wspace=0.08, bottom=0.3)
        return Picture(figure)


def _name(figure: Figure, names: Sequence[str], colours: Mapping[str, str]) -> None:
    """The lines' names in a row below the panels, each in its own colour."""
    handles = [mpl.lines.Line2D([], [], color=colours[name], lw=2) for name in names]
    figure.legend(
        handles,
        names,
        loc="lower center",
        ncols=3 if len(names) > 4 else 4,
        fontsize=8.5,
        handlelength=1.2,
        labelcolor="linecolor",
    )
