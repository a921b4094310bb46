"""Phase 1.2, log entry 8: weight decay, the geometry of the representation, and abliteration.

Definitions, and the reading of the log that each follows:

- rank99: singular values that hold 99% of the variance of the centred final states at the answer position, over
  all p² questions. The log says "effective rank" without a definition.
- Directions: singular vectors of the class means less the mean of all states. The log says "SVD".
- k@95%: the fewest directions whose removal brings validation accuracy below 95%. The log prints k@95% = 3 and
  "survives 11": one less is the other reading, ``survives_95``; both are computed.
- Cut about the mean (a removed direction keeps its average) and about zero; the log does not say which.
- Fourier share: spectral power of the number embedding in its eight strongest frequencies.
- Moment: at the grokking step, some steps after it and at the end of training; the log gives one, unnamed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from epistemics.abliteration import falls_at, survives
from epistemics.geometry import class_directions, fourier_power, variance_rank
from epistemics.measures import final_states
from epistemics.results import Results, StoredRun, load_results
from epistemics.tables import Shown, Table, number, percent, ranked_median, spread, table_of
from epistemics.tasks import table

OPERATION = "add"
STRONGEST_FREQUENCIES = 8
CALM = 0.99
"""Validation accuracy from which a moment after grokking counts as calm: not in one of training's dips."""
RANK_SHARE = 0.99


def load() -> Results:
    """The results of experiment phase-1-2 under the current profile."""
    return load_results("phase-1-2")


def moments(results: Results) -> Table:
    """One row for each run and measured moment: accuracy, geometry and where the abliteration curves fall."""
    return table_of([_measured(run, index) for run in results for index in range(len(run.metrics["moments"]))])


def _measured(run: StoredRun, index: int) -> dict[str, Any]:
    arrays, step = run.result.arrays, run.metrics["moments"][index]
    about_mean = arrays[f"{OPERATION}.about_mean"][index]
    about_zero = arrays[f"{OPERATION}.about_zero"][index]
    power = np.sort(arrays[f"{OPERATION}.fourier_power"][index])[::-1]
    grokked = run.metrics["grokking_step"]
    return {
        "weight_decay": run.configuration.weight_decay,
        "seed": run.configuration.seed,
        "step": step,
        "after_grokking": None if grokked is None else step - grokked,
        "at_end": step == run.metrics["final_step"],
        "validation_accuracy": round(float(arrays[f"{OPERATION}.validation_accuracy"][index]), 4),
        "rank99": variance_rank(arrays[f"{OPERATION}.spectrum"][index].astype(np.float64), RANK_SHARE),
        "k_at_95": falls_at(about_mean, 0.95),
        "survives_95": survives(about_mean, 0.95),
        "k_at_50": falls_at(about_mean, 0.5),
        "k_at_95_zero": falls_at(about_zero, 0.95),
        "k_at_95_random": falls_at(arrays[f"{OPERATION}.random_about_mean"][index], 0.95),
        "k_at_95_random_zero": falls_at(arrays[f"{OPERATION}.random_about_zero"][index], 0.95),
        "mean_share": round(float(arrays[f"{OPERATION}.mean_share"][index]), 4),
        "fourier_share": round(float(power[:STRONGEST_FREQUENCIES].sum()), 4),
        "run": run.run.key,
    }


def at_end(results: Results) -> Table:
    """The rows of ``moments`` at the end of each run."""
    return moments(results).where(at_end=True)


def after_grokking(results: Results, steps: int) -> Table:
    """The rows of ``moments`` so many steps after each run's grokking step."""
    return moments(results).where(after_grokking=steps)


def calm(results: Results, decay: float) -> Table:
    """The rows of ``moments`` of one decay from the grokking step on, outside training's dips."""
    return _since_grokking(results, decay, lambda record: record["validation_accuracy"] >= CALM)


def _since_grokking(results: Results, decay: float, kept: Callable[[dict[str, Any]], bool]) -> Table:
    measured = moments(results)
    rows = [
        tuple(record.values())
        for record in measured.where(weight_decay=decay).records()
        if record["after_grokking"] is not None and record["after_grokking"] >= 0 and kept(record)
    ]
    return Table(measured.columns, tuple(rows))


def dips(results: Results, decay: float) -> tuple[int, int]:
    """How many evaluations from the grokking step on, over all runs of one decay, are below 95%, and of how many.

    They are not bad luck of one run: training at strong decay leaves and finds its solution again and again.
    """
    below = total = 0
    for run in results.where(weight_decay=decay):
        grokked, arrays = run.metrics["grokking_step"], run.result.arrays
        if grokked is not None:
            accuracies = arrays["history.validation_accuracy"][arrays["history.step"] >= grokked]
            below += int((accuracies < run.configuration.grokking_accuracy).sum())
            total += len(accuracies)
    return below, total


