"""Log entry 12, the orthogonality trilemma: every trained model by separability, robustness and efficiency.

The models are those of experiments joint and adversarial, which learn two operations, and those of phase-1-2, which
learn addition alone. All is at the end of training.

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

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from epistemics.abliteration import falls_at
from epistemics.claims import CANNOT_BE_JUDGED, IN_KIND, NOT_REPRODUCED, REPRODUCED, Claim, Evidence, judged
from epistemics.experiments import adversarial, phase_1_2_measures
from epistemics.experiments.adversarial import ADVERSARIAL
from epistemics.experiments.joint import BASELINE, CAPACITY, OPERATIONS
from epistemics.experiments.joint_measures import VARIANCE, abliteration_curves, chance, model_of
from epistemics.geometry import variance_rank
from epistemics.model import parameter_count
from epistemics.project import Project
from epistemics.results import Results, StoredRun
from epistemics.tables import Shown, Table, number, ranked_median, spread, table_of

ALONE = "alone"
"""The group of the models that learn one operation."""
MASTERED = 0.95
DIRECTIONS = 10
"""Directions of each operation at which an overlap is taken."""
RESISTANT, STRONG = 0.1, 1.0
"""The weight decay that the log finds most robust, and that of the models of two operations."""
AXES = ("separability", "robustness", "per_thousand_parameters")
SEEN = "@tbl-trilemma-models"
WORDS = {
    REPRODUCED: "holds",
    IN_KIND: "holds in kind",
    NOT_REPRODUCED: "does not hold",
    CANNOT_BE_JUDGED: "is not judged",
}


def load(project: Project | None = None) -> Results:
    """The results of experiments joint and adversarial under the current profile, as the second's."""
    return adversarial.load(project)


def name_of(run: StoredRun) -> str:
    """What a model is called: as in the chapters on two operations, or by its decay where it learned addition alone."""
    return model_of(run) if len(run.configuration.operations) > 1 else alone(run.configuration.weight_decay)


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
        "group": ALONE if by_construction else run.run.group,
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
                **{name: shared[name] for name in ("model", "group", "operations", "weight_decay", "by_construction")},
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


