"""Log entry 13: training against abliteration, and whether too small a model has to share.

The baseline and the one-layer model are those of experiment joint; what the tables are made of is measured in
``joint.measured``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from epistemics.analysis.claims import Claim, Evidence, counted, judged
from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, load_results, together
from epistemics.analysis.tables import ABSENT, Numbers, Shown, Table, fraction, number, of_setting, percent, spread
from epistemics.chapters.contents import Share
from epistemics.chapters.joint.chapter import OPERATIONS, by_moment, late_calm, middle, overlaps_by_moment
from epistemics.chapters.joint.measured import (
    ADVERSARIAL,
    BASELINE,
    CAPACITY,
    SMALL,
    abliteration_curves,
    learning_curves,
    moments,
    of_kind,
    of_model,
    overlaps,
)
from epistemics.chapters.ledger import chapter as ledger
from epistemics.declared.project import Project

THREE = (BASELINE, CAPACITY, ADVERSARIAL)
SHORTER = 65_000
SEEN, SEEN_CUT = "@tbl-adversarial-summary", "@tbl-adversarial-cuts"


def load(project: Project | None = None) -> Results:
    """The results of experiment adversarial under the current profile, after those of joint."""
    return together(load_results("joint", project), load_results("adversarial", project))


def summary(results: Results) -> Shown:
    """Each model's steps, and the overlaps of its operations at the end of training: median and range over seeds."""
    end = moments(results).where(at_end=True, operation="add")  # an overlap is of both
    rows = []
    for model in dict.fromkeys(end.column("model")):
        chosen = end.where(model=model)
        touched = spread([run.metrics["first_touch"] for run in of_model(results, model)])
        shared = [spread(chosen.column(column), fraction) for column in ("overlap_5", "overlap_10")]
        rows.append([model, str(len(chosen)), touched, *shared])
    return Shown(["Model", "Seeds", "Both learned", "Overlap at 5", "at 10"], rows)


def cuts(results: Results) -> Shown:
    """What cuts do to each model and operation at the end of training: median and range over seeds."""
    end = moments(results).where(at_end=True)
    rows = []
    for model in dict.fromkeys(end.column("model")):
        for operation, name in OPERATIONS.items():
            chosen = end.where(model=model, operation=operation)
            measured = ("k_at_95", "killed_at", "directions_95")
            rows.append([model, name, *(spread(chosen.column(column), never="all") for column in measured)])
    return Shown(["Model", "Operation", "k@95%", "Killed at", "Directions at 95%"], rows, left=2)


def _late(values: Sequence[float | None], show: Callable[[float | None], str] = number) -> str:
    return spread(values, show, never="all") if values else "none"


def by_late_moment(results: Results) -> Shown:
    """The three models over the calm moments of the last third of training, beside the end that verdicts are of."""
    return by_moment(of_kind(results, *THREE))


def overlaps_by_late_moment(results: Results) -> Shown:
    """The overlap of both operations over the same moments."""
    return overlaps_by_moment(of_kind(results, *THREE))


def evidence(results: Results) -> dict[str, Evidence]:
    """What these runs say to the log's claims of entry 13; those on the baseline and on capacity alone are in joint."""
    measured = moments(results)
    own, end = measured.where(kind=ADVERSARIAL), measured.where(at_end=True)
    found = {}
    for k in (5, 10):
        found[f"13-adversarial-overlap-{k}"] = _figure(own, "add", f"overlap_{k}")
    for operation in OPERATIONS:
        found[f"13-adversarial-k95-{operation}"] = _figure(own, operation, "k_at_95", "survives_95")
        found[f"13-adversarial-directions-{operation}"] = _figure(own, operation, "directions_95")
    found["13-adversarial-residual"] = _figure(own, "add", "left_at_30")
    found["13-adversarial-kill-mul"] = _figure(own, "mul", "killed_at")
    found["13-adversarial-survival"] = _figure(own, "mul", "other_where_killed")
    small = of_kind(results, SMALL)
    found["13-small-accuracy"] = Evidence(SEEN, [round(run.metrics["validation_accuracy"], 4) for run in small])
    found["13-small-never"] = Evidence(
        SEEN,
        holds=all(run.metrics["first_touch"] is None for run in small) if small else None,
        said=f"{sum(run.metrics['first_touch'] is None for run in small)} of {len(small)} never",
    )
    shorter = measured.where(kind=BASELINE, operation="add", step=SHORTER).column("overlap_10")
    full = end.where(kind=BASELINE, operation="add").column("overlap_10")
    found["13-shorter-overlap"] = Evidence("@fig-joint-along-training", shorter)
    found["13-longer-separates"] = Evidence(
        "@fig-joint-along-training",
        holds=middle(full) < middle(shorter) if shorter else None,
        said=f"{spread(shorter, fraction)} after {SHORTER:,} steps, {spread(full, fraction)} at the end"
        if shorter
        else f"no moment at {SHORTER:,} steps",
    )
    there = {BASELINE, ADVERSARIAL} <= set(end.column("kind"))
    missing = {id: Evidence(seen, said="one of the two models was not run") for id, seen in ORDERS.items()}
    return found | (_orders(end) if there else missing)


