"""Batch size, the open question of log entry 6: do small batches grok in fewer samples, and if so, why?

Three comparisons over the same runs: weight decay fixed and in proportion to the batch size, both at a fixed total of
samples, and weight decay fixed at a fixed number of steps. A sample is a question drawn for a batch, so samples are
steps times batch size. The noise scale of the gradient, of other runs, is in ``noise``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import mode

import numpy as np

from epistemics.analysis.claims import Claim, Evidence, judged
from epistemics.analysis.provenance_line import published
from epistemics.analysis.stored_runs import Results, StoredRun, load_results
from epistemics.analysis.tables import (
    Numbers,
    Shown,
    Table,
    listed,
    number,
    percent,
    ranges_compared,
    ranked_median,
    spread,
    table_of,
)
from epistemics.chapters.batch_size import noise as batch_size_noise
from epistemics.chapters.contents import Share
from epistemics.chapters.ledger import chapter as ledger
from epistemics.chapters.phase_1_2 import chapter as phase_1_2
from epistemics.declared.project import Project
from epistemics.science.configuration import Configuration

FIXED, PROPORTIONAL = "fixed", "in proportion"
ARMS = (FIXED, PROPORTIONAL)
"""Weight decay at other batch sizes: the same, or the same for each sample."""
CLAIM = "6-small-batches-sooner"
SEEN = "@fig-batch-size-samples"


def load(project: Project | None = None) -> Results:
    """The results of experiment batch-size under the current profile."""
    return load_results("batch-size", project)


def sample_budget(results: Results) -> int:
    """The fixed total of samples: the most that every run was to train for."""
    return min(run.configuration.steps * run.configuration.batch_size for run in results)


def step_budget(results: Results) -> int:
    """The fixed number of steps: the most that every run was to train for."""
    return min(run.configuration.steps for run in results)


def runs(results: Results) -> Table:
    """One row a run: when it first touches 95%, in steps and in samples, and whether within either budget.

    A run that belongs to both arms stands in each.
    """
    return table_of([_run(run, arm, results) for arm in ARMS for run in _of_arm(results, arm)])


def _run(run: StoredRun, arm: str, results: Results) -> dict[str, str | int | float | bool | None]:
    c, touch, end = run.configuration, run.metrics["first_touch"], run.metrics["final_step"]
    samples, steps = sample_budget(results), step_budget(results)
    return {
        "decay": arm,
        "batch_size": c.batch_size,
        "weight_decay": c.weight_decay,
        "seed": c.seed,
        "trained_steps": end,
        "trained_samples": end * c.batch_size,
        "first_touch": touch,
        "touch_samples": None if touch is None else touch * c.batch_size,
        "sample_budget": samples,
        "within_samples": touch is not None and touch * c.batch_size <= samples,
        "accuracy_within_samples": _accuracy(run, samples // c.batch_size),
        "step_budget": steps,
        "within_steps": touch is not None and touch <= steps,
        "accuracy_within_steps": _accuracy(run, steps),
        "validation_accuracy": round(run.metrics["validation_accuracy"], 4),
        "run": run.run.key,
    }


def _accuracy(run: StoredRun, until: int) -> float:
    """Validation accuracy at the last evaluation up to a step."""
    arrays = run.result.arrays
    last = int(np.flatnonzero(arrays["history.step"] <= until)[-1])
    return round(float(arrays["history.validation_accuracy"][last]), 4)


def _of_arm(results: Results, arm: str) -> list[StoredRun]:
    """An arm's runs: those of the weight decay, or of the decay for each question of a batch, with most batch sizes."""
    measure = _MEASURES[arm]
    settings = {(run.configuration.batch_size, run.configuration.weight_decay): run.configuration for run in results}
    shared = mode(measure(c) for c in settings.values())
    found = [run for run in results if measure(run.configuration) == shared]
    return sorted(found, key=lambda run: (run.configuration.batch_size, run.configuration.seed))


_MEASURES: Mapping[str, Callable[[Configuration], float]] = {
    FIXED: lambda c: c.weight_decay,
    PROPORTIONAL: lambda c: round(c.weight_decay / c.batch_size, 9),
}


def sizes(table: Table, arm: str) -> list[int]:
    """An arm's batch sizes, ascending."""
    return sorted(set(table.where(decay=arm).column("batch_size")))


def samples_to_touch(table: Table, arm: str, size: int) -> list[int | None]:
    """Samples to the first touch of 95%, a value for each seed; None if it is not within the total."""
    chosen = table.where(decay=arm, batch_size=size)
    return [r["touch_samples"] if r["within_samples"] else None for r in chosen.records()]


