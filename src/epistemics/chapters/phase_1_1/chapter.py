"""Phase 1.1, log entry 7: what moves the grokking step.

The chapter's tables, verdicts and numbers; what they are made of is measured in ``measured``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from epistemics.analysis.claims import Claim, Evidence
from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, StoredRun, load_results
from epistemics.analysis.tables import (
    ABSENT,
    Numbers,
    Shown,
    Table,
    name_of_value,
    number,
    of_setting,
    percent,
    ranked_median,
    spread,
)
from epistemics.chapters.contents import Share
from epistemics.chapters.ledger import chapter as ledger
from epistemics.chapters.phase_1_1.measured import (
    SWEEPS,
    baseline,
    best_fractions,
    grokking_steps,
    learning_curves,
    median_step,
    precisions,
    touches,
    values_of,
)
from epistemics.declared.project import Project
from epistemics.science.network import parameter_count


def load(project: Project | None = None) -> Results:
    """The results of experiment phase-1-1 under the current profile."""
    return load_results("phase-1-1", project)


def first_seed(runs: Sequence[StoredRun]) -> StoredRun:
    """Of some runs, the one with the smallest seed."""
    return min(runs, key=lambda r: r.configuration.seed)


def summary(results: Results) -> Shown:
    """The three sweeps as a table: median and range over seeds of both readings."""
    steps = grokking_steps(results)
    rows = []
    for sweep in SWEEPS:
        for value in values_of(steps, sweep):
            chosen = steps.where(sweep=sweep, **value)
            rows.append(
                [
                    sweep,
                    label_of(value),
                    str(len(chosen)),
                    spread(chosen.column("grokking_step")),
                    spread(chosen.column("first_touch")),
                    number(max(chosen.column("trained_steps"))),
                ]
            )
    return Shown(["Sweep", "Value", "Seeds", "Grokking step", "First touch", "Trained"], rows, left=2)


def label_of(value: dict[str, Any]) -> str:
    """How a value of a sweep is written: 0.01, or 2L d128."""
    if "layers" in value:
        return f"{value['layers']}L d{value['d_model']}"
    return f"{next(iter(value.values())):g}"


def evidence(results: Results) -> dict[str, Evidence]:
    """What these runs say to the log's claims of this entry.

    Grokking steps are judged by the first touch, the reading that a log which prints the first evaluation above a
    threshold would have; the sustained step stands in the tables.
    """
    steps = grokking_steps(results)
    decays, sizes = "weight decay", "size"
    one, zero = (touches(steps, decays, weight_decay=decay) for decay in (1.0, 0.0))
    smallest = touches(steps, sizes, layers=1, d_model=64)
    best = best_fractions(steps)
    tried = [value["train_fraction"] for value in values_of(steps, "train fraction")]
    comparable = bool(best) and len(tried) > 2  # of two, each is the smallest or the largest
    medians = {label_of(v): median_step(steps, sizes, "first_touch", **v) for v in values_of(steps, sizes)}
    fastest = min((m for m in medians.values() if m is not None), default=None)
    factors = {sweep: _factor(steps, sweep) for sweep in SWEEPS}
    middle = ranked_median(one) if one else None
    seen = "@fig-weight-decay"
    return {
        "1.1-steps-at-decay-1": Evidence(seen, one),
        "1.1-steps-at-decay-0": Evidence(seen, zero),
        "1.1-ratio-of-decays": Evidence(
            seen, [None if touch is None or not middle else touch / middle for touch in zero]
        ),
        "1.1-steps-of-smallest": Evidence("@fig-size", smallest),
        "1.1-best-fraction": Evidence("@fig-train-fraction", best),
        "1.1-decay-1-ten-times-sooner": Evidence(
            seen, holds=_ten_times(one, zero), said=f"{spread(one)} against {spread(zero)}"
        )
        if one and zero
        else Evidence(seen, said="one of the two was not run"),
        "1.1-decay-is-strongest": Evidence(
            "@tbl-phase-1-1-summary",
            holds=factors[decays] == max(factors.values()),
            said=", ".join(f"{sweep} {factor:.1f} times" for sweep, factor in factors.items()),
        ),
        "1.1-sweet-spot": Evidence(
            "@fig-train-fraction",
            holds=not {min(tried), max(tried)} & set(best) if comparable else None,
            said=f"best at {', '.join(f'{f:g}' for f in best)} of {', '.join(f'{f:g}' for f in tried)}"
            if comparable
            else "fewer than three fractions, or none gets there",
        ),
        "1.1-smallest-is-fastest": Evidence(
            "@fig-size",
            holds=fastest is not None and medians.get("1L d64") == fastest if medians else None,
            said="fastest: " + ", ".join(label for label, m in medians.items() if m == fastest),
        ),
    }


def _ten_times(one: Sequence[float | None], zero: Sequence[float | None]) -> bool:
    """Whether the median without decay is at least ten times that at decay 1; "never" is more than any number."""
    sooner, later = ranked_median(one), ranked_median(zero)
    return sooner is not None and (later is None or later >= 10 * sooner)


def _factor(steps: Table, sweep: str) -> float:
    """How many times longer the slowest value of a sweep takes than the fastest, of those at which every seed groks.

    1 where none does, or where the fastest is there before the first step.
    """
    found = [touches(steps, sweep, **value) for value in values_of(steps, sweep)]
    medians = [median(t for t in touched if t is not None) for touched in found if None not in touched]
    fastest = min(medians, default=0.0)
    return max(medians) / fastest if fastest else 1.0


def tables(results: Results) -> dict[str, Table]:
    """What the figures of the chapter draw, by name."""
    return published(
        __name__,
        {
            "grokking_steps": grokking_steps(results),
            "learning_curves": learning_curves(results),
            "precisions": precisions(results),
        },
        results,
    )


TOUCHED = (0.01, 0.1, 1.0)
"""The weight decays whose steps to the first touch the prose names."""


def numbers(results: Results, claims: Mapping[str, Claim]) -> Numbers:
    """The numbers of the chapter's prose."""
    steps = grokking_steps(results)
    one = steps.where(sweep="weight decay", weight_decay=1.0).column("first_touch")
    zero = steps.where(sweep="weight decay", weight_decay=0.0)
    zero_median = ranked_median(zero.column("first_touch"))
    reached = [step for step in zero.column("first_touch") if step is not None]
    one_median = ranked_median(one)
    ratio = None if zero_median is None or not one_median else zero_median / one_median
    sizes = [(median_step(steps, "size", "first_touch", **v), label_of(v)) for v in values_of(steps, "size")]
    fastest = min(((m, label) for m, label in sizes if m is not None), default=(None, "none"))
    touched = {r["precision"]: [] for r in precisions(results).records()}  # type: dict[str, list[float | None]]
    for record in precisions(results).records():
        touched[record["precision"]].append(record["first_touch"])
    model = first_seed(results.where(**baseline(results))).configuration
    without_decay = {
        "seeds": str(len(zero)),
        "reached": str(len(reached)),
        "first": number(min(reached, default=None), missing="none"),
        "trained": number(max(zero.column("trained_steps"), default=None)),
        "accuracy": percent(ranked_median(zero.column("validation_accuracy")), 1),
    }
    return {
        "modulus": str(model.modulus),
        "layers": str(model.layers),
        "width": str(model.d_model),
        "heads": str(model.heads),
        "parameters": number(parameter_count(model.architecture)),
        "embedding_scale": f"{model.embedding_scale:g}",
        "learning_rate": f"{model.learning_rate:g}",
        "batch_size": str(model.batch_size),
        "held": str(model.grokking_evaluations),
        "threshold": percent(model.grokking_accuracy),
        "decay": {
            **{
                name_of_value(decay): {
                    "touch": spread(steps.where(sweep="weight decay", weight_decay=decay).column("first_touch"))
                }
                for decay in TOUCHED
            },
            name_of_value(0.0): of_setting(without_decay, bool(len(zero))),
        },
        "ratio": number(ratio, missing="more than " + _at_least(zero, one_median)) if one and len(zero) else ABSENT,
        "published": {
            "ratio": claims["1.1-ratio-of-decays"].shown,
            "smallest": claims["1.1-steps-of-smallest"].shown,
            "fractions": claims["1.1-best-fraction"].shown,
            "decay": {name_of_value(0.0): {"steps": claims["1.1-steps-at-decay-0"].shown}},
        },
        "best_fraction": ", ".join(f"{f:g}" for f in best_fractions(steps)) or "none",
        "largest_fraction": _largest_fraction(results, steps),
        "fastest_size": fastest[1],
        "fastest_size_steps": number(fastest[0]),
        "precision": {
            precision: {"touch": spread(touched[precision]) if touched.get(precision) else "not run"}
            for precision in ("float32", "bfloat16")
        },
    }


