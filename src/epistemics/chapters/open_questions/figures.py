"""The figure of log entry 10: robustness to a changed input against resistance to cuts."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import MUTED, SETTINGS, WIDTH, Picture, decay_colour
from epistemics.analysis.tables import Table

DECODER = 0.5
"""Where a model that reads each embedding as the nearest number would give way."""


@traced
def input_and_cut(models: Table) -> Picture:
    """How far the first number can be moved against k@95%: a point for each model, bars over its questions."""
    shown = [row for row in models.records() if row["k_at_95"] is not None]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.2))
        axes = figure.subplots()
        axes.axhline(DECODER, color=MUTED, lw=0.9, ls=(0, (4, 3)))
        axes.annotate(
            "half way: reads the nearest number", (0, DECODER), (4, -4), xycoords=("axes fraction", "data"),
            textcoords="offset points", color=MUTED, size=9, va="top",
        )  # fmt: skip
        for row in shown:
            colour = decay_colour(row["weight_decay"])
            axes.plot([row["k_at_95"]] * 2, [row["of_nearest_low"], row["of_nearest_high"]], color=colour, lw=1.4)
            axes.plot(row["k_at_95"], row["of_nearest"], "o", color=colour, markersize=6)
        for decay in sorted({row["weight_decay"] for row in shown}):
            highest = max(
                (row for row in shown if row["weight_decay"] == decay), key=lambda row: float(row["of_nearest_high"])
            )
            axes.annotate(
                f"decay {decay:g}", (highest["k_at_95"], highest["of_nearest_high"]), (0, 4),
                textcoords="offset points", ha="center", color=decay_colour(decay), size=9,
            )  # fmt: skip
        axes.set_ylim(0, max([0.56, *(1.15 * row["of_nearest_high"] for row in shown)]))
        axes.set_xlim(0, max([10, *(row["k_at_95"] for row in shown)]) * 1.12)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(
            xlabel="k@95%, directions cut from the final state",
            ylabel="shortest change found,\nof the way to the nearest number",
        )
        return Picture(figure)
