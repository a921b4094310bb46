"""Phase 1.1, log entry 7: what moves the grokking step."""

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
    table_of,
)
from epistemics.chapters.contents import Share
from epistemics.chapters.ledger import chapter as ledger
from epistemics.declared.project import Project
from epistemics.science.network import parameter_count

DECAY = 1.0
"""The weight decay of all that the other sweeps train."""
SWEEPS = ("weight decay", "train fraction", "size")


def load(project: Project | None = None) -> Results:
    """The results of experiment phase-1-1 under the current profile."""
    return load_results("phase-1-1", project)


def baseline(results: Results) -> dict[str, Any]:
    """The shared configuration of the three sweeps: layers, width and train fraction of the runs of phase-1-2."""
    first = _shared(results)[0].configuration
    return {"layers": first.layers, "d_model": first.d_model, "train_fraction": first.train_fraction}


def grokking_steps(results: Results) -> Table:
    """One row a run: sweep, its value, seed and both readings of "groks at".

    A run that belongs to several sweeps (the baseline) stands in each.
    """
    shared = baseline(results) | {"weight_decay": DECAY}
    rows = []
    for sweep, axes in {
        "weight decay": ("weight_decay",),
        "train fraction": ("train_fraction",),
        "size": ("layers", "d_model"),
    }.items():
        fixed = {name: value for name, value in shared.items() if name not in axes}
        for run in results.where(**fixed):
            c = run.configuration
            if c.precision != precision_of(results, sweep):
                continue
            rows.append(
                {
                    "sweep": sweep,
                    "weight_decay": c.weight_decay,
                    "train_fraction": c.train_fraction,
                    "layers": c.layers,
                    "d_model": c.d_model,
                    "precision": c.precision,
                    "seed": c.seed,
                    "grokking_step": run.metrics["grokking_step"],
                    "first_touch": run.metrics["first_touch"],
                    "trained_steps": run.metrics["final_step"],
                    "validation_accuracy": round(run.metrics["validation_accuracy"], 4),
                    "run": run.run.key,
                }
            )
    return table_of(rows)


def precision_of(results: Results, sweep: str) -> str:
    """The precision of one sweep's runs: of those that vary weight decay, or of those that vary anything else."""
    shared = baseline(results)
    others = [run for run in results if any(getattr(run.configuration, key) != value for key, value in shared.items())]
    chosen = _shared(results) if sweep == "weight decay" else others or list(results)
    return chosen[0].configuration.precision


def _shared(results: Results) -> list[StoredRun]:
    """The runs at another weight decay than the experiment's own; all runs, if there are none."""
    return [run for run in results if run.configuration.weight_decay != DECAY] or list(results)


def learning_curves(results: Results) -> Table:
    """Accuracies at every evaluation of every run of the sweep of weight decay: memorised early, understood late."""
    rows = []
    for run in results.where(**baseline(results), precision=precision_of(results, "weight decay")):
        arrays = run.result.arrays
        columns = (arrays[f"history.{name}"] for name in ("step", "train_accuracy", "validation_accuracy"))
        for step, train, validation in zip(*columns, strict=True):
            rows.append(
                {
                    "weight_decay": run.configuration.weight_decay,
                    "seed": run.configuration.seed,
                    "step": int(step),
                    "training": round(float(train), 4),
                    "validation": round(float(validation), 4),
                }
            )
    return table_of(rows)


def precisions(results: Results) -> Table:
    """The baseline under float32 and bfloat16: grokking steps by seed."""
    runs = results.where(**baseline(results), weight_decay=1.0)
    return table_of(
        [
            {
                "precision": r.configuration.precision,
                "seed": r.configuration.seed,
                "grokking_step": r.metrics["grokking_step"],
                "first_touch": r.metrics["first_touch"],
                "run": r.run.key,
            }
            for r in runs
        ]
    )


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


def values_of(steps: Table, sweep: str) -> list[dict[str, Any]]:
    """The distinct values of one sweep, in order, each as the columns that it fixes."""
    axes = {"weight decay": ["weight_decay"], "train fraction": ["train_fraction"], "size": ["layers", "d_model"]}
    chosen = steps.where(sweep=sweep)
    found = sorted({tuple(record[axis] for axis in axes[sweep]) for record in chosen.records()})
    return [dict(zip(axes[sweep], value, strict=True)) for value in found]


def label_of(value: dict[str, Any]) -> str:
    """How a value of a sweep is written: 0.01, or 2 layers × 128."""
    if "layers" in value:
        return f"{value['layers']}L d{value['d_model']}"
    return f"{next(iter(value.values())):g}"


def median_step(steps: Table, sweep: str, column: str = "grokking_step", **value: Any) -> float | None:
    """Median over seeds, None (never) ranked above every number."""
    chosen = steps.where(sweep=sweep, **value)
    return ranked_median(chosen.column(column)) if len(chosen) else None


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


def touches(steps: Table, sweep: str, **value: Any) -> list[float | None]:
    """First touches by seed; empty if the value was not run."""
    return steps.where(sweep=sweep, **value).column("first_touch") if value in values_of(steps, sweep) else []


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


def best_fractions(steps: Table) -> list[float]:
    """The train fractions with the fewest steps to the first touch, by the median over seeds."""
    medians = {
        value["train_fraction"]: median_step(steps, "train fraction", "first_touch", **value)
        for value in values_of(steps, "train fraction")
    }
    reached = {fraction: m for fraction, m in medians.items() if m is not None}
    return [fraction for fraction, m in reached.items() if m == min(reached.values())]


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