def abliteration_curves(results: Results) -> Table:
    """Validation accuracy after removing k directions, for every k, at each run's last calm moment, or at its end."""
    rows = []
    for run in results:
        arrays = run.result.arrays
        accuracies = arrays[f"{OPERATION}.validation_accuracy"]
        calm_ones = np.flatnonzero(accuracies >= CALM)
        last = int(calm_ones[-1]) if len(calm_ones) else len(accuracies) - 1
        for curve in ("about_mean", "about_zero", "random_about_mean"):
            for k, accuracy in enumerate(arrays[f"{OPERATION}.{curve}"][last]):
                rows.append(
                    {
                        "weight_decay": run.configuration.weight_decay,
                        "seed": run.configuration.seed,
                        "step": run.metrics["moments"][last],
                        "curve": curve,
                        "removed": k,
                        "accuracy": round(float(accuracy), 4),
                    }
                )
    return table_of(rows)


def learning_curves(results: Results) -> Table:
    """Validation accuracy at every evaluation of every run."""
    rows = []
    for run in results:
        arrays = run.result.arrays
        for step, accuracy in zip(arrays["history.step"], arrays["history.validation_accuracy"], strict=True):
            rows.append(
                {
                    "weight_decay": run.configuration.weight_decay,
                    "seed": run.configuration.seed,
                    "step": int(step),
                    "validation_accuracy": round(float(accuracy), 4),
                }
            )
    return table_of(rows)


def planes(results: Results) -> Table:
    """Where the answers lie: class means in the planes of the strongest directions, from stored weights.

    For each model whose weights are kept, the class means less the mean of all states, along directions 1 to 4, and
    the frequency that fits each plane best: the one with the most power in the discrete Fourier transform of the
    plane's two coordinates along the answers.
    """
    rows = []
    for run in results:
        if not run.run.keep_weights:
            continue
        c = run.configuration
        questions = table(c.modulus, c.operations)
        parameters = torch.from_numpy(run.result.weights["parameters"])
        states = final_states(c, parameters, questions.questions)
        directions, _ = class_directions(states, questions.answers, c.modulus)
        means = np.stack([states[questions.answers == answer].mean(0) for answer in range(c.modulus)])
        coordinates = (means - states.mean(0)) @ directions[:4].T
        for plane in (0, 1):
            pair = coordinates[:, 2 * plane : 2 * plane + 2]
            frequency = int(np.argmax(fourier_power(pair))) + 1
            for answer, (x, y) in enumerate(pair):
                rows.append(
                    {
                        "weight_decay": c.weight_decay,
                        "seed": c.seed,
                        "plane": plane + 1,
                        "frequency": frequency,
                        "answer": answer,
                        "x": round(float(x), 4),
                        "y": round(float(y), 4),
                    }
                )
    return table_of(rows)


def decays(results: Results) -> list[float]:
    """The weight decays, ascending."""
    return sorted({run.configuration.weight_decay for run in results})


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
        "Weight decay",
        "Seeds",
        "Grokking step",
        "Validation accuracy",
        "rank99",
        "k@95%, about mean",
        "about zero",
        "random directions",
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
        "Weight decay",
        "Moment",
        "Measured",
        "Validation accuracy",
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
    """Every figure of the log's table against ours.

    The criterion was declared in the experiment file before the runs: a figure is reproduced if it lies within the
    range of ours over seeds. Grokking steps are read as the first touch of 95%; the others at the end of training,
    and beside it over every moment measured from the grokking step on, for the log does not name its moment.
    A k@95% is also compared as ``survives_95``. "Never" is a value that only "never" equals. Only runs at the log's
    scale, the paper profile, are judged.
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
            at_the_end: list[Any]
            if column == "grokking_step":
                at_the_end = along = [run.metrics["first_touch"] for run in runs]
            else:
                at_the_end = end.where(weight_decay=decay).column(column)
                since = _since_grokking(results, decay, lambda _: True)
                along = [*at_the_end, *since.column(column)]
            if column == "k_at_95":
                survived = end.where(weight_decay=decay).column("survives_95")
                at_the_end = [*at_the_end, *(k for k in survived if k is not None)]
            rows.append(
                {
                    "weight_decay": decay,
                    "quantity": column,
                    "published": log[column],
                    "ours_median": ranked_median(at_the_end),
                    "ours_lowest": _lowest(at_the_end),
                    "ours_highest": _highest(at_the_end),
                    "seeds": len(runs),
                    "verdict": _verdict(log[column], at_the_end, along, results.experiment.profile),
                }
            )
    return table_of(rows)


def _lowest(values: list[Any]) -> float | None:
    present = [v for v in values if v is not None]
    return min(present) if present else None


def _highest(values: list[Any]) -> float | None:
    """None, "never", if any value is."""
    return None if any(v is None for v in values) else max(values)


def _verdict(published: float | None, at_the_end: list[Any], along: list[Any], profile: str) -> str:
    if profile != "paper" or not at_the_end:
        return "can't be judged"
    if _inside(published, at_the_end):
        return "reproduced"
    if _inside(published, along):
        return "at some moment"
    return "not reproduced"


def _inside(published: float | None, values: list[Any]) -> bool:
    if published is None:
        return all(v is None for v in values)
    present = [v for v in values if v is not None]
    return bool(present) and min(present) <= published <= max(present)


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
    return Shown(["Weight decay", "Quantity", "Log", "Ours: median (range)", "Seeds", "Verdict"], rows, left=2)


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
