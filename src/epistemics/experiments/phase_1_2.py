"""Phase 1.2, log entry 8: weight decay, the geometry of the representation, and abliteration.

The chapter's tables, verdicts and numbers; what they are made of is measured in ``phase_1_2_measures``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from epistemics.experiments.phase_1_2_measures import (
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
from epistemics.results import Results, load_results
from epistemics.tables import Shown, Table, number, percent, ranked_median, spread, table_of
from epistemics.verdicts import verdict


def load() -> Results:
    """The results of experiment phase-1-2 under the current profile."""
    return load_results("phase-1-2")


def summary(results: Results) -> Shown:
    """The log's table, remade: median and range over seeds at the end of training."""
    end = at_end(results)
    rows = []
    for decay in decays(results):
        chosen = end.where(weight_decay=decay)
        runs = results.where(weight_decay=decay)
        rows.append(
            [
                f"{decay:g}",
                str(len(chosen)),
                spread([r.metrics["grokking_step"] for r in runs]),
                spread(chosen.column("validation_accuracy"), lambda v: percent(v, 1)),
                spread(chosen.column("rank99")),
                spread(chosen.column("k_at_95"), never="all"),
                spread(chosen.column("k_at_95_zero"), never="all"),
                spread(chosen.column("k_at_95_random"), never="all"),
                spread(chosen.column("mean_share"), percent),
                spread(chosen.column("fourier_share"), percent),
            ]
        )
    headings = [
        "Decay",
        "Seeds",
        "Grokking step",
        "Accuracy",
        "rank99",
        "k@95% about mean",
        "about zero",
        "random",
        "Mean's share",
        "Fourier share",
    ]
    return Shown(headings, rows)


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
                    spread(chosen.column("validation_accuracy"), lambda v: percent(v, 1)),
                    spread(chosen.column("rank99")),
                    spread(chosen.column("k_at_95"), never="all"),
                    spread(chosen.column("k_at_50"), never="all"),
                    spread(chosen.column("fourier_share"), percent),
                ]
            )
    headings = [
        "Decay",
        "Moment",
        "Times",
        "Accuracy",
        "rank99",
        "k@95%",
        "k@50%",
        "Fourier share",
    ]
    return Shown(headings, rows, left=2)


def _offsets(results: Results) -> set[int]:
    return {offset for run in results for offset in run.configuration.measure_after_grokking}


PUBLISHED_COLUMNS = {
    "validation_accuracy": ("validation accuracy", 3),
    "grokking_step": ("grokking step", 0),
    "rank99": ("rank99", 0),
    "k_at_95": ("k@95%", 0),
    "fourier_share": ("Fourier share", 2),
}


def judged(results: Results) -> Table:
    """Every figure of the log's table against ours, by the criterion of ``verdicts``.

    Grokking steps are read as the first touch of 95%; the others at the end of training, and beside it over every
    moment measured from the grokking step on, for the log does not name its moment. A k@95% is accepted as
    ``survives_95`` too.
    """
    published = results.experiment.published
    end = at_end(results)
    rows = []
    for row in published["rows"]:
        log = dict(zip(published["columns"], row, strict=True))
        decay = log["weight_decay"]
        runs = results.where(weight_decay=decay)
        for column in PUBLISHED_COLUMNS:
            if log[column] is None and column != "grokking_step":
                continue
            along: list[Any] = []
            if column == "grokking_step":
                ours = accepted = [run.metrics["first_touch"] for run in runs]
            else:
                ours = accepted = end.where(weight_decay=decay).column(column)
                along = [*ours, *since_grokking(results, decay, lambda _: True).column(column)]
            if column == "k_at_95":
                survived = end.where(weight_decay=decay).column("survives_95")
                accepted = [*ours, *(k for k in survived if k is not None)]
            rows.append(
                {
                    "weight_decay": decay,
                    "quantity": column,
                    "published": log[column],
                    "ours_median": ranked_median(ours),
                    "ours_lowest": _lowest(ours),
                    "ours_highest": _highest(ours),
                    "seeds": len(runs),
                    "verdict": verdict(log[column], accepted, results.experiment.profile, along),
                }
            )
    return table_of(rows)


def _lowest(values: list[Any]) -> float | None:
    present = [v for v in values if v is not None]
    return min(present) if present else None


def _highest(values: list[Any]) -> float | None:
    """None, "never", if any value is."""
    return None if any(v is None for v in values) else max(values)


def comparisons(results: Results) -> Shown:
    """``judged`` as the chapter prints it."""
    rows = []
    for record in judged(results).records():
        name, digits = PUBLISHED_COLUMNS[record["quantity"]]
        show = [
            number(record[key], digits, missing="never")
            for key in ("published", "ours_median", "ours_lowest", "ours_highest")
        ]
        ours = show[1] if show[2] == show[3] else f"{show[1]} ({show[2]}–{show[3]})"
        rows.append([f"{record['weight_decay']:g}", name, show[0], ours, str(record["seeds"]), record["verdict"]])
    return Shown(["Decay", "Quantity", "Log", "Ours: median (range)", "Seeds", "Verdict"], rows, left=2)


