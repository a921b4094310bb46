"""Figures of log entry 5: one tape used twice, machines that shrink or grow, and tapes that are kept or lost."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, RED, SETTINGS, WIDTH, Picture
from epistemics.analysis.tables import Table

USES: Mapping[str, tuple[str, str]] = {
    "interpreted": ("A interprets Φ:\nit makes what\nis described", BLUE),
    "copied": ("B copies Φ:\nit writes what\nis there", RED),
}
SIZE_LABELS: Mapping[str, tuple[str, str, tuple[float, float]]] = {
    "Φ(D) longer by a symbol each time": ("Φ(D) grows by a\nsymbol each time", GREEN, (5.12, 39)),
    "A + B + C + D and Φ of them": ("A + B + C + D\nand Φ of them", BLUE, (5.12, 29)),
    "Φ(A) changed once, to rxj": ("Φ(A) changed once", PURPLE, (2.55, 11)),
    "C without the use of B": ("B not used", RED, (0.3, 5.2)),
}
"""Case of the table → what its line is called, its hue, and where the name stands."""
GROWTH_COLOURS: Mapping[str, str] = {"improving": GREEN, "long": BLUE, "short": ORANGE, "collapses": RED}


@traced
def trace(table: Table) -> Picture:
    """Which symbol of the tape is in hand when something is joined to the offspring, and as what it is joined."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.9))
        axes = figure.subplots()
        first = table.where(use="interpreted")
        tape = dict(zip(first.column("position"), first.column("symbol"), strict=True))
        start = 0
        for index, name in enumerate("ABCD"):
            end = next((p for p in range(start, len(tape)) if tape[p] == "."), len(tape))
            axes.axhspan(start - 0.5, end - 0.5, color=MUTED, alpha=0.10 if index % 2 == 0 else 0.04, lw=0)
            axes.text(-20, (start + end - 1) / 2, f"Φ({name})", color=MUTED, va="center", ha="left", size=9)
            start = end + 1
        for use, (name, colour) in USES.items():
            own = table.where(use=use)
            axes.text(min(own.column("turn")) + 15, 1, name, color=colour, va="center", size=9)
            for record in own.records():
                axes.text(
                    record["turn"],
                    record["position"],
                    "·" if record["joined"] == "." else record["joined"],
                    color=colour,
                    ha="center",
                    va="center",
                    size=11,
                    weight="bold",
                )
        axes.set_xlim(-21, max(table.column("turn")) + 4)
        axes.set_ylim(len(tape) - 0.5, -0.5)
        axes.set_yticks(list(tape), ["·" if symbol == "." else symbol for symbol in tape.values()])
        axes.set_xticks(range(0, max(table.column("turn")) + 1, 20))
        axes.grid(visible=False)
        axes.set(xlabel="turns since the machine began", ylabel="the machine's tape Φ")
        return Picture(figure)


@traced
def sizes(table: Table) -> Picture:
    """Size of a machine and of its descendants; 0 where there is none."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.3))
        axes = figure.subplots()
        last = max(table.column("generation"))
        for case, (name, colour, place) in SIZE_LABELS.items():
            own = table.where(case=case)
            axes.plot(own.column("generation"), own.column("size"), color=colour, marker="o", markersize=4)
            axes.text(*place, name, color=colour, va="center", size=9)
        axes.set_xlim(-0.1, last + 0.1)
        axes.set_ylim(bottom=0)
        axes.set(xlabel="generation", ylabel="elements and symbols")
        return Picture(figure)


@traced
def thresholds(table: Table) -> Picture:
    """The highest error rate at which a tape was kept, a point for each length and seed, and Eigen's line."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.3))
        axes = figure.subplots()
        lengths, expected = table.column("length"), table.column("expected")
        line = sorted(set(zip(lengths, expected, strict=True)))
        axes.plot(*zip(*line, strict=True), color=INK, lw=1.2)
        axes.scatter(lengths, table.column("error_rate"), color=BLUE, s=16, alpha=0.7, lw=0)
        axes.set(xscale="log", yscale="log", xlabel="symbols of a tape, L", ylabel="errors for each symbol, 1 − q")
        axes.set_xlim(line[0][0] / 1.1, line[-1][0] * 1.1)
        axes.set_ylim(line[-1][1] / 2.2, line[0][1] * 1.7)
        middle = len(line) // 2
        axes.annotate(r"$\sigma\,q^{L} = 1$", line[1], (12, 10), textcoords="offset points", color=INK, size=11)
        axes.text(0.97, 0.9, "the tape is lost", transform=axes.transAxes, color=RED, ha="right", size=10)
        axes.text(0.03, 0.08, "the tape is kept", transform=axes.transAxes, color=GREEN, size=10)
        axes.annotate(
            "simulated",
            (line[middle][0], table.where(length=line[middle][0]).column("error_rate")[0]),
            (-14, -16),
            textcoords="offset points",
            color=BLUE,
            ha="right",
            size=9,
        )
        axes.set_xticks([length for length, _ in line], [str(length) for length, _ in line])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda v, _: f"{v:.0%}" if round(100 * v) in (2, 5, 20) else ""))
        return Picture(figure)


@traced
def growth(table: Table, ceilings: Mapping[str, float]) -> Picture:
    """Paid symbols of the fittest tape along generations, a line for each seed.

    Args:
        ceilings: setting → the length at which w^a q^w is largest, drawn as a dashed line.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.6))
        axes = figure.subplots()
        last = max(table.column("generation"))
        for setting, colour in GROWTH_COLOURS.items():
            own = table.where(setting=setting)
            for seed in sorted(set(own.column("seed"))):
                of_seed = own.where(seed=seed)
                axes.plot(of_seed.column("generation"), of_seed.column("length"), color=colour, lw=1.0, alpha=0.85)
            if setting in ceilings:
                axes.axhline(ceilings[setting], color=colour, lw=1.0, ls="--")
            end = float(np.median(own.where(generation=last).column("length")))
            rate = own.column("error_rate")[0]
            name = {"improving": f"{rate:.0%} at first,\nlower as the tape\nimproves its copier"}.get(
                setting, f"{rate:.0%} errors"
            )
            axes.text(last * 1.02, max(end, 4), name, color=colour, va="center", size=9)
        axes.set_xlim(0, last)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        axes.set(xlabel="generation", ylabel="symbols that are paid for")
        return Picture(figure)