ORDERS = {
    "13-adversarial-shares": "@fig-adversarial-overlap",
    "13-adversarial-resists": "@fig-adversarial-abliteration",
    "13-adversarial-diffuses": SEEN_CUT,
}
"""The statements that compare the adversarial models with the baseline → where each is seen."""


def _figure(own: Table, operation: str, column: str, second: str = "") -> Evidence:
    chosen = own.where(operation=operation)
    end = chosen.where(at_end=True)
    accepted = [value for value in end.column(second) if value is not None] if second else []
    seen = SEEN if column.startswith("overlap") else SEEN_CUT
    return Evidence(seen, end.column(column), accepted, chosen.where(calm=True).column(column))


def _orders(end: Table) -> dict[str, Evidence]:
    def values(kind: str, operation: str, column: str) -> list[float | None]:
        return end.where(kind=kind, operation=operation).column(column)

    def both(column: str) -> list[tuple[str, list[float | None], list[float | None]]]:
        """For each operation: its name, the adversarial models' values and the baseline's."""
        return [
            (name, values(ADVERSARIAL, operation, column), values(BASELINE, operation, column))
            for operation, name in OPERATIONS.items()
        ]

    _, shared, alone = both("overlap_10")[0]
    resists, diffuses = both("k_at_95"), both("directions_95")
    return {
        "13-adversarial-shares": Evidence(
            ORDERS["13-adversarial-shares"],
            holds=_above(shared, alone),
            said=f"{spread(shared, fraction)} against {spread(alone, fraction)}",
        ),
        "13-adversarial-resists": Evidence(
            ORDERS["13-adversarial-resists"],
            holds=all(_above(own, baseline) for _, own, baseline in resists),
            said="; ".join(
                f"{name}: {spread(own, never='all')} against {spread(baseline, never='all')}"
                for name, own, baseline in resists
            ),
        ),
        "13-adversarial-diffuses": Evidence(
            ORDERS["13-adversarial-diffuses"],
            holds=all(1.5 <= middle(own) / middle(baseline) <= 3 for _, own, baseline in diffuses),
            said="; ".join(f"{name}: {spread(own)} against {spread(baseline)}" for name, own, baseline in diffuses),
        ),
    }


def _above(own: Sequence[float | None], baseline: Sequence[float | None]) -> bool:
    """Whether all of ours lie above all of the baseline's; None, more than can be removed, ranks above every number."""
    ranked = [[float("inf") if value is None else value for value in values] for values in (own, baseline)]
    return min(ranked[0]) > max(ranked[1])


def tables(results: Results) -> dict[str, Table]:
    """What the figures of the chapter draw, by name."""
    three = of_kind(results, *THREE)
    return published(
        __name__,
        {
            "moments": moments(results),
            "abliteration_curves": abliteration_curves(three),
            "overlaps": overlaps(three),
            "learning_curves": learning_curves(results),
        },
        results,
    )


def numbers(results: Results, claims: Mapping[str, Claim]) -> Numbers:
    """The numbers of the chapter's prose."""
    answered = evidence(results)
    own = [claim for claim in claims.values() if claim.id in answered]
    judgements = judged(own, answered, results.experiment.profile)
    found: Numbers = {**counted(judgements)}
    for kind in THREE:
        runs = of_kind(results, kind)
        found[kind] = of_setting(_numbers_of_model(runs), bool(runs))
    penalised = next((run.configuration for run in of_kind(results, ADVERSARIAL)), None)
    found |= {
        "every": str(penalised.adversarial_every) if penalised else ABSENT,
        "first": number(penalised.adversarial_from) if penalised else ABSENT,
        "removed": str(penalised.adversarial_directions) if penalised else ABSENT,
    }
    small = of_kind(results, SMALL)
    found["small"] = {
        "width": number(max((run.configuration.d_model for run in small), default=None), missing=ABSENT),
        "accuracy": spread([run.metrics["validation_accuracy"] for run in small], lambda v: percent(v, 1)),
    }
    return found


def _numbers_of_model(runs: Results) -> Numbers:
    end, late = moments(runs).where(at_end=True), late_calm(runs)
    found: Numbers = {
        "overlap_10": spread(end.where(operation="add").column("overlap_10"), fraction),
        "late_overlap_10": _late(late.where(operation="add").column("overlap_10"), fraction),
    }
    for operation in OPERATIONS:
        chosen = end.where(operation=operation)
        found[operation] = {
            "k95": spread(chosen.column("k_at_95"), never="all"),
            "late_k95": _late(late.where(operation=operation).column("k_at_95")),
        }
    return found


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    from epistemics.chapters.adversarial import sweep as adversarial_sweep

    all_of_them, sweep = load(project), adversarial_sweep.load(project)
    variables = numbers(all_of_them, ledger.by_id(project)) | {"sweep": adversarial_sweep.numbers(sweep, all_of_them)}
    return variables, tables(all_of_them) | adversarial_sweep.tables(sweep)


def evidence_of(project: Project) -> dict[str, Evidence]:
    """What its results say to the log's claims; see ``contents``."""
    return evidence(load(project))
