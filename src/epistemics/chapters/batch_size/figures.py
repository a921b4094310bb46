"""Figures of the chapter on batch size: samples and steps to 95%, and the noise scale along training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    SETTINGS,
    WIDTH,
    Picture,
    decay_colour,
    name_beside,
    nothing_to_draw,
)
from epistemics.analysis.tables import Table, ranked_median

ARM_COLOURS: Mapping[str, str] = {"fixed": BLUE, "in proportion": ORANGE}
ARM_NAMES: Mapping[str, str] = {"fixed": "decay\nfixed", "in proportion": "decay in\nproportion"}
BINS = 5
"""Stretches of training whose noise scales have a median of their own."""
APART = 0.16
"""Least height between two names of two lines beside the axes, as a share of theirs."""


@traced
def samples(table: Table) -> Picture:
    """Samples to the first touch of 95% against batch size, a point for each seed, at fixed and proportional decay."""
    return _against_size(
        table, ("touch_samples", "within_samples", "sample_budget"), list(ARM_COLOURS), "samples to 95%, millions", 1e6
    )


@traced
def steps(table: Table) -> Picture:
    """Steps to the first touch of 95% against batch size at fixed decay, a point for each seed."""
    columns = ("first_touch", "within_steps", "step_budget")
    return _against_size(table.where(decay="fixed"), columns, ["fixed"], "steps to 95%", 1)


def _against_size(table: Table, columns: tuple[str, str, str], arms: Sequence[str], label: str, unit: float) -> Picture:
    """Filled points within the budget, open ones after it, triangles for never; lines join medians.

    What is there before the first step stands at the lower edge.

    Args:
        columns: of the value, of whether it is within the budget, and of the budget.
        arms: to draw, of column ``decay``.
        label: of the axis of values.
        unit: that this axis counts in.
    """
    value, within, budget = columns
    places = sorted(set(table.column("batch_size")))
    (limit,) = set(table.column(budget))
    known = [v for v in table.column(value) if v] + [limit]
    low, high = min(known) / 1.5, max(known) * 1.35
    missed = None in table.column(value)
    never = high * 1.45
    top = high * 1.9 if missed else high
    of_both = _in_every_arm(table, arms)
    names: list[tuple[str, float, str]] = []  # text, height, colour
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.2))
        axes = figure.subplots()
        axes.set_yscale("log")
        axes.set_ylim(low, top)
        for arm, side in zip(arms, (-1, 1), strict=False):
            line = []
            for position, size in enumerate(places):
                records = list(table.where(decay=arm, batch_size=size).records())
                shared = len(arms) > 1 and all(r["run"] in of_both for r in records)
                centre = position + (0 if shared or len(arms) == 1 else 0.13 * side)
                if not shared or arm == arms[0]:
                    colour = INK if shared else ARM_COLOURS[arm]
                    _points(axes, centre, records, (value, within), (low, never), colour)
                median = ranked_median([r[value] if r[within] else None for r in records]) if records else None
                line.append((centre, math.nan if median is None else max(median, low)))
            axes.plot(*zip(*line, strict=True), color=ARM_COLOURS[arm], lw=1.3)
            for centre, median in line:
                axes.plot([centre - 0.1, centre + 0.1], [median] * 2, color=ARM_COLOURS[arm], lw=2.2)
            end = line[-1][1]
            names.append((ARM_NAMES[arm], never if math.isnan(end) else end, ARM_COLOURS[arm]))
        axes.axhline(limit, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        names.append((f"the fixed\n{'total' if len(arms) > 1 else 'number'}", limit, MUTED))
        _name(axes, names if len(arms) > 1 else names[1:])
        ticks = _ticks(low, high)
        never_too = [never] if missed else []
        axes.set_yticks(ticks + never_too, [f"{tick / unit:,.10g}" for tick in ticks] + ["never"] * missed)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xticks(range(len(places)), [f"{size}" for size in places])
        axes.set_xlim(-0.45, len(places) - 0.55)
        axes.grid(visible=False, axis="x")
        axes.set(xlabel="batch size, questions", ylabel=label)
        return Picture(figure)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two bounds, closer together where the bounds are."""
    found: list[float] = []
    for digits in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        found = [digit * 10**power for power in range(1, 9) for digit in digits if low <= digit * 10**power <= high]
        if len(found) > 2:
            break
    return found