def steps_to_touch(table: Table, size: int) -> list[int | None]:
    """Steps to the first touch of 95% at fixed decay, a value for each seed; None if it is not within the number."""
    chosen = table.where(decay=FIXED, batch_size=size)
    return [r["first_touch"] if r["within_steps"] else None for r in chosen.records()]


def learning_curves(results: Results) -> Table:
    """Validation accuracy at every evaluation of every run, against steps and samples."""
    rows = []
    for run in results:
        c, arrays = run.configuration, run.result.arrays
        for step, accuracy in zip(arrays["history.step"], arrays["history.validation_accuracy"], strict=True):
            rows.append(
                {
                    "batch_size": c.batch_size,
                    "weight_decay": c.weight_decay,
                    "seed": c.seed,
                    "step": int(step),
                    "samples": int(step) * c.batch_size,
                    "validation_accuracy": round(float(accuracy), 4),
                }
            )
    return table_of(rows)


def pressure(learning_rate: float, weight_decay: float, steps: float) -> float:
    """What decay alone does to a weight in so many steps, as the logarithm of the factor that it loses."""
    return learning_rate * weight_decay * steps


def by_samples(results: Results) -> Shown:
    """Both arms at the fixed total of samples: medians and ranges over seeds."""
    table, rate = runs(results), results.runs[0].configuration.learning_rate
    rows = []
    for arm in ARMS:
        for size in sizes(table, arm):
            chosen = table.where(decay=arm, batch_size=size)
            decay, steps = chosen.column("weight_decay")[0], sample_budget(results) // size
            rows.append(
                [
                    arm,
                    str(size),
                    f"{decay:g}",
                    number(steps),
                    f"{pressure(rate, decay, steps):g}",
                    _reached(chosen.column("within_samples")),
                    spread(samples_to_touch(table, arm, size)),
                    spread(chosen.column("accuracy_within_samples"), lambda v: percent(v, 1)),
                ]
            )
    headings = ["Decay", "Batch size", "λ", "Steps", "Pressure", "Reached", "Samples to 95%", "Accuracy at the end"]
    return Shown(headings, rows)


def by_steps(results: Results) -> Shown:
    """Fixed decay at the fixed number of steps: medians and ranges over seeds."""
    table, rate = runs(results), results.runs[0].configuration.learning_rate
    rows = []
    for size in sizes(table, FIXED):
        chosen = table.where(decay=FIXED, batch_size=size)
        rows.append(
            [
                str(size),
                number(step_budget(results) * size),
                f"{pressure(rate, chosen.column('weight_decay')[0], step_budget(results)):g}",
                _reached(chosen.column("within_steps")),
                spread(steps_to_touch(table, size)),
                spread(chosen.column("accuracy_within_steps"), lambda v: percent(v, 1)),
            ]
        )
    headings = ["Batch size", "Samples", "Pressure", "Reached", "Steps to 95%", "Accuracy at the end"]
    return Shown(headings, rows)


def _reached(within: Sequence[bool]) -> str:
    return f"{sum(within)} of {len(within)}"


def evidence(results: Results) -> dict[str, Evidence]:
    """What these runs say to the log's prediction, by the arm with fixed decay: the log changes the batch alone.

    Where no size has a median there is no order to speak of, and the runs can't decide.
    """
    medians = sample_medians(runs(results), FIXED)
    return {CLAIM: Evidence(SEEN, holds=does_not_fall(medians), said=_by_size(medians))}


def sample_medians(table: Table, arm: str) -> dict[int, float | None]:
    """Batch size, ascending → median over seeds of samples to the first touch; None for never."""
    return {size: ranked_median(samples_to_touch(table, arm, size)) for size in sizes(table, arm)}


def does_not_fall(medians: Mapping[int, float | None]) -> bool | None:
    """Whether no median is below that of the next smaller size, "never" above every number; None if all are never."""
    ranked = [float("inf") if m is None else m for m in medians.values()]
    if min(ranked) == float("inf"):
        return None
    return all(one <= next for one, next in pairwise(ranked))


def _by_size(medians: Mapping[int, float | None]) -> str:
    return ", ".join(f"{number(m, missing='never')} at {size}" for size, m in medians.items())


