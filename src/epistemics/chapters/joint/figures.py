"""Figures of A.6: two operations in one model, cut along each one's directions, and how much these share."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from epistemics.analysis.interactive import Lines, Series
from epistemics.analysis.provenance_line import traced
from epistemics.analysis.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    RED,
    SETTINGS,
    WIDTH,
    Picture,
    median_of,
    name_beside,
    nothing_to_draw,
)
from epistemics.analysis.tables import Table, table_of
from epistemics.chapters.joint.measured import ADVERSARIAL, BASELINE, CAPACITY, PENALTY

OPERATION_COLOURS: Mapping[str, str] = {"add": BLUE, "mul": ORANGE}
OPERATION_NAMES: Mapping[str, str] = {"add": "addition", "mul": "multiplication"}
KIND_COLOURS: Mapping[str, str] = {BASELINE: GREEN, CAPACITY: PURPLE, ADVERSARIAL: RED, PENALTY: RED}
"""Kind of a model → its colour; other kinds are grey."""


@traced
def abliteration(table: Table) -> Picture:
    """Accuracy of the baseline's operations against directions removed, a panel for each operation's directions."""
    chosen = table.where(kind=BASELINE)
    if not len(chosen):
        return nothing_to_draw()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.1))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, operation in zip(panels, OPERATION_NAMES, strict=True):
            own = chosen.where(directions_of=operation)
            _lines(axes, own.where(curve="random_about_mean"), MUTED, 0.7, 0.8, "-")
            for measured, colour in OPERATION_COLOURS.items():
                curve = "about_mean" if measured == operation else "others_about_mean"
                _lines(axes, own.where(measured=measured, curve=curve), colour, 0.9, 1.5, "-")
            # Last, for they all but lie on the operation's own.
            _lines(axes, own.where(curve="principal_about_mean"), INK, 1.0, 1.2, ":")
            axes.set_title(f"directions of {OPERATION_NAMES[operation]}", color=OPERATION_COLOURS[operation])
            axes.set_xlim(0, max(own.where(curve="about_mean").column("removed")))
            axes.set_ylim(-0.02, 1.03)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
            axes.set_xlabel("directions removed")
        panels[0].set_ylabel("validation accuracy")
        _name(
            panels[1],
            [(OPERATION_NAMES[operation], colour) for operation, colour in OPERATION_COLOURS.items()]
            + [("random\ndirections", MUTED), ("dotted: of most\nvariance", INK)],
            2.3,
        )
        figure.subplots_adjust(wspace=0.08)
        return Picture(figure)


def abliteration_lines(table: Table) -> Lines:
    """The same lines to be moved."""
    named = {
        **{operation: Series(name, OPERATION_COLOURS[operation]) for operation, name in OPERATION_NAMES.items()},
        "random_about_mean": Series("random directions", MUTED),
        "principal_about_mean": Series("those of most variance", MUTED, dashed=True),
    }
    return Lines(
        table=table_of(
            [
                {**record, "line": record["curve"] if record["curve"] in named else record["measured"]}
                for record in table.where(kind=BASELINE).records()
            ]
        ),
        x="removed",
        y="accuracy",
        panel="directions_of",
        series="line",
        panels={operation: f"directions of {name}" for operation, name in OPERATION_NAMES.items()},
        named=named,
        x_label="directions removed",
        y_label="validation accuracy",
        start=10,
        note="Grey lines are of the operation that their panel names.",
    )


@traced
def overlap(table: Table) -> Picture:
    """Overlap of the two operations' first k directions, a line for each seed, and the band of two random spans."""
    if not len(table):
        return nothing_to_draw()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.2))
        axes = figure.subplots()
        colours = colours_of(table)
        first = table.where(model=next(iter(colours)))
        one = first.where(seed=first.column("seed")[0])
        band = (one.column("chance_low"), one.column("chance_high"))
        axes.fill_between(one.column("k"), *band, color=MUTED, alpha=0.35, lw=0)
        for model, colour in colours.items():
            for seed in sorted(set(table.where(model=model).column("seed"))):
                line = table.where(model=model, seed=seed)
                axes.plot(line.column("k"), line.column("overlap"), color=colour, lw=1.2)
        _name(axes, [*colours.items(), ("two random\nspans", MUTED)], 2.4)
        axes.set_xlim(1, max(one.column("k")))
        axes.set_ylim(0, 1)
        axes.set(xlabel="k, directions of each operation", ylabel="overlap of their spans")
        return Picture(figure)


