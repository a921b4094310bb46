"""Figures of log entry 13: what training against abliteration does to the curves, to what is shared and at what λ."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from epistemics.figures.joint import MODEL_COLOURS, MODEL_NAMES, OPERATION_NAMES, overlap
from epistemics.figures.style import MUTED, SETTINGS, WIDTH, Picture
from epistemics.tables import Table

__all__ = ["abliteration", "learning", "overlap"]


def abliteration(table: Table) -> Picture:
    """Each operation's accuracy against its own directions removed: the baseline, one layer, adversarial training."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.0))
        panels = figure.subplots(1, 2, sharey=True)
        models = list(dict.fromkeys(table.column("model")))
        for axes, operation in zip(panels, OPERATION_NAMES, strict=True):
            own = table.where(directions_of=operation, curve="about_mean")
            for model in models:
                for seed in sorted(set(own.where(model=model).column("seed"))):
                    line = own.where(model=model, seed=seed)
                    axes.plot(line.column("removed"), line.column("accuracy"), color=MODEL_COLOURS[model], lw=1.3)
            axes.set_title(OPERATION_NAMES[operation])
            axes.set_xlim(0, max(own.column("removed")))
            axes.set_ylim(-0.02, 1.03)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
            axes.set_xlabel("own directions removed")
        panels[0].set_ylabel("validation accuracy")
        for place, model in enumerate(models):
            panels[1].text(
                1.03,
                0.97 - 0.08 * place,
                MODEL_NAMES[model],
                transform=panels[1].transAxes,
                color=MODEL_COLOURS[model],
                va="top",
                size=8.5,
            )
        figure.subplots_adjust(wspace=0.08)
        return Picture(figure)


def learning(table: Table) -> Picture:
    """Validation accuracy over both operations along training, a panel for each model, a line for each seed."""
    models = list(dict.fromkeys(table.column("model")))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 0.85 * len(models)))
        panels = figure.subplots(len(models), 1, sharey=True, sharex=True, squeeze=False)[:, 0]
        for axes, model in zip(panels, models, strict=True):
            chosen = table.where(model=model)
            colour = MODEL_COLOURS.get(model, MUTED)
            for seed in sorted(set(chosen.column("seed"))):
                one = chosen.where(seed=seed)
                axes.plot(one.column("step"), one.column("validation_accuracy"), color=colour, lw=0.9)
            axes.set_ylim(-0.03, 1.05)
            axes.set_yticks([0, 1], ["0%", "100%"])
            name = MODEL_NAMES.get(model, model)
            axes.text(1.01, 0.5, name, transform=axes.transAxes, color=colour, va="center", size=8.5)
        panels[-1].set_xlim(left=0)
        panels[-1].set_xlabel("step")
        panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        figure.supylabel("validation accuracy", size=9.5, x=0.0)
        figure.subplots_adjust(hspace=0.3)
        return Picture(figure)
