"""Figures of log entry 6: how a compute is best divided, how flat that optimum is, and what a batch trades."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogFormatterMathtext, LogLocator, NullLocator

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, GREEN, INK, MUTED, ORANGE, SETTINGS, WIDTH, Picture, name_beside
from epistemics.analysis.tables import Table
from epistemics.chapters.scaling_laws.chapter import CHINCHILLA, REPLICATION, RULE_OF_THUMB, counted

LAW_COLOURS: Mapping[str, str] = {"Kaplan": ORANGE, "Chinchilla fit": BLUE, "replication": GREEN}
FIT_COLOURS: Mapping[str, str] = {CHINCHILLA.name: BLUE, REPLICATION.name: GREEN}
Place = tuple[float, float, Literal["left", "right"]]
NAMES: Mapping[str, Mapping[str, Place]] = {
    "tokens_per_parameter": {"GPT-3": (-2, 10, "left"), "Gopher": (8, -5, "left"), "Chinchilla": (-4, 9, "right")},
    "parameters": {"GPT-3": (-38, 30, "right"), "Gopher": (9, 3, "left"), "Chinchilla": (16, -27, "left")},
    "tokens": {"GPT-3": (-22, -36, "right"), "Gopher": (16, -36, "left"), "Chinchilla": (-30, 28, "right")},
}
"""Column → model → where its name stands: its offset from the point in points, and the side of it that is there."""


@traced
def tokens_per_parameter(allocations: Table, models: Table) -> Picture:
    """Optimal tokens a parameter against compute under each law, and three models as trained."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.6))
        axes = figure.subplots()
        _laws(axes, allocations, models, "tokens_per_parameter")
        axes.axhline(RULE_OF_THUMB, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"dashed: {RULE_OF_THUMB}", (8e25, RULE_OF_THUMB), (0, -12), textcoords="offset points",
            va="top", ha="right", color=MUTED, size=9,
        )  # fmt: skip
        axes.yaxis.set_major_locator(FixedLocator([0.1, 1, 10, 100]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.set(xlabel="compute, FLOP", ylabel="tokens a parameter")
        return Picture(figure)


@traced
def allocation(allocations: Table, models: Table) -> Picture:
    """Optimal parameters and tokens against compute under each law, and three models as trained."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 5.6))
        panels = figure.subplots(2, 1, sharex=True)
        for axes, column in zip(panels, ("parameters", "tokens"), strict=True):
            _laws(axes, allocations, models, column)
            axes.yaxis.set_major_locator(LogLocator(numticks=5))
            axes.set_ylabel(column)
        panels[1].set_xlabel("compute, FLOP")
        figure.subplots_adjust(hspace=0.12)
        return Picture(figure)


def _laws(axes: Axes, allocations: Table, models: Table, column: str) -> None:
    """A line for each law, named at its right end, and a point for each model."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends = []
    for law, colour in LAW_COLOURS.items():
        line = allocations.where(name=law)
        axes.plot(line.column("compute"), line.column(column), color=colour)
        ends.append((line.column(column)[-1], law, colour))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    heights = _apart([math.log(value / low) / math.log(high / low) for value, _, _ in sorted(ends)], 0.075)
    for height, (_, law, colour) in zip(heights, sorted(ends), strict=True):
        name_beside(axes, law, height, colour)
    for model in models.records():
        right, up, side = NAMES[column][model["name"]]
        axes.plot(model["compute"], model[column], "o", color=INK, markersize=4.5, zorder=5)
        axes.annotate(
            model["name"], (model["compute"], model[column]), (right, up), textcoords="offset points", size=9,
            color=INK, ha=side, va="center",
            arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.6} if abs(up) > 20 else None,
        )  # fmt: skip
    axes.set_xlim(1e18, 1e26)
    axes.xaxis.set_major_locator(FixedLocator([10.0**power for power in range(18, 27, 2)]))
    axes.xaxis.set_major_formatter(LogFormatterMathtext())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())


def _apart(heights: list[float], least: float) -> list[float]:
    """Rising heights, moved up so far that neighbours are at least so much apart."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + least) if moved else height)
    return moved


@traced
def at_one_compute(table: Table) -> Picture:
    """Loss above the least against parameters at one compute, for two fits of one form."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.1))
        axes = figure.subplots()
        axes.set_xscale("log")
        top = 0.1
        for height, (law, colour) in zip((0.97, 0.87), FIT_COLOURS.items(), strict=True):
            line = table.where(law=law)
            axes.plot(line.column("parameters"), line.column("above_least"), color=colour)
            least = min(line.records(), key=lambda record: record["above_least"])
            axes.plot(least["parameters"], 0, "o", color=colour, markersize=5, clip_on=False, zorder=5)
            name = f"{law}: least at {counted(least['parameters'])}"
            axes.text(0.5, height, name, transform=axes.transAxes, color=colour, ha="center", va="top", size=9)
        shown = [record["parameters"] for record in table.records() if record["above_least"] < top]
        axes.set_xlim(min(shown), max(shown))
        axes.set_ylim(0, top)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="parameters", ylabel="loss above the least,\nnats a token")
        return Picture(figure)


@traced
def trade_off(table: Table) -> Picture:
    """Samples against steps to the same loss, over the least of each; a point for each batch size."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.6))
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.plot(table.column("steps_over_least"), table.column("samples_over_least"), "-o", color=BLUE, markersize=4)
        for row in table.records():
            batch = row["batch_over_critical"]
            if batch in (1 / 32, 1 / 8, 1 / 2, 1, 2, 8, 32):
                name = f"{batch:g}" if batch >= 1 else f"1/{1 / batch:g}"
                text = "batch = critical" if batch == 1 else f"{name}" + (" of the critical" if batch == 1 / 32 else "")
                axes.annotate(
                    text, (row["steps_over_least"], row["samples_over_least"]), (6, 6), textcoords="offset points",
                    size=9, color=INK if batch == 1 else MUTED, ha="right" if batch == 1 / 32 else "left",
                )  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 33]))
            axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            axis.set_minor_locator(NullLocator())
        axes.set_xlim(0.95, 42)
        axes.set_ylim(0.95, 42)
        axes.set(xlabel="steps, over the least", ylabel="samples, over the least")
        return Picture(figure)
