"""A.6, log entry 11: addition and multiplication in one model, and whether one can be cut out without the other.

The baseline and the capacity of entry 13 are these runs too. What the tables are made of is measured in ``measured``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from epistemics.analysis.claims import Claim, Evidence, counted, judged
from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, load_results
from epistemics.analysis.tables import Numbers, Shown, Table, number, of_setting, percent, ranked_median, shares, spread
from epistemics.chapters.contents import Share
from epistemics.chapters.joint.measured import (
    BASELINE,
    CAPACITY,
    COLLATERAL_AT,
    KILLED,
    abliteration_curves,
    chance,
    kind_of,
    learning_curves,
    model_of,
    moments,
    of_kind,
    of_model,
    overlaps,
)
from epistemics.chapters.ledger import chapter as ledger
from epistemics.chapters.phase_1_2 import chapter as phase_1_2
from epistemics.chapters.phase_1_2 import measured as phase_1_2_measures
from epistemics.declared.project import Project

OPERATIONS = {"add": "addition", "mul": "multiplication"}
SEEN = "@tbl-joint-summary"
SEEN_CUT = "@tbl-joint-cuts"


def load(project: Project | None = None) -> Results:
    """The results of experiment joint under the current profile."""
    return load_results("joint", project)


def models(results: Results) -> list[str]:
    """The models, in the order of the file."""
    return list(dict.fromkeys(model_of(run) for run in results))


def summary(results: Results) -> Shown:
    """Each model and operation at the end of training: median and range over seeds."""
    rows = [
        [
            *named,
            str(len(chosen)),
            shares(chosen.column("validation_accuracy"), 1),
            spread(chosen.column("significant")),
            spread(chosen.column("directions_95")),
        ]
        for named, chosen in _ends(results)
    ]
    return Shown(["Model", "Operation", "Seeds", "Accuracy, %", "Significant", "Directions at 95%"], rows, left=2)


def cuts(results: Results) -> Shown:
    """What cuts do to each model and operation at the end of training: median and range over seeds."""
    rows = [
        [
            *named,
            *(spread(chosen.column(column), never="all") for column in ("k_at_95", "k_at_50", "killed_at")),
            shares(chosen.column("collateral"), 1),
        ]
        for named, chosen in _ends(results)
    ]
    headings = ["Model", "Operation", "k@95%", "k@50%", "Killed at", f"Other without {COLLATERAL_AT}, %"]
    return Shown(headings, rows, left=2)


def _ends(results: Results) -> Iterator[tuple[list[str], Table]]:
    """What each model and operation are called, and their moments at the end of training."""
    end = moments(results).where(at_end=True)
    for model in models(results):
        for operation, name in OPERATIONS.items():
            yield [model, name], end.where(model=model, operation=operation)


def by_moment(results: Results) -> Shown:
    """Resistance over all calm moments of the last third of training: one moment proves little."""
    rows = []
    for model in models(results):
        late = late_calm(of_model(results, model))
        for operation, name in OPERATIONS.items():
            chosen = late.where(operation=operation)
            own = [
                spread(chosen.column(column), never="all") if len(chosen) else "–"
                for column in ("k_at_95", "k_at_50", "directions_95")
            ]
            rows.append([model, name, str(len(chosen)), *own])
    return Shown(["Model", "Operation", "Moments", "k@95%", "k@50%", "Directions at 95%"], rows, left=2)


def overlaps_by_moment(results: Results) -> Shown:
    """The overlap of both operations over the same moments."""
    rows = []
    for model in models(results):
        chosen = late_calm(of_model(results, model)).where(operation="add")  # an overlap is of both
        shared = [
            spread(chosen.column(column), lambda v: number(v, 2)) if len(chosen) else "–"
            for column in ("overlap_5", "overlap_10", "overlap_30")
        ]
        rows.append([model, str(len(chosen)), *shared])
    return Shown(["Model", "Moments", "Overlap at 5", "at 10", "at 30"], rows)


def late_calm(runs: Results) -> Table:
    """The calm moments of the last third of training of one model's runs."""
    measured = moments(runs).where(calm=True)
    from_step = 2 / 3 * max((run.metrics["final_step"] for run in runs), default=0)
    kept = [tuple(record.values()) for record in measured.records() if record["step"] >= from_step]
    return Table(measured.columns, tuple(kept))


