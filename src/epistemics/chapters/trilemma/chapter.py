"""Log entry 12, the orthogonality trilemma: is there a model that is separable, robust and efficient?

The models are those of experiments joint, adversarial and their sweeps, which learn two operations, and those of
phase-1-2 and full-length, which learn addition alone. All is at the end of training. Where each stands is measured in
``measured``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from epistemics.analysis.claims import CANNOT_BE_JUDGED, IN_KIND, NOT_REPRODUCED, REPRODUCED, Claim, Evidence, judged
from epistemics.analysis.provenance_line import published, traced
from epistemics.analysis.stored_runs import Results, load_results
from epistemics.analysis.tables import Numbers, Shown, Table, name_of_value, number, of_setting, spread
from epistemics.chapters.adversarial import chapter as adversarial
from epistemics.chapters.contents import Share
from epistemics.chapters.joint.chapter import OPERATIONS
from epistemics.chapters.joint.measured import ADVERSARIAL, BASELINE
from epistemics.chapters.ledger import chapter as ledger
from epistemics.chapters.trilemma.measured import LONG, STRONG, alone, curves, models, places, present
from epistemics.declared.project import Project

SWEEPS = ("adversarial-sweep", "joint-search")
"""Experiments of ours beside the log's, most of whose settings have one seed."""
RESISTANT = 0.1
"""The weight decay that the log finds most robust."""
SEEN = "@tbl-trilemma-models"
WORDS = {
    REPRODUCED: "holds",
    IN_KIND: "holds in kind",
    NOT_REPRODUCED: "does not hold",
    CANNOT_BE_JUDGED: "is not judged",
}


def load(project: Project | None = None) -> Results:
    """Every model of two operations under the current profile, as the runs of experiment adversarial."""
    known = adversarial.load(project)
    swept = (load_results(name, project) for name in SWEEPS)
    return Results(known.experiment, (*known, *(run for results in swept for run in results)))


def load_single(project: Project | None = None) -> Results:
    """Every model of addition alone whose directions were cut, as the runs of experiment phase-1-2."""
    short, long = (load_results(name, project) for name in ("phase-1-2", LONG))
    return Results(short.experiment, (*short, *long))


def tables(results: Results, single: Results) -> dict[str, Table]:
    """What the figures of the chapter draw, by name."""
    return published(
        __name__,
        {
            "curves": curves(results, single),
            "places": places(results, single),
            "models": models(results, single),
        },
        results,
        single,
    )


def summary(seeds: Table, models: Table) -> Shown:
    """Where every model stands at the end of training: median and range over the seeds that have a measure."""
    rows = []
    for model, chosen in _placed(seeds, models):
        rows.append(
            [
                model["model"],
                ("yes" if model["on_front"] else "no") if model["placed"] else "no place",
                "(1)" if model["by_construction"] else _spread(chosen.column("separability"), 2),
                _spread(chosen.column("robustness"), 2),
                _spread(chosen.column("per_thousand_parameters"), 4),
            ]
        )
    return Shown(["Model", "Front", "Separability", "Robustness", "Per 1,000 parameters"], rows)


@traced
def operations(seeds: Table, models: Table) -> Shown:
    """What the places are made of: median and range over the seeds that have a measure."""
    rows = []
    for model, chosen in _placed(seeds, models):
        rows.append(
            [
                model["model"],
                str(len(chosen)),
                number(model["parameters"]),
                spread(chosen.column("mastered")),
                *(_spread(chosen.column(f"robustness_{operation}"), 2) for operation in OPERATIONS),
                _spread(chosen.column("per_direction"), 3),
            ]
        )
    robust = [f"Of {name}" for name in OPERATIONS.values()]
    return Shown(["Model", "Seeds", "Parameters", "Mastered", *robust, "Per direction"], rows)


def _placed(seeds: Table, models: Table) -> Iterator[tuple[dict[str, Any], Table]]:
    """Each model with the places of its seeds."""
    for model in models.records():
        yield model, seeds.where(model=model["model"])


def _spread(values: Sequence[float | None], digits: int) -> str:
    """Median and range of the values that there are."""
    there = present(values)
    return spread(there, lambda v: number(v, digits)) if there else "–"


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


