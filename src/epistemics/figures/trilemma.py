"""Figures of log entry 12: one operation alone and beside another, and where every model stands on the three axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from epistemics.figures.joint import MODEL_COLOURS, MODEL_NAMES
from epistemics.figures.style import BLUE, INK, MUTED, SETTINGS, WIDTH, Picture, decay_colour
from epistemics.tables import Table

CURVES: Mapping[str, tuple[str, str]] = {
    "alone": ("alone", BLUE),
    "baseline": ("beside\nmultiplication", MODEL_COLOURS["baseline"]),
    "adversarial": ("beside it, trained\nagainst cuts", MODEL_COLOURS["adversarial"]),
}
"""Group of a model → what its curves of addition are called, and their hue."""
THRESHOLD, OVER = 0.95, 0.05
LABEL = 9.0
Place = tuple[float, float, Literal["left", "center", "right"]]
"""Where a name stands: its offset from the point in points, and the side of it that is there."""
NEAREST: tuple[Place, ...] = ((7, 0, "left"), (-7, 0, "right"), (0, 10, "center"), (0, -10, "center"))


def curves(table: Table) -> Picture:
    """Accuracy of addition against its own directions removed, alone and beside multiplication, a line a seed."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.2))
        axes = figure.subplots()
        groups = [group for group in CURVES if group in set(table.column("group"))]
        axes.axhline(THRESHOLD, color=MUTED, lw=0.8, ls=":")
        for group in groups:
            chosen = table.where(group=group)
            for seed in sorted(set(chosen.column("seed"))):
                line = chosen.where(seed=seed)
                axes.plot(line.column("removed"), line.column("accuracy"), color=CURVES[group][1], lw=1.4, alpha=0.9)
        height = 1.0
        for group in groups:
            name, colour = CURVES[group]
            axes.text(1.02, height, name, transform=axes.transAxes, color=colour, va="top", size=9)
            height -= 0.1 + 0.065 * name.count("\n")
        left = [k for k, a in zip(table.column("removed"), table.column("accuracy"), strict=True) if a >= OVER]
        axes.set_xlim(0, min(max(table.column("removed")), max(left, default=0) + 5))
        axes.set_ylim(-0.02, 1.03)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
        axes.text(axes.get_xlim()[1], THRESHOLD - 0.015, "95%", color=MUTED, ha="right", va="top", size=LABEL)
        axes.set(xlabel="directions of addition removed", ylabel="validation accuracy of addition")
        return Picture(figure)


def places(seeds: Table, models: Table) -> Picture:
    """Robustness against separability, and against operations for each thousand parameters.

    Small: a seed. Large: a model's medians, squares where separability is 1 by construction, with a dark edge where no
    model passes it on all three axes. Line: the front of the medians on the two axes of the panel.
    """
    placed = models.where(placed=True)
    drawn = [record for record in seeds.records() if record["robustness"] is not None]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 7.6))
        renderer: RendererAgg = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
        panels = figure.subplots(2, 1)
        top = 1.12 * max([0.5, *(record["robustness"] for record in drawn)])
        for axes, column in zip(panels, ("separability", "per_thousand_parameters"), strict=True):
            shown = [record for record in drawn if record[column] is not None]
            if column == "separability":
                lowest = min([0.5, *(record[column] for record in shown)])
                axes.set_xlim(max(0, lowest - 0.08), 1.02)
                axes.set_xlabel("separability")
            else:
                axes.set_xscale("log")
                values = [record[column] for record in (*shown, *placed.records())] or [0.001, 0.01]
                axes.set_xlim(min(values) / 2.2, max(values) * 1.6)
                _log_ticks(axes)
                axes.set_xlabel("operations mastered for each thousand parameters")
            axes.set_ylim(0, top)
            axes.set_ylabel("robustness")
            if column == "separability":
                _band(axes, models)
            _panel(axes, column, shown, list(placed.records()))
        figure.subplots_adjust(hspace=0.28)
        for axes, column in zip(panels, ("separability", "per_thousand_parameters"), strict=True):
            _name(axes, renderer, column, drawn, list(placed.records()))
        return Picture(figure)


def _colour(model: Mapping[str, Any]) -> str:
    """The hue of a model: of its decay where it learned one operation; sweeps have that of what they vary."""
    if model["by_construction"]:
        return decay_colour(model["weight_decay"])
    varied = {"penalty": "adversarial", "directions": "adversarial"}
    return MODEL_COLOURS.get(varied.get(model["group"], model["group"]), MUTED)


def _panel(axes: Axes, column: str, seeds: Sequence[Mapping[str, Any]], models: Sequence[Mapping[str, Any]]) -> None:
    steps = _steps(axes, column, models)
    axes.plot([x for x, _ in steps], [y for _, y in steps], color=MUTED, lw=1.0, alpha=0.7, zorder=2)
    for record in seeds:
        marker = "s" if record["by_construction"] else "o"
        axes.plot(
            record[column], record["robustness"], marker, color=_colour(record), alpha=0.45, markersize=3.5,
            markeredgewidth=0, clip_on=False, zorder=3,
        )  # fmt: skip
    for model in sorted(models, key=lambda model: bool(model["on_front"])):
        marker = "s" if model["by_construction"] else "o"
        edge = INK if model["on_front"] else "white"
        axes.plot(
            model[column], model["robustness"], marker, color=_colour(model), markersize=7.5, markeredgecolor=edge,
            markeredgewidth=1.3 if model["on_front"] else 0.6, clip_on=False, zorder=4,
        )  # fmt: skip