@traced
def along_training(table: Table) -> Picture:
    """Overlap, k@95% and accuracy of the baseline at every measured moment: thin for a seed, thick for their median."""
    chosen = table.where(kind=BASELINE)
    if not len(chosen):
        return nothing_to_draw()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 4.6))
        panels = figure.subplots(3, 1, sharex=True)
        for axes, column, label in zip(
            panels,
            ("validation_accuracy", "overlap_10", "k_at_95"),
            ("accuracy", "overlap\nat 10 directions", "k@95%"),
            strict=True,
        ):
            for operation, colour in OPERATION_COLOURS.items():
                own = chosen.where(operation=operation)
                if column == "overlap_10" and operation == "mul":  # it is of both
                    continue
                lines = [
                    [(r["step"], r[column]) for r in own.where(seed=seed).records() if r[column] is not None]
                    for seed in sorted(set(own.column("seed")))
                ]
                if column == "overlap_10":
                    median_of(axes, lines, KIND_COLOURS[BASELINE])
                else:
                    median_of(axes, lines, colour, band=False)  # bands of two operations would cover each other
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
        panels[0].yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
        _name(panels[0], [(OPERATION_NAMES[operation], colour) for operation, colour in OPERATION_COLOURS.items()], 1.1)
        panels[-1].set_xlabel("step")
        panels[-1].xaxis.set_major_locator(MaxNLocator(5))
        panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        panels[-1].set_xlim(left=0)
        figure.subplots_adjust(hspace=0.18)
        return Picture(figure)


@traced
def learning(table: Table, published: float | None = None) -> Picture:
    """Validation accuracy over both operations along training, a panel for each model, a line for each seed.

    Args:
        published: the step at which the log's model learned both, marked in every panel.
    """
    colours = colours_of(table)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 0.85 * len(colours)))
        panels = figure.subplots(len(colours), 1, sharey=True, sharex=True, squeeze=False)[:, 0]
        for axes, (model, colour) in zip(panels, colours.items(), strict=True):
            chosen = table.where(model=model)
            for seed in sorted(set(chosen.column("seed"))):
                one = chosen.where(seed=seed)
                axes.plot(one.column("step"), one.column("validation_accuracy"), color=colour, lw=0.9)
            if published is not None:
                axes.axvline(published, color=INK, lw=0.9, ls=":")
            axes.set_ylim(-0.03, 1.05)
            axes.set_yticks([0, 1], ["0%", "100%"])
            axes.text(1.01, 0.5, model, transform=axes.transAxes, color=colour, va="center", size=8.5)
        panels[-1].set_xlim(left=0)
        panels[-1].set_xlabel("step")
        panels[-1].xaxis.set_major_locator(MaxNLocator(4))
        panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        figure.supylabel("validation accuracy", size=9.5, x=0.0)
        figure.subplots_adjust(hspace=0.3)
        return Picture(figure)


def colours_of(table: Table) -> dict[str, str]:
    """The models of a table in its order → their colours, by their kinds."""
    named = zip(table.column("model"), table.column("kind"), strict=True)
    return {model: KIND_COLOURS.get(kind, MUTED) for model, kind in named}


def _name(axes: Axes, names: list[tuple[str, str]], inches: float) -> None:
    """Names beside axes of so many inches, each in its own colour."""
    height = 0.97
    for text, colour in names:
        name_beside(axes, text, height, colour, va="top")
        height -= (0.17 + 0.14 * text.count("\n")) / inches


def _lines(axes: Axes, table: Table, colour: str, alpha: float, width: float, style: str) -> None:
    for seed in sorted(set(table.column("seed"))):
        one = table.where(seed=seed)
        axes.plot(one.column("removed"), one.column("accuracy"), color=colour, alpha=alpha, lw=width, ls=style)