def tables(results: Results, along: Results) -> dict[str, Table]:
    """What the figures of the chapter draw, by name.

    Args:
        along: the results of phase-1-2, for the noise scale.
    """
    own = published(__name__, {"runs": runs(results), "learning_curves": learning_curves(results)}, results)
    return own | published(__name__, {"noise": batch_size_noise.noise(along)}, along)


LABELS = {FIXED: "fixed", PROPORTIONAL: "proportion"}
"""How the names of numbers call an arm."""
ORDERS = {True: "never falls", False: "falls at least once", None: "cannot be compared"}


def numbers(results: Results, along: Results, claims: Mapping[str, Claim]) -> Numbers:
    """The numbers of the chapter's prose.

    Args:
        along: as in ``tables``.
    """
    table, first = runs(results), results.runs[0].configuration
    smallest, largest = min(sizes(table, FIXED)), max(sizes(table, FIXED))
    questions = round(first.train_fraction * first.modulus**2)
    (judgement,) = judged([claims[CLAIM]], evidence(results), results.experiment.profile)
    own = {"smallest": smallest, "largest": largest}
    found: Numbers = {
        "runs": str(len(results)),
        "seeds": str(len({run.configuration.seed for run in results})),
        "sizes": listed([str(size) for size in sizes(table, FIXED)]),
        "size_ratio": f"{largest / smallest:g}",
        "epoch_of_largest": str(questions // largest),
        "sample_budget": number(sample_budget(results)),
        "step_budget": number(step_budget(results)),
        "learning_rate": f"{first.learning_rate:g}",
        "training_questions": number(questions),
        "verdict": judgement.verdict,
        "steps_fewest_at": _fewest(table),
        "steps_ratio": _ratio(step_medians(table), step_budget(results)),
        "steps_ranges": ranges_compared(*(steps_to_touch(table, size) for size in own.values())),
    }
    for arm, label in LABELS.items():
        medians = sample_medians(table, arm)
        ends = (samples_to_touch(table, arm, size) for size in own.values())
        found[label] = {
            "order": ORDERS[does_not_fall(medians)],
            "ratio": _ratio(medians, sample_budget(results)),
            "ranges": ranges_compared(*ends),
        }
    found["fixed"]["decay"] = f"{table.where(decay=FIXED).column('weight_decay')[0]:g}"
    found |= {name: _at_size(results, table, size) for name, size in own.items()}
    return found | {"noise": batch_size_noise.numbers(along, smallest, largest)}


def _at_size(results: Results, table: Table, size: int) -> Numbers:
    """The numbers of one batch size."""
    first, steps = results.where(batch_size=size)[0].configuration, sample_budget(results) // size
    decays = {arm: table.where(decay=arm, batch_size=size).column("weight_decay") for arm in ARMS}
    samples = {arm: samples_to_touch(table, arm, size) for arm in ARMS}
    found: Numbers = {
        "size": str(size),
        "steps": spread(steps_to_touch(table, size)),
        "evaluated_every": number(first.evaluate_every * size),
        "decay_ranges": ranges_compared(samples[FIXED], samples[PROPORTIONAL]),
    }
    for arm, label in LABELS.items():
        found[label] = {
            "samples": spread(samples[arm]) if samples[arm] else "not run",
            "decay": f"{decays[arm][0]:g}" if samples[arm] else "–",
            "pressure": f"{pressure(first.learning_rate, decays[arm][0], steps):g}" if samples[arm] else "–",
        }
    return found


def step_medians(table: Table) -> dict[int, float | None]:
    """The same of steps, at fixed decay."""
    return {size: ranked_median(steps_to_touch(table, size)) for size in sizes(table, FIXED)}


def _fewest(table: Table) -> str:
    """The batch sizes with the lowest median of steps to the first touch."""
    medians = step_medians(table)
    lowest = min((m for m in medians.values() if m is not None), default=None)
    return "no size" if lowest is None else " and ".join(str(size) for size, m in medians.items() if m == lowest)


def _ratio(medians: Mapping[int, float | None], budget: int) -> str:
    """Median at the largest size over that at the smallest; a bound where the largest never gets there."""
    ordered = list(medians.values())
    smallest, largest = ordered[0], ordered[-1]
    if not smallest:  # never, or before the first step
        return "unknown"
    return f"more than {budget / smallest:.1f}" if largest is None else f"{largest / smallest:.1f}"


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    sizes, single = load(project), phase_1_2.load(project)
    return numbers(sizes, single, ledger.by_id(project)), tables(sizes, single)


def evidence_of(project: Project) -> dict[str, Evidence]:
    """What its results say to the log's claims; see ``contents``."""
    return evidence(load(project))
