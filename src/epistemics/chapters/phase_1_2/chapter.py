"""Phase 1.2, log entry 8: weight decay, the geometry of the representation, and abliteration.

The chapter's tables, verdicts and numbers; what they are made of is measured in ``measured``.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from epistemics.analysis.claims import (
    CANNOT_BE_JUDGED,
    IN_KIND,
    NOT_REPRODUCED,
    REPRODUCED,
    Claim,
    Evidence,
    counted,
    judged,
)
from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, load_results
from epistemics.analysis.tables import (
    Numbers,
    Shown,
    Table,
    name_of_value,
    number,
    of_setting,
    percent,
    ranges_compared,
    ranked_median,
    shares,
    spread,
)
from epistemics.chapters.contents import Share
from epistemics.chapters.ledger import chapter as ledger
from epistemics.chapters.phase_1_2.measured import (
    abliteration_curves,
    at_end,
    calm,
    decays,
    dips,
    learning_curves,
    moments,
    planes,
    since_grokking,
)
from epistemics.declared.project import Project

NAMED = (0.0, 0.01, 0.1, 1.0, 10.0)
"""The weight decays of the log, which the prose names."""
UNCUT = (0.0, 10.0)
"""Those of them at which the log has no k@95%: its models never reach the accuracy that a k@95% takes away."""
RESISTANT = 0.1
"""The one that the log finds most robust."""
COMPARED = (RESISTANT, 1.0)
"""Those whose k@95% the prose compares."""


def load(project: Project | None = None) -> Results:
    """The results of experiment phase-1-2 under the current profile."""
    return load_results("phase-1-2", project)


def summary(results: Results) -> Shown:
    """The log's table, remade: median and range over seeds at the end of training."""
    end = at_end(results)
    rows = []
    for decay in decays(results):
        chosen = end.where(weight_decay=decay)
        rows.append(
            [
                f"{decay:g}",
                spread([r.metrics["grokking_step"] for r in results.where(weight_decay=decay)]),
                shares(chosen.column("validation_accuracy"), 1),
                spread(chosen.column("rank99")),
                shares(chosen.column("fourier_share")),
            ]
        )
    return Shown(["Decay", "Grokking step", "Accuracy, %", "rank99", "Fourier share, %"], rows)


def cuts(results: Results) -> Shown:
    """k@95% at the end of training, by what is cut and about what: median and range over seeds."""
    end = at_end(results)
    rows = []
    for decay in decays(results):
        chosen = end.where(weight_decay=decay)
        measured = ("k_at_95", "k_at_95_zero", "k_at_95_random")
        cut = [spread(chosen.column(column), never="all") for column in measured]
        rows.append([f"{decay:g}", str(len(chosen)), *cut, shares(chosen.column("mean_share"))])
    return Shown(["Decay", "Seeds", "About the mean", "About zero", "Random", "Mean’s share, %"], rows)


def by_moment(results: Results) -> Shown:
    """How the measures move after the grokking step: median and range over seeds for each weight decay."""
    measured = moments(results)
    rows = []
    for decay in decays(results):
        offsets = sorted({o for o in measured.where(weight_decay=decay).column("after_grokking") if o is not None})
        wanted = [o for o in offsets if o in _offsets(results)]
        for label, chosen in [
            *((f"{number(o)} steps after", measured.where(weight_decay=decay, after_grokking=o)) for o in wanted),
            ("all calm ones since", calm(results, decay)),
            ("end", measured.where(weight_decay=decay, at_end=True)),
        ]:
            if not len(chosen):
                continue
            if label == "0 steps after":
                label = "grokking step"
            rows.append(
                [
                    f"{decay:g}",
                    label,
                    str(len(chosen)),
                    shares(chosen.column("validation_accuracy"), 1),
                    spread(chosen.column("rank99")),
                    spread(chosen.column("k_at_95"), never="all"),
                    spread(chosen.column("k_at_50"), never="all"),
                    shares(chosen.column("fourier_share")),
                ]
            )
    headings = [
        "Decay",
        "Moment",
        "Times",
        "Accuracy, %",
        "rank99",
        "k@95%",
        "k@50%",
        "Fourier, %",
    ]
    return Shown(headings, rows, left=2)


def _offsets(results: Results) -> set[int]:
    return {offset for run in results for offset in run.configuration.measure_after_grokking}


FIGURES = {
    "accuracy": "validation_accuracy",
    "rank99": "rank99",
    "k95": "k_at_95",
    "fourier": "fourier_share",
}
"""How the claims name a measure at the end of training → its column in ``moments``."""


