"""Log entry 10: does geometry predict robustness to inputs? A first look at models of phase 1.2 with stored weights.

What enters a model is an embedding, so its smallest attack is the shortest change of the first number's embedding that
changes the answer. It is searched by DeepFool (Moosavi-Dezfooli, Fawzi & Frossard 2016, arXiv:1511.04599): step onto
the nearest boundary of the linearised model until the answer changes, then go back along the straight line as far as it
stays changed. What is found is a length at which the answer does change; a shorter one may exist.

The yardstick is the distance to the embedding of the nearest other number: going all that way asks another question,
whose answer is another. A model that decoded each embedding to the nearest number would give way at half of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import (
    Numbers,
    Shown,
    Table,
    Value,
    name_of_value,
    number,
    of_setting,
    percent,
    spread,
    table_of,
)
from epistemics.chapters.baselines.chapter import NAMED, OPERATION, dissected
from epistemics.chapters.contents import Share
from epistemics.chapters.phase_1_2 import chapter as phase_1_2
from epistemics.declared.project import Project
from epistemics.science.abliteration import falls_at
from epistemics.science.configuration import Configuration
from epistemics.science.network import named_parameters, parameter_count
from epistemics.science.residual_stream import blocks, embedded
from epistemics.science.tasks import table, training_rows

SAMPLE = 200
"""Held-out questions that are attacked in each model, drawn by its seed."""
RIVALS = 10
"""Other answers towards which a step may go: those that the model rates highest."""
STEPS = 20
"""DeepFool's, at most; two are mostly enough."""
OVERSHOOT = 0.02
"""How much farther than the linearised boundary is looked: DeepFool's own choice."""
HALVINGS = 12
"""Of the last length, on the way back to where the answer changes."""

SMALLEST_LANGUAGE_MODEL = 1.5e9
"""Parameters of the smallest language model of the chapter on literature: Abu Shairah et al. 2025, arXiv:2505.19056."""

CORRELATIONS = {"half": 0.5, "third": 0.3}
"""Between geometry and robustness, for which the models are counted that could tell them from none."""
LEVEL, POWER = 0.05, 0.8

PUBLISHED_PARAMETERS = "420 thousand"
"""Of the log's models, by its entry 10."""

Logits = Callable[[Tensor], Tensor]
"""Changes of the inputs [n, d] → logits [n, classes]."""


def load(project: Project | None = None) -> Results:
    """The results of phase 1.2 under the current profile."""
    return phase_1_2.load(project)


def smallest_changes(logits: Logits, answers: Tensor, dimensions: int) -> Tensor:
    """The shortest changes found at which the largest logit is no longer that of the answer, [n, dimensions].

    Zero where it is not to begin with; NaN where no change was found.

    Args:
        logits: differentiable, each row a function of its own change alone.
        answers: [n].
    """
    rows = torch.arange(len(answers))
    change = torch.zeros(len(answers), dimensions)
    with torch.no_grad():
        start = logits(change).clone()
        start[rows, answers] = -torch.inf
        rivals = start.topk(min(RIVALS, start.shape[1] - 1)).indices
    changed = _others_win(logits, change, answers)
    for _ in range(STEPS):
        if bool(changed.all()):
            break
        change.requires_grad_()
        values = logits(change)
        lead = values[rows, answers, None] - values.gather(1, rivals)  # [n, rivals], of the answer over each
        slopes = torch.stack(
            [torch.autograd.grad(lead[:, r].sum(), change, retain_graph=True)[0] for r in range(lead.shape[1])], 1
        )
        change, lead = change.detach(), lead.detach().clamp_min(1e-6)
        squares = slopes.square().sum(-1).clamp_min(1e-30)
        nearest = (lead / squares.sqrt()).argmin(1)
        step = -(lead / squares)[rows, nearest, None] * slopes[rows, nearest]
        change = torch.where(changed[:, None], change, change + step)
        changed |= _others_win(logits, change * (1 + OVERSHOOT), answers)
    low, high = torch.zeros(len(answers)), torch.full((len(answers),), 1 + OVERSHOOT)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        beyond = _others_win(logits, change * middle[:, None], answers)
        low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
    return torch.where(changed[:, None], change * high[:, None], torch.nan)


def _others_win(logits: Logits, change: Tensor, answers: Tensor) -> Tensor:
    with torch.no_grad():
        return logits(change).argmax(-1) != answers


def with_first_number_changed(configuration: Configuration, parameters: Tensor, questions: Tensor) -> Logits:
    """Logits of questions [n, 3] when something [n, d_model] is added to the embedding of a.

    Args:
        parameters: [N] of one member, on the CPU.
    """
    before = embedded(configuration, parameters, questions.numpy())
    following = blocks(configuration, parameters)
    weights = named_parameters(configuration.architecture, parameters[None])

    def logits(change: Tensor) -> Tensor:
        stream = torch.cat([before[:, :1] + change[:, None], before[:, 1:]], 1)
        for _, block in following:
            stream = block(stream)
        return stream[:, -1] @ weights["unembedding.weight"][0] + weights["unembedding.bias"][0]

    return logits


def attacks(single: Results) -> Table:
    """One row for each attacked question that the model answers right: how long the change is that was found."""
    rows: list[dict[str, Value]] = []
    for run in dissected(single):
        rows += _attacked(run)
    return table_of(rows)


