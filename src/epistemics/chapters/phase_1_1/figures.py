"""Figures of Phase 1.1: learning curves and what moves the grokking step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from epistemics.analysis.interactive import Lines, Series
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
    nothing_to_draw,
)
from epistemics.analysis.tables import Table, ranked_median, table_of


@traced
def learning_curves(table: Table) -> Picture:
    """Training and validation accuracy along training of one run: decay 1, its first seed."""
    one = table.where(weight_decay=1.0)
    if not len(one):
        return nothing_to_draw()
    table = one.where(seed=min(one.column("seed")))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 2.7))
        axes = figure.subplots()
        steps = table.column("step")
        for name, colour in (("training", ORANGE), ("validation", BLUE)):
            axes.plot(steps, table.column(name), color=colour)
        memorised = next((s for s, a in zip(steps, table.column("training"), strict=True) if a > 0.99), steps[-1])
        understood = next((s for s, a in zip(steps, table.column("validation"), strict=True) if a > 0.5), steps[-1])
        axes.annotate(
            "training", (memorised, 1.0), (4, 6), textcoords="offset points", color=ORANGE, annotation_clip=False
        )
        axes.annotate("validation", (understood, 0.5), (-8, -3), textcoords="offset points", color=BLUE, ha="right")
        axes.set(xlabel="step", ylabel="accuracy", ylim=(-0.02, 1.02), xlim=(0, steps[-1]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        return Picture(figure)


def learning_lines(table: Table) -> Lines:
    """The same of every run of the sweep of weight decay, to be moved."""
    panels = {"training": "training questions", "validation": "held-out questions"}
    decays = sorted(set(table.column("weight_decay")))
    return Lines(
        table=table_of(
            [
                {
                    "weight_decay": record["weight_decay"],
                    "seed": record["seed"],
                    "step": record["step"],
                    "questions": name,
                    "accuracy": record[name],
                }
                for record in table.records()
                for name in panels
            ]
        ),
        x="step",
        y="accuracy",
        panel="questions",
        series="weight_decay",
        panels=panels,
        named={decay: Series(f"decay {decay:g}", decay_colour(decay)) for decay in decays},
        x_label="steps",
        y_label="accuracy",
        start=2000,
        note="Every run of the sweep of weight decay, from step 100 on; the printed figure has one, at decay 1.",
        logarithmic=True,
    )


@traced
def weight_decay(table: Table) -> Picture:
    """Steps to grok against weight decay, a point for each seed."""
    return _sweep(
        table.where(sweep="weight decay"),
        lambda record: f"{record['weight_decay']:g}",
        lambda record: record["weight_decay"],
        "weight decay",
        lambda record: decay_colour(record["weight_decay"]),
    )


@traced
def train_fraction(table: Table) -> Picture:
    """Steps to grok against the share of questions trained on, a point for each seed."""
    return _sweep(
        table.where(sweep="train fraction"),
        lambda record: f"{record['train_fraction']:g}",
        lambda record: record["train_fraction"],
        "share of the questions in the training set",
        lambda _: BLUE,
    )


@traced
def size(table: Table) -> Picture:
    """Steps to grok against layers and width, a point for each seed."""
    return _sweep(
        table.where(sweep="size"),
        lambda record: f"{record['layers']}L\nd{record['d_model']}",
        lambda record: (record["layers"], record["d_model"]),
        "layers and width",
        lambda _: BLUE,
    )


def _sweep(
    table: Table,
    label: Callable[[dict[str, Any]], str],
    place: Callable[[dict[str, Any]], Any],
    axis: str,
    colour: Callable[[dict[str, Any]], str],
) -> Picture:
    """Filled points: the grokking step; open ones: the first touch; a bar at the median; a band for "never".

    What is there before the first step stands at the lower edge.
    """
    if not len(table):
        return nothing_to_draw()
    places = sorted({place(record) for record in table.records()})
    known = [s for name in ("grokking_step", "first_touch") for s in table.column(name) if s]
    lowest, highest = (min(known), max(known)) if known else (100, 1000)
    edge = lowest / 1.6
    never = highest * 2.2
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.0))
        axes = figure.subplots()
        missed = False
        for position, value in enumerate(places):
            records = [record for record in table.records() if place(record) == value]
            for offset, record in zip(_spread_out(len(records)), records, strict=True):
                for name, shift in (("first_touch", -0.13), ("grokking_step", 0.13)):
                    step = record[name]
                    missed |= step is None
                    axes.plot(
                        position + shift + offset,
                        never if step is None else max(step, edge),
                        marker="o" if step is not None else "^",
                        markersize=5,
                        markeredgecolor=colour(record),
                        markerfacecolor="none" if name == "first_touch" else colour(record),
                        linestyle="none",
                        alpha=0.9,
                    )
            for name, shift in (("first_touch", -0.13), ("grokking_step", 0.13)):
                median = ranked_median([record[name] for record in records])
                if median is not None:
                    ends = [position + shift - 0.1, position + shift + 0.1]
                    axes.plot(ends, [max(median, edge)] * 2, color=INK, linewidth=1.2)
        _log_steps(axes, edge, never * 1.35 if missed else highest * 1.6)
        if missed:
            axes.axhline(never / 1.4, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
            axes.text(len(places) - 0.45, never, "never", color=MUTED, va="center", ha="left", fontsize=8)
        axes.set_xticks(range(len(places)), [_first_label(table, place, label, value) for value in places])
        axes.set_xlim(-0.5, len(places) - 0.5)
        axes.set_xlabel(axis)
        axes.grid(visible=False, axis="x")
        axes.set_title("○ first touch of 95%    ● grokking step    — median", color=MUTED, weight="normal", size=8)
        return Picture(figure)


def _first_label(
    table: Table, place: Callable[[dict[str, Any]], Any], label: Callable[[dict[str, Any]], str], value: Any
) -> str:
    return next(label(record) for record in table.records() if place(record) == value)


def _spread_out(count: int) -> Sequence[float]:
    """Small offsets, so that seeds with equal values stay apart."""
    return [0.035 * (index - (count - 1) / 2) for index in range(count)]


def _log_steps(axes: Axes, low: float, high: float) -> None:
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks = [t for t in (100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000) if low <= t <= high / 2]
    axes.set_yticks(ticks, [f"{t:,}" for t in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("steps to 95% validation accuracy")