def _steps(axes: Axes, column: str, models: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    return _front([(model[column], model["robustness"]) for model in models], axes.get_xlim()[0])


def _front(points: Sequence[tuple[float, float]], left: float) -> list[tuple[float, float]]:
    """From the right, the corners of the steps above and to the right of which no point lies."""
    path: list[tuple[float, float]] = []
    highest = 0.0
    for x, y in sorted(points, key=lambda point: (-point[0], -point[1])):
        if y > highest:
            path += [(x, highest), (x, y)]
            highest = y
    return [*path, (left, highest)] if path else []


def _band(axes: Axes, models: Table) -> None:
    """What two random spans would show in the first model of two operations."""
    bands = [(r["chance_low"], r["chance_high"]) for r in models.records() if r["chance_low"] is not None]
    if bands:
        axes.axvspan(*bands[0], color=MUTED, alpha=0.2, lw=0)
        axes.annotate(
            "two random spans", ((bands[0][0] + bands[0][1]) / 2, 1), (0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", color=MUTED, ha="center", va="bottom", size=LABEL,
        )  # fmt: skip


def _log_ticks(axes: Axes) -> None:
    low, high = axes.get_xlim()
    ticks = [f * 10.0**power for power in range(-5, 2) for f in (1, 2, 5)]
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()


Box = tuple[float, float, float, float]
"""Left, bottom, right and top, in points."""


def _name(
    axes: Axes,
    renderer: RendererAgg,
    column: str,
    seeds: Sequence[Mapping[str, Any]],
    models: Sequence[Mapping[str, Any]],
) -> None:
    """The models' names beside their medians, each where it covers no point, no line and no other name."""
    scale = 72 / renderer.dpi

    def at(x: float, y: float) -> tuple[float, float]:
        x, y = axes.transData.transform((x, y)) * scale
        return float(x), float(y)

    def around(x: float, y: float, half: float) -> Box:
        return x - half, y - half, x + half, y + half

    taken = [around(*at(model[column], model["robustness"]), 4.5) for model in models]
    taken += [around(*at(seed[column], seed["robustness"]), 1.8) for seed in seeds if seed[column] is not None]
    for one, other in pairwise(at(*step) for step in _steps(axes, column, models)):
        (left, right), (bottom, top) = (sorted(values) for values in zip(one, other, strict=True))
        taken.append((left - 1, bottom - 1, right + 1, top + 1))
    window = axes.get_window_extent(renderer)
    left, bottom, _, top = (float(bound) * scale for bound in window.extents)
    places = _places()
    for model in sorted(models, key=lambda model: -float(model["robustness"])):
        point, colour = (model[column], model["robustness"]), _colour(model)
        label = axes.annotate(
            _label(model), point, (0, 0), textcoords="offset points", color=colour, size=LABEL, va="center",
            zorder=5, annotation_clip=False,
        )  # fmt: skip
        extent = label.get_window_extent(renderer)
        boxes = [_box(*at(*point), place, extent.width * scale, extent.height * scale) for place in places]
        covered = [
            sum(_shared(box, other) for other in taken)
            + 20 * max(0, left - box[0], bottom - box[1], box[3] - top)  # there is room to the right of the axes
            for box in boxes
        ]
        best = covered.index(min(covered))  # the first of equals, and these are in order of distance
        x, y, side = places[best]
        label.set_position((x, y))
        label.set_horizontalalignment(side)
        taken.append(boxes[best])
        if max(abs(x), abs(y)) > 12:  # too far to tell which point it names
            axes.annotate(
                "", point, (x, y), textcoords="offset points", annotation_clip=False, zorder=2.5,
                arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.7, "shrinkA": 0, "shrinkB": 4},
            )  # fmt: skip


def _places() -> list[Place]:
    """Where a name may stand, the nearest places first."""
    far: list[Place] = []
    for out in (7, 16, 26, 40, 60):
        for up in range(0, 61, 5):
            far += [(out, up, "left"), (out, -up, "left"), (-out, up, "right"), (-out, -up, "right")]
    return [*NEAREST, *sorted(far, key=lambda place: place[0] ** 2 + 2 * place[1] ** 2)]


def _box(x: float, y: float, place: Place, width: float, height: float) -> Box:
    """What a name of this size covers at a place beside a point."""
    left = x + place[0] - width * {"left": 0.0, "center": 0.5, "right": 1.0}[place[2]]
    bottom = y + place[1] - height / 2
    return left, bottom, left + width, bottom + height


def _shared(one: Box, other: Box) -> float:
    """The area of what two boxes have in common."""
    width, height = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    return width * height if width > 0 and height > 0 else 0.0


def _label(model: Mapping[str, Any]) -> str:
    if model["by_construction"]:
        return str(model["model"]).removeprefix("alone at ")
    return str(MODEL_NAMES.get(model["group"], model["model"]))
