"""Figures of what can be predicted of three bodies: how an error grows, and what digits buy."""

from __future__ import annotations

import math

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, GREEN, MUTED, ORANGE, SETTINGS, WIDTH, Picture
from epistemics.analysis.tables import Table

SYSTEM_COLOURS = {"triple": BLUE, "triangle": GREEN}


@traced
def growth(table: Table, lost: float) -> Picture:
    """Distance from where the triple should be against time, on a logarithmic axis, for several errors at the start.

    Args:
        lost: the distance at which a prediction has failed.
    """
    chosen = table.where(system="triple", rounded="start")
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.2))
        axes = figure.subplots()
        axes.set_yscale("log")
        digits = sorted(set(chosen.column("digits")))
        for count, colour in zip(digits, (ORANGE, GREEN, BLUE), strict=False):
            curve = chosen.where(digits=count)
            axes.plot(curve.column("time"), curve.column("distance"), color=colour, lw=1.3)
            end, height = curve.column("time")[-1], curve.column("distance")[-1]
            axes.plot(end, height, "o", color=colour, markersize=5)
            axes.annotate(
                f"error of\n$10^{{-{count}}}$", (end, height), (-4, 9), textcoords="offset points", color=colour,
                ha="center", va="bottom", size=8.5, annotation_clip=False,
            )  # fmt: skip
        axes.axhline(lost, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        axes.text(0.3, lost * 1.6, "lost", color=MUTED, size=8.5)
        axes.set_xlim(0, 1.06 * max(chosen.column("time")))
        axes.set_ylim(10.0 ** -(max(digits) + 0.7), 60)
        axes.yaxis.set_major_locator(FixedLocator([10.0**-k for k in range(0, max(digits) + 1, 2)]))
        axes.set(xlabel="time", ylabel="distance from the true place")
        return Picture(figure)


@traced
def horizons(table: Table, known: float) -> Picture:
    """Time until a prediction is lost against digits, of the start and of the arithmetic, for both systems.

    Args:
        known: the time that one digit buys for the triangle, from the rate at which it is known to fall apart.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.2))
        axes = figure.subplots()
        for system, colour in SYSTEM_COLOURS.items():
            for rounded, filled in (("start", colour), ("arithmetic", "none")):
                own = table.where(system=system, rounded=rounded)
                axes.plot(
                    own.column("digits"), own.column("horizon"), "o" if rounded == "start" else "s",
                    markersize=6, markeredgecolor=colour, markerfacecolor=filled, linestyle="none",
                )  # fmt: skip
        triple = table.where(system="triple", rounded="start")
        axes.plot(triple.column("digits"), triple.column("horizon"), color=BLUE, lw=1.1)
        of_triangle = table.where(system="triangle")
        last, end = of_triangle.column("digits")[-1], of_triangle.column("horizon")[-1]
        axes.plot([0, last], [end - known * last, end], color=GREEN, lw=1.1)
        axes.set_xlim(0, last + 1)
        axes.set_ylim(0, 1.08 * max(table.column("horizon")))
        words = "chaotic triple\nfilled: error at the start\nopen: digits of arithmetic"
        _say(axes, words, (max(triple.column("digits")), max(triple.column("horizon"))), (10, -10), BLUE)
        slope = f"Lagrange's triangle\nline: the known {known:.2f} a digit"
        _say(axes, slope, (0.66 * last, end - known * 0.34 * last), (10, -14), GREEN)
        axes.set(xlabel="digits", ylabel="time until it is lost")
        axes.set_xticks(range(0, math.ceil(last) + 1, 4))
        return Picture(figure)


def _say(axes: mpl.axes.Axes, text: str, at: tuple[float, float], offset: tuple[float, float], colour: str) -> None:
    axes.annotate(text, at, offset, textcoords="offset points", color=colour, va="center", size=8.5)
