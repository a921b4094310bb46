"""Properties of a trained network that are settled by asking it everything (log entry 1).

The models of phase 1.2 whose weights are stored have p² inputs. Two properties are decided for each: that every answer
is right, and that the answer to a + b is the answer to b + a.
"""

from __future__ import annotations

from math import comb

import numpy as np
import torch
from numpy.typing import NDArray

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import Shown, Table, Value, number, percent, table_of
from epistemics.chapters.baselines.chapter import dissected
from epistemics.science.measures import final_states
from epistemics.science.network import named_parameters
from epistemics.science.tasks import table, training_rows

SAMPLE = 100
"""Inputs of a test that is held against asking everything."""


def logits(run: StoredRun) -> NDArray[np.float64]:
    """The network's output for every question, [p, p, p]: a, b, answer. The last product is taken in float64."""
    c = run.configuration
    parameters = torch.from_numpy(run.result.weights["parameters"])
    states = final_states(c, parameters, table(c.modulus, c.operations).questions)
    weights = named_parameters(c.architecture, parameters[None])
    weight, bias = (weights[f"unembedding.{name}"][0].double().numpy() for name in ("weight", "bias"))
    found: NDArray[np.float64] = (states @ weight + bias).reshape(c.modulus, c.modulus, c.modulus)
    return found


def asymmetric_pairs(answers: NDArray[np.int64]) -> int:
    """Pairs a < b for which the answers [p, p] to a, b and to b, a differ."""
    return int(np.triu(answers != answers.T, 1).sum())


def unseen(violations: int, inputs: int, sample: int = SAMPLE) -> float:
    """The chance that so many inputs, or all if there are fewer, drawn without replacement, hold no violation."""
    drawn = min(sample, inputs)
    return comb(inputs - violations, drawn) / comb(inputs, drawn)


def verdicts(single: Results) -> Table:
    """What is found of each network: inputs that violate either property, and the least margin of an answer.

    Args:
        single: the results of phase 1.2.
    """
    rows: list[dict[str, Value]] = []
    for run in dissected(single):
        c = run.configuration
        found = logits(run)
        answers = found.argmax(-1)
        questions = table(c.modulus, c.operations)
        wrong = answers.ravel() != questions.answers
        ordered = np.sort(found, axis=-1)
        pairs = asymmetric_pairs(answers)
        rows.append(
            {
                "weight_decay": c.weight_decay,
                "seed": c.seed,
                "inputs": len(wrong),
                "wrong": int(wrong.sum()),
                "wrong_in_training": int(wrong[training_rows(questions, c.train_fraction, c.seed)].sum()),
                "pairs": c.modulus * (c.modulus - 1) // 2,
                "asymmetric_pairs": pairs,
                "least_margin": round(float((ordered[..., -1] - ordered[..., -2]).min()), 4),
                "unseen": round(unseen(int(wrong.sum()), len(wrong)), 4),
                "run": run.run.key,
            }
        )
    return table_of(rows)


@traced
def shown(verdicts: Table) -> Shown:
    """The same for reading."""
    rows = [
        [
            f"{r['weight_decay']:g}",
            str(r["seed"]),
            number(r["wrong"]),
            number(r["asymmetric_pairs"]),
            number(r["least_margin"], 3),
            "yes" if r["wrong"] == 0 else "no",
            "yes" if r["asymmetric_pairs"] == 0 else "no",
            percent(r["unseen"], 1),
        ]
        for r in verdicts.records()
    ]
    headings = ["Decay", "Seed", "Wrong", "Asymmetric", "Least margin", "All right?", "Symmetric?", "Unseen"]
    return Shown(headings, rows, left=1)