def _overlap(one: list[Any], other: list[Any]) -> bool:
    """Whether two ranges of k@95% have a value in common; None, more than can be removed, ranks above all."""
    ranked = [[float("inf") if value is None else value for value in values] for values in (one, other)]
    if not all(ranked):
        return False
    return min(ranked[0]) <= max(ranked[1]) and min(ranked[1]) <= max(ranked[0])


def orders(results: Results) -> dict[str, bool]:
    """The entry's statements of order, judged by medians over seeds at the end of training."""
    end = at_end(results)

    def medians(column: str) -> dict[float, float]:
        found = {d: ranked_median(end.where(weight_decay=d).column(column)) for d in decays(results)}
        return {d: float("inf") if m is None else m for d, m in found.items()}

    rank, k, touch = medians("rank99"), medians("k_at_95"), _touches(results)
    ordered = decays(results)
    return {
        "rank falls as decay grows": all(rank[a] >= rank[b] for a, b in pairwise(ordered)),
        "0.1 resists most": all(k[0.1] > k[d] for d in ordered if d != 0.1),
        "decay 1 groks ten times sooner than 0": touch[1.0] * 10 <= touch[0.0],
    }


def _touches(results: Results) -> dict[float, float]:
    medians = {
        d: ranked_median([r.metrics["first_touch"] for r in results.where(weight_decay=d)]) for d in decays(results)
    }
    return {d: float("inf") if m is None else m for d, m in medians.items()}


def tables(results: Results) -> dict[str, Table]:
    """What the figures of the chapter draw, by name."""
    return {
        "abliteration_curves": abliteration_curves(results),
        "moments": moments(results),
        "validation_curves": learning_curves(results),
        "judged": judged(results),
        "planes": planes(results),
    }


def numbers(results: Results) -> dict[str, str]:
    """The numbers of the chapter's prose."""
    end = at_end(results)
    names = {0.0: "wd0", 0.01: "wd001", 0.1: "wd01", 1.0: "wd1", 10.0: "wd10"}
    log = {row[0]: row for row in results.experiment.published["rows"]}
    k_column = results.experiment.published["columns"].index("k_at_95")
    found = {
        "runs": str(len(results)),
        "published_wd01_k95": str(log[0.1][k_column]),
        "published_wd1_k95": str(log[1.0][k_column]),
    }
    verdicts = judged(results).column("verdict")
    found |= {
        "judged": str(len(verdicts)),
        "reproduced": str(verdicts.count("reproduced")),
        "at_some_moment": str(verdicts.count("at some moment")),
        "not_reproduced": str(verdicts.count("not reproduced")),
    }
    ranges = {
        "at_end": [end.where(weight_decay=d).column("k_at_95") for d in (0.1, 1.0)],
        "calm": [calm(results, d).column("k_at_95") for d in (0.1, 1.0)],
    }
    for name, (weak, strong) in ranges.items():
        found[f"ranges_{name}"] = "overlap" if _overlap(weak, strong) else "do not overlap"
    for claim, holds in orders(results).items():
        found["order_" + claim.replace(" ", "_").replace(".", "")] = "holds" if holds else "does not hold"
    for decay in decays(results):
        name = names[decay]
        chosen = end.where(weight_decay=decay)
        runs = results.where(weight_decay=decay)
        found |= {
            f"{name}_seeds": str(len(runs)),
            f"{name}_trained": number(max(r.metrics["final_step"] for r in runs)),
            f"{name}_grok": spread([r.metrics["grokking_step"] for r in runs]),
            f"{name}_touch": spread([r.metrics["first_touch"] for r in runs]),
            f"{name}_accuracy": spread(chosen.column("validation_accuracy"), lambda v: percent(v, 1)),
            f"{name}_rank99": spread(chosen.column("rank99")),
            f"{name}_k95": spread(chosen.column("k_at_95"), never="more than can be removed"),
            f"{name}_k95_zero": spread(chosen.column("k_at_95_zero"), never="more than can be removed"),
            f"{name}_k95_random": spread(chosen.column("k_at_95_random"), never="all"),
            f"{name}_k95_random_zero": spread(chosen.column("k_at_95_random_zero"), never="all"),
            f"{name}_mean": spread(chosen.column("mean_share"), percent),
            f"{name}_fourier": spread(chosen.column("fourier_share"), percent),
        }
        settled = calm(results, decay).column("k_at_95")
        below, evaluated = dips(results, decay)
        ended_low = [r for r in runs if r.metrics["grokking_step"] and r.metrics["validation_accuracy"] < 0.95]
        found |= {
            f"{name}_k95_moments": spread(settled, never="all") if settled else "none",
            f"{name}_moments": str(len(settled)),
            f"{name}_dips": str(below),
            f"{name}_evaluations": str(evaluated),
            f"{name}_ended_low": str(len(ended_low)),
        }
    return found
