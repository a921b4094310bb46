"""Does the precision of the matrix products decide what a run shows? (The log does not say in which it was trained.)

Whether the way to the gradient does is asked in ``gradient``.

Two precisions agree at a weight decay if their ranges of first touches over seeds overlap; where no seed of either gets
there, if their ranges of accuracy at the end do. It was declared in the experiment file before the runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, load_results
from epistemics.analysis.tables import Numbers, Shown, Table, Value, percent, spread, table_of
from epistemics.chapters.contents import Share
from epistemics.chapters.method import gradient
from epistemics.declared.project import Project
from epistemics.science.configuration import PRECISIONS

FEWEST_SEEDS = 3
"""Of each precision, for ranges to be compared at all."""


def load(project: Project | None = None) -> Results:
    """The results of experiment precision under the current profile."""
    return load_results("precision", project)


def runs(results: Results) -> Table:
    """One row a run: what it reached, and when."""
    return table_of(
        [
            {
                "weight_decay": r.configuration.weight_decay,
                "precision": r.configuration.precision,
                "seed": r.configuration.seed,
                "first_touch": r.metrics["first_touch"],
                "grokking_step": r.metrics["grokking_step"],
                "trained_steps": r.metrics["final_step"],
                "validation_accuracy": round(r.metrics["validation_accuracy"], 4),
                "run": r.run.key,
            }
            for r in results
        ]
    )


def decays(results: Results) -> list[float]:
    """The weight decays, ascending."""
    return sorted({r.configuration.weight_decay for r in results})


def agreement(results: Results) -> Table:
    """For each decay and pair of precisions, whether they agree; None where there are too few seeds to say."""
    table = runs(results)
    rows: list[dict[str, Value]] = []
    for decay in decays(results):
        for one, other in combinations(PRECISIONS, 2):
            chosen = [table.where(weight_decay=decay, precision=precision) for precision in (one, other)]
            touches = [c.column("first_touch") for c in chosen]
            ends = [c.column("validation_accuracy") for c in chosen]
            few = min(len(c) for c in chosen) < FEWEST_SEEDS
            rows.append(
                {
                    "weight_decay": decay,
                    "one": one,
                    "other": other,
                    "agree": None if few else agree((touches[0], touches[1]), (ends[0], ends[1])),
                }
            )
    return table_of(rows)


def agree(
    touches: tuple[Sequence[float | None], Sequence[float | None]], ends: tuple[Sequence[float], Sequence[float]]
) -> bool:
    """The criterion, for the values over seeds under two precisions."""
    if all(touch is None for both in touches for touch in both):
        return overlap(*ends)
    ranked = [[float("inf") if touch is None else touch for touch in both] for both in touches]
    return overlap(ranked[0], ranked[1])


def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two ranges have a value in common."""
    return min(one) <= max(other) and min(other) <= max(one)


def shown(results: Results) -> Shown:
    """Steps to 95% and accuracy at the end, by decay and precision."""
    table, agreed = runs(results), agreement(results)
    words = {True: "yes", False: "no", None: "too few seeds"}
    rows = []
    for decay in decays(results):
        for precision in PRECISIONS:
            chosen = table.where(weight_decay=decay, precision=precision)
            if not len(chosen):
                continue
            same = agreed.where(weight_decay=decay, one="float32", other=precision).column("agree")
            rows.append(
                [
                    f"{decay:g}",
                    precision,
                    spread(chosen.column("first_touch")),
                    spread(chosen.column("validation_accuracy"), lambda value: percent(value, 1)),
                    words[same[0]] if same else "",
                ]
            )
    headings = ["Decay", "Precision", "First touch", "Accuracy at the end", "As in float32"]
    return Shown(headings, rows, left=2)


def tables(results: Results) -> dict[str, Table]:
    """What the figure of the chapter draws, and the verdicts, by name."""
    return published(__name__, {"runs": runs(results), "agreement": agreement(results)}, results)


def numbers(results: Results) -> Numbers:
    """The numbers of the chapter's prose."""
    agreed = agreement(results)
    against = {p: agreed.where(one="float32", other=p) for p in ("bfloat16", "float64")}
    found = {}
    for precision, table in against.items():
        apart = [f"{r['weight_decay']:g}" for r in table.records() if r["agree"] is False]
        same = [f"{r['weight_decay']:g}" for r in table.records() if r["agree"]]
        found[precision] = {"apart_at": ", ".join(apart) or "none", "agrees_at": ", ".join(same) or "none"}
    return found


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    three, two = load(project), gradient.load(project)
    return {**numbers(three), "gradient": gradient.numbers(two)}, {**tables(three), **gradient.tables(two)}
