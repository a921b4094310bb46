"""Figures of Phase 1.2: abliteration curves, and how the measures move along training."""

from __future__ import annotations

from itertools import product
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from epistemics.analysis.interactive import Lines, Series
from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import MUTED, SETTINGS, WIDTH, Picture, decay_colour, median_of, nothing_to_draw
from epistemics.analysis.tables import Table
from epistemics.chapters.phase_1_2.measured import CALM


@traced
def abliteration_curves(table: Table) -> Picture:
    """Accuracy against directions removed about the mean, a line for each seed; grey: random directions."""
    table = _understood(table)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.4))
        axes = figure.subplots()
        decays = sorted(set(table.column("weight_decay")))
        for decay in decays:
            _lines(axes, table.where(weight_decay=decay, curve="random_about_mean"), MUTED, 0.35, 0.8)
            _lines(axes, table.where(weight_decay=decay, curve="about_mean"), decay_colour(decay), 0.9, 1.5)
        _name_decays(axes, sorted(decays, key=lambda d: -_half_way(table.where(weight_decay=d, curve="about_mean"))))
        longest = max(table.column("removed"))
        axes.text(longest * 0.7, 1.015, "random directions", color=MUTED, ha="center", va="bottom", size=8)
        _accuracy_axes(axes, longest)
        axes.set_xlabel("directions removed")
        return Picture(figure)


def abliteration_lines(table: Table) -> Lines:
    """The same lines to be moved, random directions in a panel of their own."""
    decays = sorted(set(table.column("weight_decay")))
    return Lines(
        table=table,
        x="removed",
        y="accuracy",
        panel="curve",
        series="weight_decay",
        panels={"about_mean": "strongest directions", "random_about_mean": "random directions"},
        named={decay: Series(f"decay {decay:g}", decay_colour(decay)) for decay in decays},
        x_label="directions removed",
        y_label="validation accuracy",
        start=10,
        note="Every model, those below 99% too. Random directions, grey in the printed figure, have their model's hue.",
    )


@traced
def mean_and_zero(table: Table) -> Picture:
    """The same curves cut about the mean and about zero, side by side."""
    table = _understood(table)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 2.9))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, curve, title in zip(
            panels, ("about_mean", "about_zero"), ("cut about the mean", "cut about zero"), strict=True
        ):
            for decay in sorted(set(table.column("weight_decay"))):
                _lines(axes, table.where(weight_decay=decay, curve=curve), decay_colour(decay), 0.9, 1.4)
            _accuracy_axes(axes, max(table.where(curve=curve).column("removed")))
            axes.set_title(title)
            axes.set_xlabel("directions removed")
        panels[1].set_ylabel("")
        _name_decays(panels[1], sorted(set(table.column("weight_decay"))))
        figure.subplots_adjust(wspace=0.08)
        return Picture(figure)


@traced
def resistance_along_training(table: Table) -> Picture:
    """k@95% at every moment measured from the grokking step on, a line for each seed."""
    return _along(table, "k_at_95", "k@95%, directions")


@traced
def rank_along_training(table: Table) -> Picture:
    """rank99 at every measured moment, a line for each seed."""
    return _along(table, "rank99", "rank99")


@traced
def validation_curves(table: Table) -> Picture:
    """Validation accuracy along training, a line for each seed, one panel for each weight decay."""
    decays = sorted(set(table.column("weight_decay")))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 1.25 * len(decays)))
        panels = figure.subplots(len(decays), 1, sharey=True, squeeze=False)[:, 0]
        for axes, decay in zip(panels, decays, strict=True):
            chosen = table.where(weight_decay=decay)
            for seed in sorted(set(chosen.column("seed"))):
                one = chosen.where(seed=seed)
                axes.plot(one.column("step"), one.column("validation_accuracy"), color=decay_colour(decay), lw=0.9)
            axes.set_xlim(0, max(chosen.column("step")))
            axes.set_ylim(-0.03, 1.03)
            axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
            axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
            axes.text(1.01, 0.5, f"decay\n{decay:g}", transform=axes.transAxes, color=decay_colour(decay), va="center")
        panels[-1].set_xlabel("step (each panel has its own length)")
        figure.supylabel("validation accuracy", size=9.5, x=0.0)
        figure.subplots_adjust(hspace=0.45)
        return Picture(figure)


@traced
def planes(table: Table) -> Picture:
    """Class means in the planes of directions 1 and 2, and 3 and 4: a row for each decay, two panels for each seed.

    The line goes from each answer to the one that a frequency f puts next to it on a circle, the answer larger by
    1/f modulo p; so a clean circle is a clean Fourier component.
    """
    decays, seeds = sorted(set(table.column("weight_decay"))), sorted(set(table.column("seed")))
    if not len(table):
        return nothing_to_draw()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 1.3 * len(decays) + 0.3))
        grid = figure.subplots(len(decays), 2 * len(seeds), squeeze=False)
        for row, decay in zip(grid, decays, strict=True):
            colour = decay_colour(decay)
            for axes, (seed, plane) in zip(row, product(seeds, (1, 2)), strict=True):
                if len(chosen := table.where(weight_decay=decay, seed=seed, plane=plane)):
                    _draw_plane(axes, chosen, colour)
                else:
                    axes.axis("off")
            _say(row[0], f"decay\n{decay:g}", (0, 0.5), (-6, 0), ha="right", va="center", color=colour)
        for axes, (seed, plane) in zip(grid[0], product(seeds, (1, 2)), strict=True):
            _say(axes, f"{2 * plane - 1} and {2 * plane}", (0.5, 1), (0, 3), ha="center", color=MUTED, size=8)
            if plane == 1:
                _say(axes, f"seed {seed}", (1.05, 1), (0, 16), ha="center", size=9)
        figure.subplots_adjust(wspace=0.1, hspace=0.3)
        return Picture(figure)


