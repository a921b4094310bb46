"""What phase 1.2 measures of its runs, as tables (log entry 8).

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
from typing import Any

import numpy as np
import torch

from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import Table, table_of
from epistemics.science.abliteration import falls_at, survives
from epistemics.science.geometry import class_directions, fourier_power, variance_rank
from epistemics.science.measures import final_states
from epistemics.science.tasks import table

OPERATION = "add"
STRONGEST_FREQUENCIES = 8
CALM = 0.99
"""Validation accuracy from which a moment after grokking counts as calm: not in one of training's dips."""
RANK_SHARE = 0.99


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


def calm(results: Results, decay: float) -> Table:
    """The rows of ``moments`` of one decay from the grokking step on, outside training's dips."""
    return since_grokking(results, decay, lambda record: record["validation_accuracy"] >= CALM)


def since_grokking(results: Results, decay: float, kept: Callable[[dict[str, Any]], bool]) -> Table:
    """The rows of ``moments`` of one decay from the grokking step on that are to be kept."""
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
    plane's two coordinates along the answers. A model of fewer directions has none.
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
        if len(directions) < 4:
            continue
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