def _in_every_arm(table: Table, arms: Sequence[str]) -> set[str]:
    """The runs that stand in every arm."""
    return set.intersection(*(set(table.where(decay=arm).column("run")) for arm in arms))


def _points(
    axes: Axes,
    centre: float,
    records: Sequence[Mapping[str, Any]],
    columns: tuple[str, str],
    edges: tuple[float, float],
    colour: str,
) -> None:
    (value, within), (low, never) = columns, edges
    for index, record in enumerate(records):
        offset = 0.045 * (index - (len(records) - 1) / 2)
        missed = record[value] is None
        axes.plot(
            centre + offset,
            never if missed else max(record[value], low),
            marker="^" if missed else "o",
            markersize=5,
            markeredgecolor=colour,
            markerfacecolor=colour if record[within] else "none",
            linestyle="none",
            alpha=0.85,
        )


def _name(axes: Axes, names: Sequence[tuple[str, float, str]]) -> None:
    """Names beside the axes at their heights on a logarithmic axis, moved up where two would touch."""
    low, high = (math.log(bound) for bound in axes.get_ylim())
    height = -1.0
    for text, value, colour in sorted(names, key=lambda name: name[1]):
        height = max((math.log(value) - low) / (high - low), height + APART)
        name_beside(axes, text, height, colour)


@traced
def noise(table: Table) -> Picture:
    """The noise scale at every measured moment; large points are at grokking steps, bars medians of some moments."""
    if not len(table):
        return nothing_to_draw()
    decays = sorted(set(table.column("weight_decay")), reverse=True)
    batches = sorted(set(table.column("batch_size")))
    known = [v for v in table.column("noise_scale") if v] + batches
    low, high = min(known) / 1.6, max(known) * 1.6
    beyond, nothing = high * 1.5, low / 1.5
    unseen, none = None in table.column("noise_scale"), 0 in table.column("noise_scale")
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.2))
        panels = figure.subplots(1, len(decays), sharey=True, squeeze=False)[0]
        for axes, decay in zip(panels, decays, strict=True):
            colour, chosen = decay_colour(decay), table.where(weight_decay=decay)
            axes.set_yscale("log")
            axes.set_ylim(nothing / 1.4 if none else low, beyond * 1.4 if unseen else high)
            for batch in set(chosen.column("batch_size")):
                axes.axhline(batch, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
            for record in chosen.records():
                scale, grokked = record["noise_scale"], record["phase"] == "at"
                axes.plot(
                    record["step"],
                    _height(scale, beyond, nothing),
                    marker="^" if scale is None else "o" if scale else "v",
                    markersize=6 if grokked else 3.5 if scale else 5,
                    markeredgecolor=INK if grokked else colour,
                    markerfacecolor=colour if scale else "none",
                    alpha=1 if grokked else 0.4,
                    linestyle="none",
                    zorder=3 if grokked else 2,
                )
            for start, end, median in _binned(list(chosen.records())):
                height = _height(median, beyond, nothing)
                axes.plot([start, end], [height] * 2, color=colour, lw=2.4, solid_capstyle="butt", zorder=4)
            axes.set_title(f"weight decay {decay:g}", color=colour)
            axes.set_xlim(0, 1.04 * max(chosen.column("step")))
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1000:g}k" if v else "0"))
            axes.set_xlabel("step")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.10g}"))
        panels[0].set_ylabel("noise scale, questions")
        edges = [(beyond, "beyond\nmeasure")] * unseen + [(nothing, "no noise\nseen")] * none
        sizes = [(batch, f"batch size\n{batch}") for batch in batches]
        named = [*sizes, (low * 1.3, "large: at the\ngrokking step"), *edges]
        _name(panels[-1], [(text, height, MUTED) for height, text in named])
        figure.subplots_adjust(wspace=0.1)
        return Picture(figure)


def _binned(records: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, float | None]]:
    """First step, last step and median noise scale of stretches of training with about as many moments each."""
    steps = sorted({record["step"] for record in records})
    count = max(1, min(BINS, len(steps) // 2))
    edges = [steps[round(place * len(steps) / count)] for place in range(count)] + [steps[-1] + 1]
    found = []
    for start, end in pairwise(edges):
        scales = [record["noise_scale"] for record in records if start <= record["step"] < end]
        found.append((start, end, ranked_median(scales)))
    return found


def _height(scale: float | None, beyond: float, nothing: float) -> float:
    """Where a noise scale is drawn; the infinite and the zero ones have places at the edges."""
    return beyond if scale is None else scale or nothing
