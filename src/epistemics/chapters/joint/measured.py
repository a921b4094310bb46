"""What is measured of models that learn two operations, as tables (log entries 11 and 13).

Definitions, and the reading of the log that each follows:

- Directions of an operation: singular vectors of its class means less the mean of its states, as in phase 1.2.
- Significant: singular values above a tenth of the largest. The log counts them without saying where it stops.
- Directions at 95%: how many of the strongest hold 95% of the variance of the class means.
- k@95%, k@50%: the fewest directions whose removal about the mean brings validation accuracy below that.
- Killed: below 5%, where chance is 1%.
- Collateral: the other operation's accuracy when its states are cut along the same directions, about their own mean.
- Overlap at k: mean squared cosine of the principal angles between the two operations' first k directions. The mean
  cosine, another reading of the log's word, stands beside it.
- Chance: what two random spans of the same dimension overlap, between its 5th and 95th percentile.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import Table, Value, table_of
from epistemics.science.abliteration import falls_at, survives
from epistemics.science.geometry import random_directions, variance_rank
from epistemics.science.noise import noise_scale

SIGNIFICANT = 0.1
VARIANCE = 0.95
KILLED = 0.05
CALM = 0.99
"""Validation accuracy of both operations from which a moment counts as calm: not in one of training's dips."""
COLLATERAL_AT = 10
BASELINE, CAPACITY, SMALL, ADVERSARIAL, PENALTY = "baseline", "capacity", "small", "adversarial", "penalty"
"""Kinds of models: as the defaults say, of fewer layers, narrower, penalised, and of another penalty. Other kinds are
called by the settings that they change."""
NO_OTHER_MODEL = (
    "seed", "steps", "stop_after_grokking", "evaluate_every", "grokking_accuracy", "grokking_evaluations",
    "measure_every", "measure_after_grokking", "compiled",
)  # fmt: skip
"""Settings that say how long a model trains and when it is looked at."""
CHANCE_DRAWS = 200


def moments(results: Results) -> Table:
    """One row for each run, measured moment and operation."""
    return table_of(
        [
            _measured(run, index, operation)
            for run in results
            for index in range(len(run.metrics["moments"]))
            for operation in run.configuration.operations
        ]
    )


def kind_of(run: StoredRun) -> str:
    """What a run's model is in the comparison, by how its configuration departs from the defaults of its experiment."""
    c = run.configuration
    base = run.run.base or c
    if base.adversarial_weight:
        return PENALTY
    if c.d_model < base.d_model:
        return SMALL
    if c.adversarial_weight:
        return ADVERSARIAL
    if c.layers < base.layers:
        return CAPACITY
    names = [field.name for field in dataclasses.fields(c) if field.name not in NO_OTHER_MODEL]
    departs = [name for name in names if getattr(c, name) != getattr(base, name)]
    return " and ".join(departs).replace("_", " ") or BASELINE


def of_kind(results: Results, *kinds: str) -> Results:
    """The runs of some kinds of models."""
    return Results(results.experiment, tuple(run for run in results if kind_of(run) in kinds))


def model_of(run: StoredRun) -> str:
    """What a run's model is called."""
    return run.run.model


def of_model(results: Results, model: str) -> Results:
    """One model's runs, a seed each."""
    return Results(results.experiment, tuple(run for run in results if model_of(run) == model))


def _measured(run: StoredRun, index: int, operation: str) -> dict[str, Any]:
    arrays, step = run.result.arrays, run.metrics["moments"][index]

    def at(name: str) -> Any:
        return arrays[f"{operation}.{name}"][index].astype(np.float64)

    own, other, overlap, cosines = (at(n) for n in ("about_mean", "others_about_mean", "overlap", "overlap_cosine"))
    values = at("singular_values")
    killed = falls_at(own, KILLED)
    scale = noise_scale(float(at("gradient_small")), float(at("gradient_large")))
    return {
        "model": model_of(run),
        "kind": kind_of(run),
        "seed": run.configuration.seed,
        "step": step,
        "at_end": step == run.metrics["final_step"],
        "calm": is_calm(run, index),
        "operation": operation,
        "validation_accuracy": round(float(at("validation_accuracy")), 4),
        "significant": int((values > SIGNIFICANT * values[0]).sum()),
        "directions_95": variance_rank(values, VARIANCE),
        "k_at_95": falls_at(own, 0.95),
        "survives_95": survives(own, 0.95),
        "k_at_50": falls_at(own, 0.5),
        "survives_50": survives(own, 0.5),
        "killed_at": killed,
        "other_where_killed": None if killed is None else round(float(other[killed]), 4),
        "collateral": _entry(other, COLLATERAL_AT),
        "left_at_30": _entry(own, 30),
        "overlap_5": _entry(overlap, 5 - 1),
        "overlap_10": _entry(overlap, 10 - 1),
        "overlap_30": _entry(overlap, 30 - 1),
        "overlap_cosine_10": _entry(cosines, 10 - 1),
        "k_at_95_random": falls_at(at("random_about_mean"), 0.95),
        "k_at_95_principal": falls_at(at("principal_about_mean"), 0.95),
        "noise_scale": None if scale == float("inf") else round(scale, 1),
        "run": run.run.key,
    }


