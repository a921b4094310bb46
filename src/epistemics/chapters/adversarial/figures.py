"""Figures of log entry 13: what training against abliteration does, and how much of the penalty it takes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import INK, SETTINGS, WIDTH, Picture, name_beside, nothing_to_draw
from epistemics.analysis.tables import Table
from epistemics.chapters.joint.figures import (
    OPERATION_COLOURS,
    OPERATION_NAMES,
    colours_of,
    learning,
    overlap,
)
from epistemics.chapters.joint.measured import ADVERSARIAL, BASELINE

__all__ = ["abliteration", "learning", "overlap", "sweep"]


@traced
def abliteration(table: Table) -> Picture:
    """Each operation's accuracy against its own directions removed: the baseline, one layer, adversarial training."""
    if not len(table):
        return nothing_to_draw()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.0))
        panels = figure.subplots(1, 2, sharey=True)
        colours = colours_of(table)
        for axes, operation in zip(panels, OPERATION_NAMES, strict=True):
            own = table.where(directions_of=operation, curve="about_mean")
            for model, colour in colours.items():
                for seed in sorted(set(own.where(model=model).column("seed"))):
                    line = own.where(model=model, seed=seed)
                    axes.plot(line.column("removed"), line.column("accuracy"), color=colour, lw=1.3)
            axes.set_title(OPERATION_NAMES[operation])
            axes.set_xlim(0, max(own.column("removed")))
            axes.set_ylim(-0.02, 1.03)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
            axes.set_xlabel("own directions removed")
        panels[0].set_ylabel("validation accuracy")
        for place, (model, colour) in enumerate(colours.items()):
            panels[1].text(
                1.03,
                0.97 - 0.08 * place,
                model,
                transform=panels[1].transAxes,
                color=colour,
                va="top",
                size=8.5,
            )
        figure.subplots_adjust(wspace=0.08)
        return Picture(figure)


@traced
def sweep(table: Table) -> Picture:
    """k@95% and overlap at calm moments against λ, and against how many directions are projected out.

    Small: a moment. Bars: the median over a setting's moments and seeds. Leftmost: no penalty.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 4.4))
        grid = figure.subplots(2, 2, sharey="row", sharex="col")
        for (above, below), (varied, held, label) in zip(
            grid.T,
            (
                ("adversarial_weight", "adversarial_directions", "λ"),
                ("adversarial_directions", "adversarial_weight", "directions projected out"),
            ),
            strict=True,
        ):
            chosen = _varying(table.where(calm=True), held)
            values = sorted(set(chosen.column(varied)))
            for place, value in enumerate(values):
                own = chosen.where(**{varied: value})
                for operation, side in (("add", -0.16), ("mul", 0.16)):
                    found = own.where(operation=operation).column("k_at_95")
                    _moments(above, place + side, found, OPERATION_COLOURS[operation])
                _moments(below, place, own.where(operation="add").column("overlap_10"), INK)  # it is of both
            below.set_xticks(range(len(values)), [f"{value:g}" if value else "none" for value in values])
            below.set_xlim(-0.5, max(len(values), 1) - 0.5)
            below.set_xlabel(label)
            for axes in (above, below):
                axes.set_ylim(bottom=0)
                axes.grid(visible=False, axis="x")
        grid[0, 0].set_ylabel("k@95%, directions")
        grid[1, 0].set_ylabel("overlap at 10 directions")
        for place, (operation, colour) in enumerate(OPERATION_COLOURS.items()):
            name_beside(grid[0, 1], OPERATION_NAMES[operation], 0.97 - 0.11 * place, colour, va="top")
        name_beside(grid[1, 1], "of both", 0.97, INK, va="top")
        figure.subplots_adjust(wspace=0.08, hspace=0.12)
        return Picture(figure)


def _varying(table: Table, held: str) -> Table:
    """The settings that have one value as experiment adversarial has it, and the model without the penalty."""
    known = set(table.where(kind=ADVERSARIAL).column(held))
    kept = [tuple(record.values()) for record in table.records() if record["kind"] == BASELINE or record[held] in known]
    return Table(table.columns, tuple(kept))


def _moments(axes: Axes, x: float, found: Sequence[float | None], colour: str) -> None:
    """A column of points, set beside each other in their order, and a bar at their median."""
    values = [value for value in found if value is not None]
    if values:
        places = [x + 0.2 * ((index + 0.5) / len(values) - 0.5) for index in range(len(values))]
        axes.plot(places, values, "o", color=colour, alpha=0.45, markersize=2.6, mew=0)
        axes.plot([x - 0.13, x + 0.13], [median(values)] * 2, color=colour, lw=2.2, solid_capstyle="butt")
