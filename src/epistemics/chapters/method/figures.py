"""The figure of the appendix on method: steps to 95% under three precisions."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import GREEN, INK, ORANGE, PURPLE, SETTINGS, WIDTH, Picture
from epistemics.analysis.tables import Table
from epistemics.science.configuration import PRECISIONS

COLOURS = {"float32": PURPLE, "bfloat16": ORANGE, "float64": GREEN}
MARKS = {"float32": "o", "bfloat16": "s", "float64": "D"}


@traced
def first_touches(table: Table) -> Picture:
    """First evaluation at 95% against weight decay, a point for each seed; triangles never got there."""
    decays = sorted(set(table.column("weight_decay")))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.0))
        axes = figure.subplots()
        for shift, precision in zip((-0.22, 0.0, 0.22), PRECISIONS, strict=True):
            for record in table.where(precision=precision).records():
                x = decays.index(record["weight_decay"]) + shift + 0.05 * (record["seed"] - 1)
                reached = record["first_touch"]
                y = record["trained_steps"] if reached is None else reached
                mark = "^" if reached is None else MARKS[precision]
                face = "none" if reached is None else COLOURS[precision]
                axes.plot(x, y, mark, color=COLOURS[precision], markerfacecolor=face, markersize=5.5)
            axes.plot([], [], MARKS[precision], color=COLOURS[precision], label=precision, markersize=5.5)
        axes.set_yscale("log")
        axes.set_xticks(range(len(decays)), [f"{decay:g}" for decay in decays])
        low, high = axes.get_ylim()
        ticks = [t for t in (100, 200, 500, 1000, 2000, 5000, 10000, 20000, 40000) if low <= t <= high]
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_yticks(ticks, [f"{t:,}" for t in ticks])
        axes.set(xlabel="weight decay", ylabel="steps to 95%")
        axes.legend(loc="lower left", labelcolor=INK, ncols=3, bbox_to_anchor=(-0.02, 1.0), handletextpad=0.2)
        return Picture(figure)