def _entry(curve: Sequence[float], index: int) -> float | None:
    """One point of a curve; None beyond its end, in models too narrow for it."""
    return round(float(curve[index]), 4) if index < len(curve) else None


def is_calm(run: StoredRun, index: int) -> bool:
    """Whether both operations are as good as perfect at a moment."""
    arrays = run.result.arrays
    return all(float(arrays[f"{o}.validation_accuracy"][index]) >= CALM for o in run.configuration.operations)


def last_calm(run: StoredRun) -> int:
    """The number of a run's last calm moment, or of its last one if there is none."""
    calm = [index for index in range(len(run.metrics["moments"])) if is_calm(run, index)]
    return calm[-1] if calm else len(run.metrics["moments"]) - 1


def abliteration_curves(results: Results) -> Table:
    """Accuracy of both operations against directions removed, for each one's directions, at the last calm moment."""
    rows = []
    for run in results:
        index = last_calm(run)
        for operation in run.configuration.operations:
            (other,) = [name for name in run.configuration.operations if name != operation]
            for measured, curve in (
                (operation, "about_mean"),
                (other, "others_about_mean"),
                (operation, "random_about_mean"),
                (operation, "principal_about_mean"),
            ):
                for k, accuracy in enumerate(run.result.arrays[f"{operation}.{curve}"][index]):
                    rows.append(
                        {
                            "model": model_of(run),
                            "kind": kind_of(run),
                            "seed": run.configuration.seed,
                            "step": run.metrics["moments"][index],
                            "directions_of": operation,
                            "measured": measured,
                            "curve": curve,
                            "removed": k,
                            "accuracy": round(float(accuracy), 4),
                        }
                    )
    return table_of(rows)


def overlaps(results: Results) -> Table:
    """Overlap of the operations' first k directions at the last calm moment, with the band of chance."""
    rows: list[dict[str, Value]] = []
    for run in results:
        c, index = run.configuration, last_calm(run)
        low, high = chance(c.d_model, min(c.modulus - 1, c.d_model))
        for k, value in enumerate(run.result.arrays[f"{c.operations[0]}.overlap"][index], start=1):
            rows.append(
                {
                    "model": model_of(run),
                    "kind": kind_of(run),
                    "seed": c.seed,
                    "step": run.metrics["moments"][index],
                    "k": k,
                    "overlap": round(float(value), 4),
                    "chance_low": round(low[k - 1], 4),
                    "chance_high": round(high[k - 1], 4),
                }
            )
    return table_of(rows)


@cache
def chance(dimensions: int, longest: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """5th and 95th percentile of the overlap of two random spans of k = 1 … longest of these dimensions.

    In a model of fewer dimensions the spans end where they are all of it, and their overlap is 1.
    """
    longest, draws = min(longest, dimensions), []
    for draw in range(CHANCE_DRAWS):
        one, other = (random_directions(dimensions, 2 * draw + which)[:longest] for which in (0, 1))
        # The squared cosines of principal angles sum to the squared entries of the product: no SVD for each k.
        shared = ((one @ other.T) ** 2).cumsum(0).cumsum(1).diagonal()
        draws.append(shared / np.arange(1, longest + 1))
    low, high = np.percentile(draws, [5, 95], axis=0)
    return tuple(low.tolist()), tuple(high.tolist())


def learning_curves(results: Results) -> Table:
    """Validation accuracy over both operations at every evaluation of every run."""
    rows: list[dict[str, Value]] = []
    for run in results:
        arrays = run.result.arrays
        for step, accuracy in zip(arrays["history.step"], arrays["history.validation_accuracy"], strict=True):
            rows.append(
                {
                    "model": model_of(run),
                    "kind": kind_of(run),
                    "seed": run.configuration.seed,
                    "step": int(step),
                    "validation_accuracy": round(float(accuracy), 4),
                }
            )
    return table_of(rows)