def _say(axes: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], **look: Any) -> None:
    """A text at a share of the axes' width and height, moved by an offset in points."""
    axes.annotate(text, at, offset, xycoords="axes fraction", textcoords="offset points", **look)


def _draw_plane(axes: Axes, table: Table, colour: str) -> None:
    """The answers of one plane, each joined to the next in the order of its frequency, which is written below."""
    x, y, frequency = table.column("x"), table.column("y"), table.column("frequency")[0]
    neighbour = pow(frequency, -1, len(table))
    order = [neighbour * step % len(table) for step in range(len(table) + 1)]
    axes.plot([x[i] for i in order], [y[i] for i in order], color=colour, lw=0.4, alpha=0.5)
    axes.plot(x, y, "o", color=colour, markersize=1.8)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"f = {frequency}", size=8, color=MUTED, labelpad=2)


def _along(table: Table, column: str, label: str) -> Picture:
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.0))
        axes = figure.subplots()
        ends: list[tuple[float, float, float]] = []  # value, step, decay
        points: dict[float, list[tuple[float, float]]] = {}
        for decay in sorted(set(table.column("weight_decay"))):
            lines = []
            for seed in sorted(set(table.where(weight_decay=decay).column("seed"))):
                records = table.where(weight_decay=decay, seed=seed).records()
                lines.append([(r["step"], r[column]) for r in records if r[column] is not None])
            median_of(axes, lines, decay_colour(decay))
            points[decay] = sorted(point for line in lines for point in line)
            if present := [line[-1] for line in lines if line]:
                step, value = max(present)
                ends.append((value, step, decay))
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        ticks = [t for t in (100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000) if low <= t <= high]
        axes.set_xticks(ticks, [f"{t:,}" for t in ticks])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        height = -1.0
        apart = 0.055 * axes.get_ylim()[1]
        # Labels stand at the lines' ends, moved up where two would touch; over a start where others run past the end.
        for value, step, decay in sorted(ends):
            others = [point for other in points if other != decay for point in points[other]]
            first, start = points[decay][0]
            over = (first, start + 0.8 * apart)
            if _taken((step, value), others, apart) and not _taken(over, others, apart):
                axes.text(*over, f"{decay:g}", color=decay_colour(decay), va="center")
                continue
            height = max(value, height + apart)
            axes.text(step * 1.06, height, f"{decay:g}", color=decay_colour(decay), va="center", clip_on=False)
        axes.set(xlabel="step", ylabel=label)
        axes.set_title("labels: weight decay", color=MUTED, weight="normal", size=8)
        return Picture(figure)


def _taken(place: tuple[float, float], points: list[tuple[float, float]], tall: float) -> bool:
    """Whether some of the points lie where a label so tall would that starts here."""
    return any(place[0] <= x < 1.3 * place[0] and abs(y - place[1]) < tall / 2 for x, y in points)


def _lines(axes: Axes, table: Table, colour: str, alpha: float, width: float) -> None:
    for seed in sorted(set(table.column("seed"))):
        one = table.where(seed=seed)
        axes.plot(one.column("removed"), one.column("accuracy"), color=colour, alpha=alpha, lw=width)


def _understood(table: Table) -> Table:
    """The curves of models that start at 99% or more; all where there is none, as in models trained for seconds."""
    whole = {(r["weight_decay"], r["seed"]) for r in table.records() if r["removed"] == 0 and r["accuracy"] >= CALM}
    rows = [tuple(r.values()) for r in table.records() if (r["weight_decay"], r["seed"]) in whole]
    return Table(table.columns, tuple(rows)) if rows else table


def _half_way(table: Table) -> int:
    """The most directions removed with at least half of the first accuracy left, over seeds."""
    kept = [0]
    for seed in sorted(set(table.column("seed"))):
        one = table.where(seed=seed)
        start = one.column("accuracy")[0]
        kept += [k for k, a in zip(one.column("removed"), one.column("accuracy"), strict=True) if a >= start / 2]
    return max(kept)


def _name_decays(axes: Axes, decays: list[float]) -> None:
    """The decays beside the axes, each in its own colour."""
    axes.text(1.02, 1.0, "weight decay", transform=axes.transAxes, color=MUTED, va="top", size=8.5)
    for line, decay in enumerate(decays, start=1):
        height = 1.0 - 0.085 * line
        axes.text(1.02, height, f"{decay:g}", transform=axes.transAxes, color=decay_colour(decay), va="top")


def _accuracy_axes(axes: Axes, longest: int) -> None:
    axes.set_xlim(0, longest)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("validation accuracy")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