def _present(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _middle(values: Sequence[float | None]) -> Any:
    """The median of the values that there are."""
    return ranked_median(_present(values)) if _present(values) else None


def front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Whether each point is on the front: whether no other passes it. Equal points do not pass each other."""
    return [not any(_passes(other, point) for other in points) for point in points]


def _passes(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def curves(results: Results, single: Results) -> Table:
    """Accuracy of addition against its own directions removed: alone, in the baseline and trained adversarially.

    Each run at its last calm moment, as in the chapters that these runs are from.
    """
    strong = Results(single.experiment, tuple(single.where(weight_decay=STRONG)))
    kept = Results(results.experiment, tuple(run for run in results if model_of(run) in (BASELINE, ADVERSARIAL)))
    own = phase_1_2_measures.abliteration_curves(strong).where(curve="about_mean")
    both = abliteration_curves(kept).where(directions_of="add", curve="about_mean")
    rows = [{**record, "model": alone(STRONG), "group": ALONE} for record in own.records()]
    rows += [{**record, "group": record["model"]} for record in both.records()]
    columns = ("model", "group", "seed", "step", "removed", "accuracy")
    return table_of([{column: row[column] for column in columns} for row in rows])


def tables(results: Results, single: Results) -> dict[str, Table]:
    """What the figures of the chapter draw, by name."""
    return {
        "curves": curves(results, single),
        "places": places(results, single),
        "models": models(results, single),
    }


def summary(results: Results, single: Results) -> Shown:
    """Every model at the end of training: median and range over the seeds that have a measure."""
    table = places(results, single)
    rows = []
    for model in models(results, single).records():
        chosen = table.where(model=model["model"])
        each = [_spread(chosen.column(f"robustness_{o}"), 2) for o in OPERATIONS if o in model["operations"].split("+")]
        separable = "(1)" if model["by_construction"] else _spread(chosen.column("separability"), 2)
        rows.append(
            [
                model["model"],
                ("yes" if model["on_front"] else "no") if model["placed"] else "not placed",
                str(len(chosen)),
                spread(chosen.column("mastered")),
                separable,
                _spread(chosen.column("robustness"), 2),
                _spread(chosen.column("per_thousand_parameters"), 4),
                _spread(chosen.column("per_direction"), 3),
                " / ".join(each) if len(each) > 1 else "–",
                number(model["parameters"]),
            ]
        )
    headings = [
        "Model",
        "On the front",
        "Seeds",
        "Mastered",
        "Separability",
        "Robustness",
        "Per 1,000 parameters",
        "Per direction",
        "Robustness of each",
        "Parameters",
    ]
    return Shown(headings, rows)


def _spread(values: Sequence[float | None], digits: int) -> str:
    """Median and range of the values that there are."""
    present = _present(values)
    return spread(present, lambda v: number(v, digits)) if present else "–"


def evidence(results: Results, single: Results) -> dict[str, Evidence]:
    """What these runs say to the log's claims of entry 12.

    Args:
        results: of models that learn two operations.
        single: of models that learn addition alone.
    """
    table, placed = places(results, single), models(results, single)
    return {
        "12-no-third-corner": _no_third_corner(placed),
        "12-joint-is-fragile": _joint_is_fragile(table, placed),
        "12-decay-0.1-is-robust": _most_robust(table, placed),
    }


def _row(table: Table, model: str) -> dict[str, Any]:
    return next(table.where(model=model).records(), {})


def _of_both(table: Table) -> list[dict[str, Any]]:
    """The models whose median seed masters both operations."""
    return [record for record in table.records() if record["mastered"] == len(OPERATIONS)]


def _is_separable(model: Mapping[str, Any]) -> bool:
    """Whether the overlap is not above the 95th percentile of two random subspaces."""
    return model["separability"] is not None and bool(model["separability"] >= model["chance_low"])


def _is_robust(model: Mapping[str, Any], least: float) -> bool:
    values = [model[f"robustness_{operation}"] for operation in OPERATIONS]
    return all(value is not None and value >= least for value in values)


def corners(table: Table) -> tuple[list[str], list[str], list[str]] | None:
    """Of the models that learn both operations: the separable, the robust and those that are both.

    None where no model learns both, or where there is no robustness to hold them against.

    Args:
        table: as ``models`` makes it.
    """
    both, least = _of_both(table), _row(table, alone(RESISTANT)).get("robustness")
    if not both or least is None:
        return None
    separable = [model["model"] for model in both if _is_separable(model)]
    robust = [model["model"] for model in both if _is_robust(model, least)]
    return separable, robust, [name for name in separable if name in robust]


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names) or "none"


def _no_third_corner(table: Table) -> Evidence:
    found = corners(table)
    if found is None:
        return Evidence(
            "@fig-trilemma-places", said=f"no model of both operations, or none {alone(RESISTANT)}, to compare"
        )
    separable, robust, both = map(_listed, found)
    return Evidence(
        "@fig-trilemma-places", holds=not found[2], said=f"separable: {separable}; robust: {robust}; both: {both}"
    )


def _joint_is_fragile(table: Table, placed: Table) -> Evidence:
    baseline, least = _row(placed, BASELINE), _row(placed, alone(STRONG)).get("robustness")
    values = [baseline.get(f"robustness_{operation}") for operation in OPERATIONS]
    if least is None or baseline.get("separability") is None or any(value is None for value in values):
        return Evidence(SEEN, said="the baseline, or addition alone, is not mastered")
    rows, reference = table.where(model=BASELINE), table.where(model=alone(STRONG))
    own = " and ".join(_spread(rows.column(f"robustness_{operation}"), 2) for operation in OPERATIONS)
    return Evidence(
        SEEN,
        holds=_is_separable(baseline) and all(value < least for value in _present(values)),
        said=f"overlap {1 - baseline['separability']:.2f}, two random spans up to {1 - baseline['chance_low']:.2f}; "
        f"robustness {own}, alone {_spread(reference.column('robustness'), 2)}",
    )


def _most_robust(table: Table, placed: Table) -> Evidence:
    resistant = _row(placed, alone(RESISTANT))
    others = [model for model in placed.where(placed=True).records() if model["model"] != alone(RESISTANT)]
    if not resistant.get("placed") or not others:
        return Evidence(SEEN, said="addition alone at weight decay 0.1, or every other model, is not mastered")
    best = max(others, key=lambda model: float(model["robustness"]))
    own, next_best = (_spread(table.where(model=model["model"]).column("robustness"), 2) for model in (resistant, best))
    return Evidence(
        SEEN,
        holds=bool(resistant["robustness"] > best["robustness"]),
        said=f"{own}; of the others most: {best['model']}, {next_best}",
    )


def numbers(results: Results, single: Results, claims: Mapping[str, Claim]) -> dict[str, str]:
    """The numbers of the chapter's prose."""
    table, every = places(results, single), models(results, single)
    found_by_id = evidence(results, single)
    own = [claim for claim in claims.values() if claim.id in found_by_id]
    verdicts = {j.claim.id: j.verdict for j in judged(own, found_by_id, results.experiment.profile)}
    placed = every.where(placed=True)
    together, found = _of_both(every), corners(every)
    separable, robust, both = map(_listed, found) if found else ("not compared",) * 3
    numbers = {
        "runs": str(len(table)),
        "models": str(len(every)),
        "placed": str(len(placed)),
        "unplaced": _listed([record["model"] for record in every.where(placed=False).records()]),
        "front": _listed(placed.where(on_front=True).column("model")),
        "front_count": str(len(placed.where(on_front=True))),
        "learn_both": str(len(together)),
        "separable": separable,
        "robust": robust,
        "corner": both,
        "judged": str(sum(verdict != CANNOT_BE_JUDGED for verdict in verdicts.values())),
        "reproduced": str(sum(verdict == REPRODUCED for verdict in verdicts.values())),
    }
    for id in found_by_id:
        name = id.removeprefix("12-").replace("-", "_").replace(".", "")
        numbers[f"verdict_{name}"] = WORDS[verdicts.get(id, CANNOT_BE_JUDGED)]
    names = {BASELINE: BASELINE, CAPACITY: CAPACITY, ADVERSARIAL: ADVERSARIAL}
    names |= {alone(RESISTANT): "alone_01", alone(STRONG): "alone_1"}
    for model, name in names.items():
        chosen = table.where(model=model)
        numbers |= {
            f"{name}_seeds": str(len(chosen)),
            f"{name}_mastered": spread(chosen.column("mastered")) if len(chosen) else "–",
            f"{name}_separability": _spread(chosen.column("separability"), 2),
            f"{name}_robustness": _spread(chosen.column("robustness"), 2),
            f"{name}_per_thousand": _spread(chosen.column("per_thousand_parameters"), 4),
            f"{name}_per_direction": _spread(chosen.column("per_direction"), 3),
        }
        for operation in OPERATIONS:
            numbers[f"{name}_robustness_{operation}"] = _spread(chosen.column(f"robustness_{operation}"), 2)
    baseline = _row(every, BASELINE)
    numbers["chance"] = (
        f"{baseline['chance_low']:.2f} to {baseline['chance_high']:.2f}" if baseline.get("chance_low") else "–"
    )
    return numbers
