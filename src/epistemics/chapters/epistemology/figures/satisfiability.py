"""Figures of networks that encode formulas: what it costs to decide their property."""

from __future__ import annotations

from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, MUTED, ORANGE, SETTINGS, WIDTH, Picture
from epistemics.analysis.tables import Table


@traced
def cost(by_size: Table, by_enumeration: Table, by_ratio: Table, hard: float) -> Picture:
    """Inputs tried and conflicts met against the number of inputs, and conflicts against clauses for each variable.

    Args:
        hard: the ratio at which formulas turn from solvable to not.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.2))
        left, right = figure.subplots(1, 2, sharey=True)
        for axes in (left, right):
            axes.set_yscale("symlog", linthresh=1, linscale=0.4)
            axes.set_ylim(-0.3, 60_000)
            axes.set_yticks([0, 1, 10, 100, 1000, 10_000], ["0", "1", "10", "100", "1,000", "10,000"])
            axes.yaxis.set_minor_locator(NullLocator())
        _against(left, by_enumeration, "variables", "inputs", ORANGE)
        _against(left, by_size, "variables", "conflicts", BLUE)
        left.set(xlabel="variables: inputs of the network", ylabel="steps to decide")
        left.set_title("size")
        left.text(19, 13_000, "enumeration:\ninputs tried", color=ORANGE, size=8.5, va="center")
        left.text(112, 3.5, "solver:\nconflicts", color=BLUE, size=8.5, va="center")
        _against(right, by_ratio, "ratio", "conflicts", BLUE)
        right.axvline(hard, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        right.text(hard + 0.1, 22_000, "as many hold\nas do not", color=MUTED, size=8.5, va="center")
        (variables,) = set(by_ratio.column("variables"))
        right.set_title(f"shape, {variables} variables")
        right.set_xlabel("clauses for each variable")
        right.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        figure.subplots_adjust(wspace=0.1)
        return Picture(figure)


def _against(axes: Axes, table: Table, along: str, counted: str, colour: str) -> None:
    """A point for each formula, filled where the property holds; a line through the medians."""
    places = sorted(set(table.column(along)))
    for holds, face in ((False, "none"), (True, colour)):
        own = table.where(holds=holds)
        axes.plot(
            own.column(along), own.column(counted), "o", markersize=3.2, markeredgecolor=colour, markerfacecolor=face,
            markeredgewidth=0.7, alpha=0.55,
        )  # fmt: skip
    medians = [median(table.where(**{along: place}).column(counted)) for place in places]
    axes.plot(places, medians, color=colour, lw=1.8)
