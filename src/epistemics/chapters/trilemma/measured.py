"""Where every trained model stands by separability, robustness and efficiency, as tables (log entry 12).

Definitions:

- Mastered: an operation with a validation accuracy of at least 95%.
- Separability: 1 − the overlap of the operations' first ten directions. Of addition alone it is 1 by construction: two
  such models side by side, the log's dedicated capacity, share nothing.
- Robustness of a mastered operation: k@95% over the directions that hold 95% of the variance of its class means; where
  accuracy never falls below 95%, k@95% counts as all directions. A run's is the lowest of its mastered operations'; a
  run that masters nothing has none.
- Efficiency: operations mastered for each thousand parameters, and for each direction that holds the variance.
- A model's place: the medians over the seeds that have a measure. A model is placed if its median seed masters an
  operation.
- Front: the placed models that no other passes. One passes another if it is worse on no axis and better on one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import Table, ranked_median, table_of
from epistemics.chapters.joint.chapter import OPERATIONS
from epistemics.chapters.joint.measured import (
    ADVERSARIAL,
    BASELINE,
    VARIANCE,
    abliteration_curves,
    chance,
    kind_of,
    model_of,
    of_kind,
)
from epistemics.chapters.phase_1_2 import measured as phase_1_2_measures
from epistemics.science.abliteration import falls_at
from epistemics.science.geometry import variance_rank
from epistemics.science.network import parameter_count

ALONE = "alone"
"""The kind of the models that learn one operation."""
LONG = "full-length"
"""The experiment that trains them for as long as those of two operations."""
MASTERED = 0.95
DIRECTIONS = 10
"""Directions of each operation at which an overlap is taken."""
STRONG = 1.0
"""The weight decay of the models of two operations."""
AXES = ("separability", "robustness", "per_thousand_parameters")


def name_of(run: StoredRun) -> str:
    """What a model is called: as in the chapters on two operations, or by its decay where it learned addition alone."""
    if len(run.configuration.operations) > 1:
        return model_of(run)
    return alone(run.configuration.weight_decay) + (", long" if run.run.experiment == LONG else "")


def alone(decay: float) -> str:
    """What the model of addition alone at a weight decay is called."""
    return f"{ALONE} at decay {decay:g}"


def places(results: Results, single: Results) -> Table:
    """One row for each run: where it stands at the end of training.

    Args:
        results: of models that learn two operations.
        single: of models that learn addition alone.
    """
    ordered = sorted(single, key=lambda run: -run.configuration.weight_decay)
    return table_of([_place(run) for run in (*results, *ordered)])


def _place(run: StoredRun) -> dict[str, Any]:
    c = run.configuration
    by_construction = len(c.operations) == 1
    parameters = parameter_count(c.architecture)
    directions = {operation: _directions(run, operation) for operation in c.operations}
    robust = {operation: _robustness(run, operation) for operation in OPERATIONS if operation in c.operations}
    present = [value for value in robust.values() if value is not None]
    overlap = None if by_construction else _overlap(run)
    low, high = (None, None) if overlap is None else (band[-1] for band in chance(c.d_model, DIRECTIONS))
    return {
        "model": name_of(run),
        "kind": ALONE if by_construction else kind_of(run),
        "operations": "+".join(c.operations),
        "weight_decay": c.weight_decay,
        "seed": c.seed,
        "by_construction": by_construction,
        "parameters": parameters,
        "mastered": len(present),
        "separability": 1.0 if by_construction else _less_than_one(overlap),
        "chance_low": _less_than_one(high),
        "chance_high": _less_than_one(low),
        "robustness": min(present, default=None),
        **{f"robustness_{operation}": robust.get(operation) for operation in OPERATIONS},
        "directions": sum(directions.values()),
        "per_thousand_parameters": round(1000 * len(present) / parameters, 6),
        "per_direction": round(len(present) / sum(directions.values()), 4),
        "run": run.run.key,
    }


def _less_than_one(value: float | None) -> float | None:
    return None if value is None else round(1 - value, 4)


def _at_end(run: StoredRun, name: str) -> Any:
    return run.result.arrays[name][-1].astype(np.float64)


def _overlap(run: StoredRun) -> float | None:
    """None in a model too narrow for so many directions."""
    curve = _at_end(run, f"{run.configuration.operations[0]}.overlap")
    return float(curve[DIRECTIONS - 1]) if len(curve) >= DIRECTIONS else None


def _directions(run: StoredRun, operation: str) -> int:
    """How many of the strongest class directions hold 95% of their variance; at least 1."""
    return max(1, variance_rank(_at_end(run, f"{operation}.singular_values"), VARIANCE))


def _robustness(run: StoredRun, operation: str) -> float | None:
    curve = _at_end(run, f"{operation}.about_mean")
    falls = falls_at(curve, MASTERED)
    if falls == 0:  # below it untouched
        return None
    removed = len(curve) - 1 if falls is None else falls
    return round(removed / _directions(run, operation), 4)


def models(results: Results, single: Results) -> Table:
    """One row for each model: its place, and whether it is on the front."""
    table = places(results, single)
    rows: list[dict[str, Any]] = []
    for model in dict.fromkeys(table.column("model")):
        chosen = table.where(model=model)
        middles = {
            column: _middle(chosen.column(column))
            for column in (
                "mastered",
                *AXES,
                *(f"robustness_{operation}" for operation in OPERATIONS),
                "per_direction",
                "chance_low",
                "chance_high",
            )
        }
        shared = next(chosen.records())
        rows.append(
            {
                **{name: shared[name] for name in ("model", "kind", "operations", "weight_decay", "by_construction")},
                "seeds": len(chosen),
                "parameters": shared["parameters"],
                **middles,
                "placed": middles["mastered"] >= 1 and all(middles[axis] is not None for axis in AXES),
            }
        )
    placed = [row for row in rows if row["placed"]]
    on = dict(
        zip(
            [row["model"] for row in placed],
            front([tuple(row[axis] for axis in AXES) for row in placed]),
            strict=True,
        )
    )
    return table_of([row | {"on_front": on.get(row["model"], False)} for row in rows])


def present(values: Sequence[float | None]) -> list[float]:
    """The values that there are."""
    return [value for value in values if value is not None]


def _middle(values: Sequence[float | None]) -> Any:
    """The median of the values that there are."""
    return ranked_median(present(values)) if present(values) else None


def front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Whether each point is on the front: whether no other passes it. Equal points do not pass each other."""
    return [not any(_passes(other, point) for other in points) for point in points]


def _passes(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def curves(results: Results, single: Results) -> Table:
    """Accuracy of addition against its own directions removed: alone, in the baseline and trained adversarially.

    Each run at its last calm moment, as in the chapters that these runs are from.
    """
    strong = Results(single.experiment, tuple(run for run in single if name_of(run) == alone(STRONG)))
    own = phase_1_2_measures.abliteration_curves(strong).where(curve="about_mean")
    both = abliteration_curves(of_kind(results, BASELINE, ADVERSARIAL)).where(directions_of="add", curve="about_mean")
    rows = [{**record, "model": alone(STRONG), "kind": ALONE} for record in own.records()]
    rows += both.records()
    columns = ("model", "kind", "seed", "step", "removed", "accuracy")
    return table_of([{column: row[column] for column in columns} for row in rows])
