"""How the effect of the penalty of log entry 13 depends on its weight λ and on how many directions it projects out.

A sweep of our own, one seed for each setting, between the baseline (λ = 0) and the setting of experiment adversarial.
These have several seeds, whose spread says how much of a difference between settings is chance.
"""

from __future__ import annotations

from collections.abc import Sequence

from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, load_results, together
from epistemics.analysis.tables import (
    ABSENT,
    Numbers,
    Shown,
    Table,
    fraction,
    listed,
    number,
    ranked_median,
    spread,
    table_of,
)
from epistemics.chapters.joint.chapter import OPERATIONS, late_calm
from epistemics.chapters.joint.measured import ADVERSARIAL, BASELINE, model_of, moments, of_kind, of_model
from epistemics.declared.project import Project

COMPARED = ("k_at_95", "overlap_10", "directions_95")


def load(project: Project | None = None) -> Results:
    """The sweep, after the runs of its seed without the penalty and with that of experiment adversarial."""
    joint, own, sweep = (load_results(name, project) for name in ("joint", "adversarial", "adversarial-sweep"))
    seeds = {run.configuration.seed for run in sweep}
    known = of_kind(together(joint, own), BASELINE, ADVERSARIAL)
    return together(Results(known.experiment, tuple(run for run in known if run.configuration.seed in seeds)), sweep)


def length(results: Results) -> int:
    """Steps of the sweep's runs, which are fewer than those of the runs beside it."""
    return min(run.configuration.steps for run in results)


def late(results: Results) -> Table:
    """One row for each moment of the last third of the sweep's length, and operation, with its setting.

    A model without the penalty has λ = 0 and no directions. Only calm moments are compared.
    """
    measured = moments(results)
    end = length(results)
    kept = ("model", "kind", "seed", "step", "operation", "calm", *COMPARED, "run")
    rows = []
    for model in settings(results):
        c = of_model(results, model).runs[0].configuration
        setting = {
            "adversarial_weight": c.adversarial_weight,
            "adversarial_directions": c.adversarial_directions if c.adversarial_weight else 0,
        }
        for record in measured.where(model=model).records():
            if 2 / 3 * end <= record["step"] <= end:
                rows.append({**setting, **{name: record[name] for name in kept}})
    return table_of(rows, ("adversarial_weight", "adversarial_directions", *kept))


def settings(results: Results) -> list[str]:
    """The models in the order of their λ, and where it is the same, of their directions."""
    ordered = sorted(
        results, key=lambda run: (run.configuration.adversarial_weight, run.configuration.adversarial_directions)
    )
    return list(dict.fromkeys(model_of(run) for run in ordered))


def summary(results: Results) -> Shown:
    """Each setting over the calm moments of the last third of the sweep's length: medians, with the range."""
    table = late(results).where(calm=True)
    rows = []
    for model in settings(results):
        runs, chosen = of_model(results, model).runs, table.where(model=model)
        c = runs[0].configuration
        own = [chosen.where(operation=operation) for operation in OPERATIONS]
        rows.append(
            [
                f"{c.adversarial_weight:g}",
                str(c.adversarial_directions) if c.adversarial_weight else "–",
                spread([run.metrics["first_touch"] for run in runs]),
                str(len(own[0])),
                *(spread(o.column("k_at_95"), never="all") if len(o) else "–" for o in own),
                *(spread(o.column("directions_95")) if len(o) else "–" for o in own),
                spread(own[0].column("overlap_10"), fraction) if len(own[0]) else "–",
            ]
        )
    headings = [
        "λ", "Directions", "Both learned", "Moments", "k@95%, addition", "multiplication",
        "Directions at 95%, addition", "multiplication", "Overlap at 10",
    ]  # fmt: skip
    return Shown(headings, rows)


def tables(results: Results) -> dict[str, Table]:
    """What the section's figure draws."""
    return published(__name__, {"sweep": late(results)}, results)


def numbers(results: Results, known: Results) -> Numbers:
    """The numbers of the section's prose: how far settings are apart by their medians, and seeds of one setting.

    Args:
        known: the baseline and experiment adversarial, every seed, at their full length.
    """
    table = late(results).where(calm=True)
    penalised = [run.configuration for run in results if run.configuration.adversarial_weight]
    found: Numbers = {
        "weights": listed([f"{weight:g}" for weight in sorted({c.adversarial_weight for c in penalised})]),
        "directions": listed([str(count) for count in sorted({c.adversarial_directions for c in penalised})]),
        "steps": number(length(results)),
    }
    for operation in OPERATIONS:
        own = table.where(operation=operation)
        found[operation] = {"k95_none": _range([_middle(own.where(kind=BASELINE))])}
        for kind, name in ((ADVERSARIAL, "seeds"), (BASELINE, "baseline")):
            of_one = late_calm(of_kind(known, kind)).where(operation=operation)
            seeds = [of_one.where(seed=seed) for seed in sorted(set(of_one.column("seed")))]
            found[operation][f"k95_{name}"] = _range([_middle(chosen) for chosen in seeds])
    heaviest = max(penalised, key=lambda c: c.adversarial_weight, default=None)
    most = max(penalised, key=lambda c: c.adversarial_directions, default=None)
    for name, c in (("heavy", heaviest), ("many", most)):
        weight, directions = (c.adversarial_weight, c.adversarial_directions) if c else (None, None)
        missing = "–" if c else ABSENT  # a setting that was run has a dash where it is never calm
        own = table.where(adversarial_weight=weight, adversarial_directions=directions)
        shared = own.where(operation="add").column("overlap_10")
        found[name] = {
            "weight": ABSENT if weight is None else f"{weight:g}",
            "directions": number(directions, missing=ABSENT),
            "overlap": spread(shared, fraction) if shared else missing,
        }
        for operation in OPERATIONS:
            cut = own.where(operation=operation).column("k_at_95")
            found[name][operation] = {"k95": spread(cut, never="all") if cut else missing}
    return found


def _middle(table: Table) -> float | None:
    return ranked_median(table.column("k_at_95")) if len(table) else None


def _range(values: Sequence[float | None]) -> str:
    """Lowest to highest; a None, more than can be removed, is the highest."""
    if not values:
        return "none"
    ordered = sorted(values, key=lambda v: float("inf") if v is None else v)
    lowest, highest = (number(value, missing="all") for value in (ordered[0], ordered[-1]))
    return lowest if lowest == highest else f"{lowest} to {highest}"