def evidence(results: Results) -> dict[str, Evidence]:
    """What these runs say to the log's claims of this entry.

    Grokking steps are read as the first touch of 95%; the others at the end of training, and beside it over every
    moment measured from the grokking step on, for the log does not name its moment. A k@95% is accepted as
    ``survives_95`` too.
    """
    end = at_end(results)
    found = {}
    for decay in NAMED:  # of another decay there is no claim
        runs, measured = results.where(weight_decay=decay), end.where(weight_decay=decay)
        since = since_grokking(results, decay, lambda _: True)
        found[f"1.2-steps-at-{decay:g}"] = Evidence("@tbl-phase-1-2-summary", [r.metrics["first_touch"] for r in runs])
        for name, column in FIGURES.items():
            if name == "k95" and decay in UNCUT:
                continue
            survived = measured.column("survives_95") if name == "k95" else []
            found[f"1.2-{name}-at-{decay:g}"] = Evidence(
                "@tbl-phase-1-2-cuts" if name == "k95" else "@tbl-phase-1-2-summary",
                values=measured.column(column),
                accepted=[k for k in survived if k is not None],
                along=[*measured.column(column), *since.column(column)],
            )
    rank, k = _medians(results, "rank99"), _medians(results, "k_at_95")
    several = len(rank) > 1
    found["1.2-rank-falls"] = Evidence(
        "@tbl-phase-1-2-summary",
        holds=all(a >= b for a, b in pairwise(rank.values())) if several else None,
        said=_by_decay(rank) if several else "fewer than two of the log's decays",
    )
    others = [median for decay, median in k.items() if decay != RESISTANT]
    comparable = RESISTANT in k and bool(others)
    found["1.2-resistance-peaks"] = Evidence(
        "@tbl-phase-1-2-cuts",
        holds=k[RESISTANT] > max(others) if comparable else None,
        said=_by_decay(k) if comparable else f"no decay of {RESISTANT:g}, or no other of the log's",
    )
    return found


def _medians(results: Results, column: str) -> dict[float, float]:
    """Weight decay of the log, ascending → median over seeds at the end; infinite for "more than can be removed"."""
    end, tried = at_end(results), [decay for decay in decays(results) if decay in NAMED]
    found = {decay: ranked_median(end.where(weight_decay=decay).column(column)) for decay in tried}
    return {decay: float("inf") if m is None else m for decay, m in found.items()}


def _by_decay(medians: Mapping[float, float]) -> str:
    return ", ".join(f"{'all' if m == float('inf') else f'{m:g}'} at {decay:g}" for decay, m in medians.items())


def tables(results: Results) -> dict[str, Table]:
    """What the figures of the chapter draw, by name."""
    return published(
        __name__,
        {
            "abliteration_curves": abliteration_curves(results),
            "moments": moments(results),
            "validation_curves": learning_curves(results),
            "planes": planes(results),
        },
        results,
    )


def numbers(results: Results, claims: Mapping[str, Claim]) -> Numbers:
    """The numbers of the chapter's prose."""
    end = at_end(results)
    published = {name_of_value(decay): {"k95": claims[f"1.2-k95-at-{decay:g}"].shown} for decay in COMPARED}
    found: Numbers = {"published": {"decay": published}}
    own = [claim for claim in claims.values() if claim.entry == results.experiment.entry]
    judgements = judged(own, evidence(results), results.experiment.profile)
    figures = [j for j in judgements if not j.claim.statement]
    found |= counted(figures) | {
        "at_some_moment": str(sum(bool(j.note) for j in figures if j.verdict in (IN_KIND, NOT_REPRODUCED))),
    }
    for j in judgements:
        if j.claim.statement:
            name = j.claim.id.partition("-")[2].replace("-", "_")
            found[f"order_{name}"] = ORDERS[j.verdict]
    ranges = {
        "at_end": [end.where(weight_decay=d).column("k_at_95") for d in COMPARED],
        "calm": [calm(results, d).column("k_at_95") for d in COMPARED],
    }
    for name, (weak, strong) in ranges.items():
        found[f"ranges_{name}"] = ranges_compared(weak, strong)
    found["decay"] = {
        name_of_value(decay): of_setting(_of_decay(results, decay), decay in decays(results)) for decay in NAMED
    }
    return found


ORDERS = {REPRODUCED: "holds", NOT_REPRODUCED: "does not hold", CANNOT_BE_JUDGED: "is not judged"}
"""How the prose says whether an order holds."""


def _of_decay(results: Results, decay: float) -> Numbers:
    """The numbers of one weight decay."""
    chosen, runs = at_end(results).where(weight_decay=decay), results.where(weight_decay=decay)
    settled = calm(results, decay).column("k_at_95")
    below, evaluated = dips(results, decay)
    ended_low = [r for r in runs if r.metrics["grokking_step"] and r.metrics["validation_accuracy"] < 0.95]
    return {
        "seeds": str(len(runs)),
        "stored": str(sum(r.run.keep_weights for r in runs)),
        "grok": spread([r.metrics["grokking_step"] for r in runs]),
        "accuracy": spread(chosen.column("validation_accuracy"), lambda v: percent(v, 1)),
        "rank99": spread(chosen.column("rank99")),
        "k95": spread(chosen.column("k_at_95"), never="more than can be removed"),
        "k95_random": spread(chosen.column("k_at_95_random"), never="all"),
        "k95_random_zero": spread(chosen.column("k_at_95_random_zero"), never="all"),
        "mean": spread(chosen.column("mean_share"), percent),
        "k95_moments": spread(settled, never="all") if settled else "none",
        "dips": str(below),
        "evaluations": str(evaluated),
        "ended_low": str(len(ended_low)),
    }


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    two = load(project)
    return numbers(two, ledger.by_id(project)), tables(two)


def evidence_of(project: Project) -> dict[str, Evidence]:
    """What its results say to the log's claims; see ``contents``."""
    return evidence(load(project))
