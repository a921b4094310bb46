"""Figures of log entry 12: one operation alone and beside another, and where every model stands on the three axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, INK, MUTED, SETTINGS, WIDTH, Picture, decay_colour, nothing_to_draw
from epistemics.analysis.tables import Table
from epistemics.chapters.joint.figures import KIND_COLOURS
from epistemics.chapters.joint.measured import ADVERSARIAL, BASELINE
from epistemics.chapters.trilemma.chapter import RESISTANT
from epistemics.chapters.trilemma.measured import ALONE, alone

CURVES: Mapping[str, tuple[str, str]] = {
    ALONE: ("alone", BLUE),
    BASELINE: ("beside\nmultiplication", KIND_COLOURS[BASELINE]),
    ADVERSARIAL: ("beside it, trained\nagainst cuts", KIND_COLOURS[ADVERSARIAL]),
}
"""Kind of a model → what its curves of addition are called, and their hue."""
THRESHOLD, OVER = 0.95, 0.05
LABEL = 9.0
AXES: Mapping[str, str] = {
    "separability": "separability",
    "robustness": "robustness",
    "per_thousand_parameters": "operations for each\nthousand parameters",
}
"""Column of the tables → what its axis is called."""


@traced
def curves(table: Table) -> Picture:
    """Accuracy of addition against its own directions removed, alone and beside multiplication, a line a seed."""
    if not len(table):
        return nothing_to_draw()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.2))
        axes = figure.subplots()
        kinds = [kind for kind in CURVES if kind in set(table.column("kind"))]
        axes.axhline(THRESHOLD, color=MUTED, lw=0.8, ls=":")
        for kind in kinds:
            chosen = table.where(kind=kind)
            for seed in sorted(set(chosen.column("seed"))):
                line = chosen.where(seed=seed)
                axes.plot(line.column("removed"), line.column("accuracy"), color=CURVES[kind][1], lw=1.4, alpha=0.9)
        height = 1.0
        for kind in kinds:
            name, colour = CURVES[kind]
            axes.text(1.02, height, name, transform=axes.transAxes, color=colour, va="top", size=9)
            height -= 0.1 + 0.065 * name.count("\n")
        left = [k for k, a in zip(table.column("removed"), table.column("accuracy"), strict=True) if a >= OVER]
        axes.set_xlim(0, min(max(table.column("removed")), max(left, default=0) + 5))
        axes.set_ylim(-0.02, 1.03)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
        axes.text(axes.get_xlim()[1], THRESHOLD - 0.015, "95%", color=MUTED, ha="right", va="top", size=LABEL)
        axes.set(xlabel="directions of addition removed", ylabel="validation accuracy of addition")
        return Picture(figure)


@traced
def places(seeds: Table, models: Table) -> Picture:
    """Every placed model on the three axes, a row for each: first those of two operations, the most robust on top.

    Small: a seed. Large: a model's medians, squares where separability is 1 by construction, outlined where no model
    passes it on all three axes. Bar: two random spans in a model of this width.
    """
    placed = sorted(models.where(placed=True).records(), key=lambda m: (m["by_construction"], -m["robustness"]))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 0.9 + 0.24 * max(len(placed), 4)))
        panels = figure.subplots(1, len(AXES), sharey=True)
        for axes, (column, label) in zip(panels, AXES.items(), strict=True):
            for row, model in enumerate(placed):
                mark, colour = "s" if model["by_construction"] else "o", _colour(model)
                if column == "separability" and model["chance_low"] is not None:
                    bar = (model["chance_low"], model["chance_high"] - model["chance_low"])
                    axes.broken_barh([bar], (row - 0.42, 0.84), color=MUTED, alpha=0.25, lw=0)
                known = [value for value in seeds.where(model=model["model"]).column(column) if value is not None]
                axes.plot(known, [row] * len(known), mark, color=colour, alpha=0.45, markersize=3.5, mew=0)
                axes.plot(
                    model[column], row, mark, color=colour, markersize=7, clip_on=False, zorder=4,
                    mec=INK if model["on_front"] else "white", mew=1.4 if model["on_front"] else 0.6,
                )  # fmt: skip
            axes.set_xlabel(label)
            axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        panels[0].set_yticks(range(len(placed)), [model["model"] for model in placed])
        for text, model in zip(panels[0].get_yticklabels(), placed, strict=True):
            text.set(color=_colour(model), size=8.5)
        panels[0].set_ylim(len(placed) - 0.4, -0.6)
        panels[0].tick_params(axis="y", length=0)
        panels[0].set_xlim(right=1.04)
        panels[1].set_xlim(left=0)
        for reference in (model for model in placed if model["model"] == alone(RESISTANT)):
            panels[1].axvline(reference["robustness"], color=_colour(reference), lw=0.9, ls=(0, (4, 3)), zorder=1)
        panels[2].set_xscale("log")
        panels[2].margins(x=0.12)
        _log_ticks(panels[2])
        figure.subplots_adjust(wspace=0.2)
        return Picture(figure)


def _colour(model: Mapping[str, Any]) -> str:
    """The hue of a model: of its decay where it learned one operation, else of its kind."""
    if model["by_construction"]:
        return decay_colour(model["weight_decay"])
    return KIND_COLOURS.get(model["kind"], MUTED)


def _log_ticks(axes: Axes) -> None:
    low, high = axes.get_xlim()
    ticks = [10.0**power for power in range(-5, 2)]
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()