COLUMNS = {
    "accuracy": ("validation_accuracy", ()),
    "significant": ("significant", ()),
    "k95": ("k_at_95", ("survives_95",)),
    "k50": ("k_at_50", ("survives_50",)),
    "collateral": ("collateral", ()),
    "directions": ("directions_95", ()),
}
"""How a claim names a measure of one operation → its column, and the column of a second reading that it allows."""


def evidence(results: Results, single: Results) -> dict[str, Evidence]:
    """What these runs say to the log's claims of entry 11, and to those of entry 13 on its baseline and on capacity.

    Args:
        single: the results of phase-1-2, for addition learned alone.
    """
    baseline, capacity = (_of_kind(results, kind) for kind in (BASELINE, CAPACITY))
    learned = [run.metrics["first_touch"] for run in of_kind(results, BASELINE)]
    found = {"A.6-steps": Evidence("@tbl-joint-search", learned)}
    for operation in OPERATIONS:
        for name in ("accuracy", "significant", "k95", "k50", "collateral"):
            found[f"A.6-{name}-{operation}"] = baseline[f"{name}-{operation}"]
        for name in ("k95", "directions"):
            found[f"13-baseline-{name}-{operation}"] = baseline[f"{name}-{operation}"]
            found[f"13-capacity-{name}-{operation}"] = capacity[f"{name}-{operation}"]
    for k in (10, 30):
        found[f"A.6-overlap-{k}"] = baseline[f"overlap-{k}"]
    for k in (5, 10):
        found[f"13-baseline-overlap-{k}"] = baseline[f"overlap-{k}"]
        found[f"13-capacity-overlap-{k}"] = capacity[f"overlap-{k}"]
    there = {BASELINE, CAPACITY} <= set(map(kind_of, results))
    missing = {id: Evidence(seen, said="one of the two models was not run") for id, seen in COMPARED.items()}
    return found | (_statements(results, single, baseline, capacity) if there else missing)


COMPARED = {
    "A.6-mostly-orthogonal": "@fig-joint-overlap",
    "A.6-more-fragile": SEEN_CUT,
    "A.6-collateral-is-small": "@fig-joint-abliteration",
    "13-capacity-does-not-share": "@fig-joint-overlap",
    "13-kill": "@fig-joint-abliteration",
    "13-kill-is-selective": "@fig-joint-abliteration",
}
"""The claims that are judged where both models were run → where each is seen."""


def _of_kind(results: Results, kind: str) -> dict[str, Evidence]:
    """Every figure of one kind of model, at the end of training and at its other calm moments."""
    measured = moments(of_kind(results, kind))
    end, calm = measured.where(at_end=True), measured.where(calm=True)
    found = {}
    for operation in OPERATIONS:
        own, along = end.where(operation=operation), calm.where(operation=operation)
        for name, (column, others) in COLUMNS.items():
            accepted = [value for other in others for value in own.column(other) if value is not None]
            seen = SEEN_CUT if name in ("k95", "k50", "collateral") else SEEN
            found[f"{name}-{operation}"] = Evidence(seen, own.column(column), accepted, along.column(column))
    own, along = end.where(operation="add"), calm.where(operation="add")  # an overlap is of both
    for k in (5, 10, 30):
        column = f"overlap_{k}"
        found[f"overlap-{k}"] = Evidence("@fig-joint-overlap", own.column(column), (), along.column(column))
    return found


def _statements(
    results: Results, single: Results, baseline: Mapping[str, Evidence], capacity: Mapping[str, Evidence]
) -> dict[str, Evidence]:
    d_model = of_kind(results, BASELINE).runs[0].configuration.d_model
    overlap, other_overlap = (middle(model["overlap-10"].values) for model in (baseline, capacity))
    narrow = "" if math.isfinite(overlap + other_overlap) else "too narrow for ten directions"
    likely = chance(d_model, 10)[1][-1]
    alone = phase_1_2_measures.at_end(single).where(weight_decay=1.0).column("k_at_95")
    joint = {operation: baseline[f"k95-{operation}"].values for operation in OPERATIONS}
    left = {operation: baseline[f"collateral-{operation}"].values for operation in OPERATIONS}
    selective, lowest = _selective(results)
    return {
        "A.6-mostly-orthogonal": Evidence(
            COMPARED["A.6-mostly-orthogonal"],
            holds=None if narrow else overlap <= likely,
            said=narrow or f"{overlap:.2f}, two random spans up to {likely:.2f}",
        ),
        "A.6-more-fragile": Evidence(
            COMPARED["A.6-more-fragile"],
            holds=all(middle(values) < middle(alone) for values in joint.values()) if alone else None,
            said=f"{spread(joint['add'])} and {spread(joint['mul'])}, alone {spread(alone)}",
        ),
        "A.6-collateral-is-small": Evidence(
            COMPARED["A.6-collateral-is-small"],
            holds=all(middle(values) >= 0.99 for values in left.values()),
            said=" and ".join(spread(values, lambda v: percent(v, 1)) for values in left.values()),
        ),
        "13-capacity-does-not-share": Evidence(
            COMPARED["13-capacity-does-not-share"],
            holds=None if narrow else other_overlap <= overlap,
            said=narrow or f"{other_overlap:.2f} against {overlap:.2f}",
        ),
        "13-kill": Evidence(COMPARED["13-kill"], _kills(results)),
        "13-kill-is-selective": Evidence(
            COMPARED["13-kill-is-selective"], holds=selective, said=f"{percent(lowest, 1)} left"
        ),
    }


