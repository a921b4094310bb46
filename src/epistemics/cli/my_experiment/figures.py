"""Figures of my experiment."""

from __future__ import annotations

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
    name_beside,
    nothing_to_draw,
)
from epistemics.analysis.tables import Table

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY)
"""Of the models, in the order of the experiment file; those after the last are grey."""


@traced
def curves(table: Table) -> Picture:
    """Validation accuracy along training, a line for each seed."""
    if not len(table):
        return nothing_to_draw()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.0))
        axes = figure.subplots()
        for place, model in enumerate(dict.fromkeys(table.column("model"))):
            colour = COLOURS[place] if place < len(COLOURS) else MUTED
            own = table.where(model=model)
            for seed in sorted(set(own.column("seed"))):
                line = own.where(seed=seed)
                axes.plot(line.column("step"), line.column("validation_accuracy"), color=colour, lw=1.3)
            name_beside(axes, model, 0.97 - 0.08 * place, colour, va="top")
        axes.set_ylim(-0.02, 1.03)
        axes.set_xlim(left=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        axes.set(xlabel="step", ylabel="validation accuracy")
        return Picture(figure)