def _attacked(run: StoredRun) -> list[dict[str, Value]]:
    c, parameters = run.configuration, torch.from_numpy(run.result.weights["parameters"])
    every = table(c.modulus, c.operations)
    held_out = np.flatnonzero(~training_rows(every, c.train_fraction, c.seed))
    sample = np.random.default_rng([c.seed, 6]).permutation(held_out)[:SAMPLE]
    questions, answers = torch.from_numpy(every.questions[sample]), torch.from_numpy(every.answers[sample])
    logits = with_first_number_changed(c, parameters, questions)
    lengths = smallest_changes(logits, answers, c.d_model).norm(dim=1)
    numbers = named_parameters(c.architecture, parameters[None])["embedding"][0][: c.modulus]
    norms, nearest = numbers.norm(dim=1)[questions[:, 0]], nearest_other(numbers)[questions[:, 0]]
    aside = torch.randn(len(sample), c.d_model, generator=torch.Generator().manual_seed(c.seed))
    aside_wins = _others_win(logits, aside / aside.norm(dim=1, keepdim=True) * nearest[:, None], answers)
    return [
        {
            "weight_decay": c.weight_decay,
            "seed": c.seed,
            "a": int(questions[i, 0]),
            "b": int(questions[i, 2]),
            "length": round(float(lengths[i]), 6),
            "of_norm": round(float(lengths[i] / norms[i]), 4),
            "of_nearest": round(float(lengths[i] / nearest[i]), 4),
            "random_changes": bool(aside_wins[i]),
            "run": run.run.key,
        }
        for i in range(len(sample))
        if lengths[i] > 0  # neither answered wrong untouched, nor NaN
    ]


def nearest_other(points: Tensor) -> Tensor:
    """The distance from each of points [n, d] to the nearest other, [n]."""
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.fill_diagonal_(torch.inf).min(1).values


def models(single: Results, attacked: Table) -> Table:
    """One row for each model: the lengths found beside k@95% at the same moment, the end of training."""
    rows: list[dict[str, Value]] = []
    for run in dissected(single):
        of_run = attacked.where(run=run.run.key)
        if not len(of_run):
            continue
        low, middle, high = np.quantile(of_run.column("of_nearest"), (0.1, 0.5, 0.9))
        rows.append(
            {
                "weight_decay": run.configuration.weight_decay,
                "seed": run.configuration.seed,
                "attacked": len(of_run),
                "of_norm": round(float(np.median(of_run.column("of_norm"))), 4),
                "of_nearest": round(float(middle), 4),
                "of_nearest_low": round(float(low), 4),
                "of_nearest_high": round(float(high), 4),
                "random_changes": round(float(np.mean(of_run.column("random_changes"))), 4),
                "k_at_95": falls_at(run.result.arrays[f"{OPERATION}.about_mean"][-1], 0.95),
                "run": run.run.key,
            }
        )
    return table_of(rows)


def summary(models: Table) -> Shown:
    """Each model: how far its first number can be moved, and how many directions it survives."""
    rows = [
        [
            f"{row['weight_decay']:g}",
            str(row["seed"]),
            number(row["k_at_95"], missing="all"),
            number(row["of_norm"], 3),
            f"{number(row['of_nearest'], 3)} ({number(row['of_nearest_low'], 3)}–{number(row['of_nearest_high'], 3)})",
            percent(row["random_changes"]),
            str(row["attacked"]),
        ]
        for row in models.records()
    ]
    headings = ["Decay", "Seed", "k@95%", "Of the norm", "Of the way to the nearest", "Random", "Questions"]
    return Shown(headings, rows, left=2)


def models_needed(correlation: float, level: float = LEVEL, power: float = POWER) -> int:
    """How many models it takes to tell a correlation from none, by Fisher's z, two-sided."""
    normal = NormalDist()
    deviations = normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)
    return math.ceil((deviations / math.atanh(correlation)) ** 2 + 3)


def tables(single: Results) -> dict[str, Table]:
    """What the figure of the chapter draws, by name."""
    attacked = attacks(single)
    return published(__name__, {"attacks": attacked, "models": models(single, attacked)}, single)


def numbers(single: Results, tables: dict[str, Table]) -> Numbers:
    """The numbers of the chapter's prose."""
    every = tables["models"]
    counts = sorted({parameter_count(run.configuration.architecture) for run in single})
    return {
        "parameters": " or ".join(number(count) for count in counts),
        "models": _counted(len(every)),
        "sample": str(SAMPLE),
        "rivals": str(RIVALS),
        "power": percent(POWER),
        **{f"correlation_{name}": f"{size:g}" for name, size in CORRELATIONS.items()},
        **{f"needed_{name}": str(models_needed(size)) for name, size in CORRELATIONS.items()},
        "published_parameters": PUBLISHED_PARAMETERS,
        "times_smaller": number(round(SMALLEST_LANGUAGE_MODEL / max(counts), -2)),
        "decay": {name_of_value(decay): _of_decay(every.where(weight_decay=decay)) for decay in NAMED},
    }


def _of_decay(models: Table) -> Numbers:
    found = {
        "models": _counted(len(models)),
        "of_nearest": spread(models.column("of_nearest"), lambda v: number(v, 2)),
        "of_norm": spread(models.column("of_norm"), lambda v: number(v, 2)),
        "k95": spread(models.column("k_at_95"), never="all"),
        "random": spread(models.column("random_changes"), percent),
    }
    return of_setting(found, bool(len(models)))


def _counted(models: int) -> str:
    return f"{models} model" + ("" if models == 1 else "s")


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    single = load(project)
    made = tables(single)
    return numbers(single, made), made