def _kills(results: Results) -> list[float | None]:
    """Directions that kill an operation, of every model, seed and operation, at the end of training."""
    return moments(results).where(at_end=True).column("killed_at")


def _selective(results: Results) -> tuple[bool | None, float | None]:
    """Whether the other operation is above 99% where one is killed, by medians; and the lowest of these medians."""
    end = moments(results).where(at_end=True)
    left = [
        ranked_median([value for value in chosen if value is not None])
        for model in models(results)
        for operation in OPERATIONS
        if (chosen := end.where(model=model, operation=operation).column("other_where_killed"))
        and any(value is not None for value in chosen)
    ]
    present = [value for value in left if value is not None]
    return (min(present) > 0.99, min(present)) if present else (None, None)


def middle(values: Sequence[float | None]) -> float:
    """The median; infinite for "more than can be removed"."""
    middle = ranked_median(values)
    return float("inf") if middle is None else middle


def tables(results: Results) -> dict[str, Table]:
    """What the figures of the chapter draw, by name."""
    return published(
        __name__,
        {
            "moments": moments(results),
            "abliteration_curves": abliteration_curves(results),
            "overlaps": overlaps(results),
            "learning_curves": learning_curves(results),
        },
        results,
    )


def numbers(results: Results, single: Results, claims: Mapping[str, Claim]) -> Numbers:
    """The numbers of the chapter's prose."""
    own = [claim for claim in claims.values() if claim.entry == results.experiment.entry]
    judgements = judged(own, evidence(results, single), results.experiment.profile)
    d_model = results.runs[0].configuration.d_model
    found: Numbers = {
        "steps": number(max(run.configuration.steps for run in results)),
        **counted(judgements),
        "published_steps": claims["A.6-steps"].shown,
        "published_overlap_10": claims["A.6-overlap-10"].shown,
        "chance_10": f"{chance(d_model, 10)[0][-1]:.2f} to {chance(d_model, 10)[1][-1]:.2f}",
        "killed": percent(KILLED),
        "both_learned": percent(results.runs[0].configuration.grokking_accuracy, 1),
    }
    for kind in (BASELINE, CAPACITY):
        runs = of_kind(results, kind)
        found[kind] = of_setting(_numbers_of_model(runs), bool(runs))
    return found


def _numbers_of_model(runs: Results) -> Numbers:
    end = moments(runs).where(at_end=True)
    found: Numbers = {
        "touch": spread([run.metrics["first_touch"] for run in runs]),
        "overlap_10": spread(end.where(operation="add").column("overlap_10"), lambda v: number(v, 2)),
    }
    for operation in OPERATIONS:
        chosen = end.where(operation=operation)
        found[operation] = {
            "k95": spread(chosen.column("k_at_95"), never="all"),
            "killed": spread(chosen.column("killed_at"), never="all"),
        }
    return found


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    from epistemics.chapters.joint import search as joint_search

    both, search = load(project), joint_search.load(project)
    single, claims = phase_1_2.load(project), ledger.by_id(project)
    variables = numbers(both, single, claims) | {"search": joint_search.numbers(search, claims)}
    return variables, tables(both) | joint_search.tables(search, single, claims)


def evidence_of(project: Project) -> dict[str, Evidence]:
    """What its results say to the log's claims; see ``contents``."""
    return evidence(load(project), phase_1_2.load(project))