def _largest_fraction(results: Results, steps: Table) -> Numbers:
    """What training itself does at the largest train fraction, where some models do not learn their own questions."""
    tried = [value["train_fraction"] for value in values_of(steps, "train fraction")]
    largest = max(tried, default=None)
    runs = results.where(**baseline(results) | {"train_fraction": largest}, weight_decay=1.0)
    enough = runs[0].configuration.grokking_accuracy if runs else 1.0
    curves = [[r.result.arrays[f"history.{kind}_accuracy"] for kind in ("train", "validation")] for r in runs]
    unlearned = [train for train, _ in curves if train.max() < enough]
    # argmax: the first evaluation at which it is so
    together = [
        (train >= enough).argmax() == (validation >= enough).argmax()
        for train, validation in curves
        if train.max() >= enough and validation.max() >= enough
    ]
    found = {
        "seeds": str(len(runs)),
        "steps": number(max((r.metrics["final_step"] for r in runs), default=None)),
        "unlearned": str(len(unlearned)),
        "train": spread([float(train.max()) for train in unlearned], percent) if unlearned else "–",
        "together": str(sum(map(bool, together))),
    }
    return {"fraction": ABSENT if largest is None else f"{largest:g}", **of_setting(found, bool(runs))}


def _at_least(never: Table, step: float | None) -> str:
    """A lower bound of a ratio whose numerator was not reached within training."""
    return number(max(never.column("trained_steps")) / step) if step else "–"


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    one = load(project)
    return numbers(one, ledger.by_id(project)), tables(one)


def evidence_of(project: Project) -> dict[str, Evidence]:
    """What its results say to the log's claims; see ``contents``."""
    return evidence(load(project))