def _row(table: Table, **which: str) -> dict[str, Any]:
    return next(table.where(**which).records(), {})


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
    both, least = _of_both(table), _row(table, model=alone(RESISTANT)).get("robustness")
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
    baseline, least = _row(placed, kind=BASELINE), _row(placed, model=alone(STRONG)).get("robustness")
    values = [baseline.get(f"robustness_{operation}") for operation in OPERATIONS]
    if least is None or baseline.get("separability") is None or any(value is None for value in values):
        return Evidence(SEEN, said="the baseline, or addition alone, is not mastered")
    rows, reference = table.where(kind=BASELINE), table.where(model=alone(STRONG))
    own = " and ".join(_spread(rows.column(f"robustness_{operation}"), 2) for operation in OPERATIONS)
    return Evidence(
        SEEN,
        holds=_is_separable(baseline) and all(value < least for value in present(values)),
        said=f"overlap {1 - baseline['separability']:.2f}, two random spans up to {1 - baseline['chance_low']:.2f}; "
        f"robustness {own}, alone {_spread(reference.column('robustness'), 2)}",
    )


def _most_robust(table: Table, placed: Table) -> Evidence:
    resistant = _row(placed, model=alone(RESISTANT))
    # Trained for longer, the same decay is not another that could be more robust.
    others = [m for m in placed.where(placed=True).records() if not m["model"].startswith(alone(RESISTANT))]
    if not resistant.get("placed") or not others:
        return Evidence(SEEN, said="addition alone at weight decay 0.1, or every other model, is not mastered")
    best = max(others, key=lambda model: float(model["robustness"]))
    own, next_best = (_spread(table.where(model=model["model"]).column("robustness"), 2) for model in (resistant, best))
    return Evidence(
        SEEN,
        holds=bool(resistant["robustness"] > best["robustness"]),
        said=f"{own}; of the others most: {best['model']}, {next_best}",
    )


def numbers(results: Results, single: Results, claims: Mapping[str, Claim]) -> Numbers:
    """The numbers of the chapter's prose."""
    table, every = places(results, single), models(results, single)
    found_by_id = evidence(results, single)
    own = [claim for claim in claims.values() if claim.id in found_by_id]
    verdicts = {j.claim.id: j.verdict for j in judged(own, found_by_id, results.experiment.profile)}
    unswept = Results(results.experiment, tuple(run for run in results if run.run.experiment not in SWEEPS))
    without = judged(own, evidence(unswept, single), results.experiment.profile)
    same = {j.claim.id: j.verdict for j in without} == verdicts
    placed = every.where(placed=True)
    together, found = _of_both(every), corners(every)
    separable, robust, both = map(_listed, found) if found else ("not compared",) * 3
    numbers: Numbers = {
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
        "without_sweeps": "would be the same without them" if same else "would be others without them",
    }
    numbers["verdict"] = {
        id.removeprefix("12-").replace("-", "_").replace(".", "_"): WORDS[verdicts.get(id, CANNOT_BE_JUDGED)]
        for id in found_by_id
    }
    numbers |= {kind: _of_model(table.where(kind=kind)) for kind in (BASELINE, ADVERSARIAL)}
    numbers["alone"] = {
        "decay": {
            name_of_value(decay): {"robustness": _of_model(table.where(model=alone(decay)))["robustness"]}
            for decay in (RESISTANT, STRONG)
        }
    }
    baseline = _row(every, kind=BASELINE)
    numbers["chance"] = (
        f"{baseline['chance_low']:.2f} to {baseline['chance_high']:.2f}" if baseline.get("chance_low") else "–"
    )
    return numbers


def _of_model(places: Table) -> Numbers:
    found = {
        "seeds": str(len(places)),
        "separability": _spread(places.column("separability"), 2),
        "robustness": _spread(places.column("robustness"), 2),
        **{f"robustness_{name}": _spread(places.column(f"robustness_{name}"), 2) for name in OPERATIONS},
    }
    return of_setting(found, bool(len(places)))


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    all_of_them, single = load(project), load_single(project)
    return numbers(all_of_them, single, ledger.by_id(project)), tables(all_of_them, single)


def evidence_of(project: Project) -> dict[str, Evidence]:
    """What its results say to the log's claims; see ``contents``."""
    return evidence(load(project), load_single(project))
