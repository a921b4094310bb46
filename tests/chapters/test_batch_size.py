"""Batch size: budgets, arms, the prediction's criterion and the noise scale, on made-up runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stored import made_up

from epistemics.analysis.claims import load_claims
from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import ABSENT, ranges_compared
from epistemics.chapters.batch_size import chapter as batch_size
from epistemics.chapters.batch_size import figures
from epistemics.chapters.batch_size import noise as batch_size_noise
from epistemics.chapters.batch_size.chapter import CLAIM, FIXED, PROPORTIONAL
from epistemics.declared.experiments import Experiment
from epistemics.declared.project import find_project
from epistemics.declared.runs import Run
from epistemics.science.configuration import Configuration
from epistemics.science.noise import LARGE, SMALL
from epistemics.store.record import Arrays

Make = Callable[..., Configuration]
Touches = dict[tuple[int, float], list[int | None]]
"""Batch size and weight decay → step of the first touch, a run for each seed."""

# At 8, 16 and 32 questions a step 800, 400 and 400 steps: 6,400 samples at least, and 400 steps.
STEPS = {8: 800, 16: 400, 32: 400}
CALM: Touches = {
    (8, 1.0): [100, 120, 140],
    (16, 1.0): [100, 100, 110],
    (32, 1.0): [90, 100, 110],
    (8, 0.5): [300, 320, 340],
    (32, 2.0): [60, 70, None],
}


def stored(c: Configuration, arrays: Arrays, **metrics: object) -> StoredRun:
    run = Run("made-up", "paper", "group", c, keep_weights=False)
    return StoredRun(run, made_up(run.key, metrics, arrays), "fresh")


def results_of(runs: list[StoredRun]) -> Results:
    return Results(Experiment("made-up", "Made up", 6, "paper", tuple(stored.run for stored in runs)), tuple(runs))


def made(configuration: Make, touches: Touches) -> Results:
    """Runs that are at 10% until they touch, and right from then on."""
    runs = []
    for (size, decay), by_seed in touches.items():
        for seed, touch in enumerate(by_seed):
            c = configuration(batch_size=size, weight_decay=decay, seed=seed, steps=STEPS[size])
            step = np.arange(0, c.steps + 1, 10)
            accuracy = np.where(step >= (c.steps + 1 if touch is None else touch), 1.0, 0.1).astype(np.float32)
            arrays: Arrays = {"history.step": step, "history.validation_accuracy": accuracy}
            metrics: dict[str, object] = {
                "first_touch": touch,
                "final_step": c.steps,
                "validation_accuracy": float(accuracy[-1]),
            }
            runs.append(stored(c, arrays, **metrics))
    return results_of(runs)


def along(configuration: Make, scales: list[float], grokked: int | None = 20) -> Results:
    """One run at weight decay 1 with these noise scales, every ten steps."""
    steps = [10 * (index + 1) for index in range(len(scales))]
    squares = [(1.0, 0.01) if s == float("inf") else (1 + s / SMALL, 1 + s / LARGE) for s in scales]
    arrays = {
        "add.gradient_small": np.array([small for small, _ in squares]),
        "add.gradient_large": np.array([large for _, large in squares]),
        "add.validation_accuracy": np.ones(len(scales), np.float32),
    }
    return results_of([stored(configuration(), arrays, moments=steps, grokking_step=grokked)])


def changed(**touches: list[int | None]) -> Touches:
    """The calm runs with other first touches at fixed decay: ``b32=[100]``."""
    return CALM | {(int(name[1:]), 1.0): steps for name, steps in touches.items()}


def test_samples_are_steps_times_batch_size(configuration: Make) -> None:
    table = batch_size.runs(made(configuration, CALM))
    assert table.where(decay=FIXED, batch_size=8).column("touch_samples") == [800, 960, 1120]
    assert table.where(decay=FIXED, batch_size=32).column("touch_samples") == [2880, 3200, 3520]
    assert set(table.column("sample_budget")) == {6400}
    assert set(table.column("step_budget")) == {400}


def test_a_run_stands_in_every_arm_that_it_belongs_to(configuration: Make) -> None:
    table = batch_size.runs(made(configuration, CALM))
    pairs = {
        arm: sorted({(r["batch_size"], r["weight_decay"]) for r in table.where(decay=arm).records()})
        for arm in (FIXED, PROPORTIONAL)
    }
    assert pairs == {FIXED: [(8, 1), (16, 1), (32, 1)], PROPORTIONAL: [(8, 0.5), (16, 1), (32, 2)]}
    rows = batch_size.by_samples(made(configuration, CALM)).rows
    pressures = {row[4] for row in rows if row[0] == PROPORTIONAL}
    assert len(pressures) == 1
    assert [row[4] for row in rows if row[0] == FIXED] == ["0.8", "0.4", "0.2"]


def test_what_a_run_does_after_the_samples_does_not_count_there(configuration: Make) -> None:
    """At 32 questions a step the total of samples is used up after 200 of the 400 steps."""
    results = made(configuration, changed(b32=[200, 210, 390]))
    table = batch_size.runs(results)
    assert batch_size.samples_to_touch(table, FIXED, 32) == [6400, None, None]
    assert batch_size.steps_to_touch(table, 32) == [200, 210, 390]
    own = table.where(decay=FIXED, batch_size=32)
    assert own.column("accuracy_within_samples") == pytest.approx([1.0, 0.1, 0.1])
    assert own.column("accuracy_within_steps") == [1.0, 1.0, 1.0]
    assert batch_size.sample_medians(table, FIXED)[32] is None


def test_what_a_run_does_after_the_steps_does_not_count_there(configuration: Make) -> None:
    table = batch_size.runs(made(configuration, changed(b8=[400, 410, 790])))
    assert batch_size.steps_to_touch(table, 8) == [400, None, None]
    assert batch_size.samples_to_touch(table, FIXED, 8) == [3200, 3280, 6320]


@pytest.mark.parametrize(
    ("touches", "holds"),
    [
        ({}, True),
        # equal medians do not fall
        ({"b8": [200], "b16": [100], "b32": [50]}, True),
        ({"b8": [210], "b16": [100], "b32": [100]}, False),
        # it is the median that counts, not the best seed
        ({"b16": [10, 100, 110]}, True),
        # at a fixed total of samples: 32 questions a step have but 200 steps
        ({"b32": [210]}, True),
        ({"b16": [None], "b32": [200]}, False),
        # "never" is above every number, and not below itself
        ({"b8": [None, None, 10], "b16": [None], "b32": [390]}, None),
        ({"b8": [10, 10, None], "b16": [None], "b32": [390]}, True),
        ({"b8": [None], "b16": [100], "b32": [100]}, False),
    ],
)
def test_the_prediction_by_its_criterion(
    configuration: Make, touches: dict[str, list[int | None]], holds: bool | None
) -> None:
    found = batch_size.evidence(made(configuration, changed(**touches)))
    assert found[CLAIM].holds is holds


def test_the_evidence_is_for_a_claim_of_the_log(configuration: Make) -> None:
    claims = {claim.id: claim for claim in load_claims(find_project(start=Path(__file__).parent).experiments)}
    results = made(configuration, changed(b32=[None]))
    assert batch_size.evidence(results).keys() <= claims.keys()
    assert batch_size.evidence(results)[CLAIM].said == "960 at 8, 1,600 at 16, never at 32"
    found = batch_size.numbers(results, along(configuration, [100.0]), claims)
    assert found["verdict"] == "reproduced"
    assert found["fixed"]["order"] == "never falls"
    assert found["fixed"]["ratio"] == "more than 6.7"  # 6,400 samples over 960
    assert found["fixed"]["ranges"] == "do not overlap"
    assert found["proportion"]["ratio"] == "0.9"  # 70 steps of 32 over 320 of 8
    assert (found["steps_fewest_at"], found["steps_ranges"]) == ("16", "do not overlap")
    assert found["smallest"]["fixed"]["pressure"] == "0.8"


def test_ranges_with_a_seed_that_never_gets_there_have_no_upper_end() -> None:
    assert ranges_compared([100, None], [900]) == "overlap"
    assert ranges_compared([100, 200], [300, None]) == "do not overlap"
    assert ranges_compared([100], [None]) == "do not overlap"
    assert ranges_compared([None], [None]) == "cannot be compared"


def test_the_noise_scale_along_a_run(configuration: Make) -> None:
    table = batch_size_noise.noise(along(configuration, [700.0, float("inf"), 30.0, 0.0]))
    assert table.column("noise_scale") == pytest.approx([700, None, 30, 0])
    assert table.column("phase") == ["before", "at", "after", "after"]
    assert set(batch_size_noise.noise(along(configuration, [700.0] * 3, grokked=None)).column("phase")) == {"before"}


def test_an_infinite_noise_scale_ranks_above_every_number(configuration: Make) -> None:
    beyond = along(configuration, [float("inf"), 50.0, 20.0, float("inf"), 40.0])
    found = batch_size_noise.numbers(beyond, 8, 32)
    assert found["beyond"] == "2"
    assert found["decay"]["1_0"]["before"] == "beyond measure"
    assert found["decay"]["1_0"]["after"] == "40 (20–beyond measure)"
    assert found["decay"]["1_0"]["at"] == "50"
    assert found["decay"]["0_1"]["at"] == ABSENT
    assert found["predicted_ratio"] == "1.0"
    assert batch_size_noise.numbers(along(configuration, [16.0]), 8, 32)["predicted_ratio"] == "2.0"
    assert batch_size_noise.numbers(along(configuration, [0.0]), 8, 32)["predicted_ratio"] == "4.0"


@pytest.mark.parametrize("touch", [100, None])
def test_every_run_is_one_point_though_it_stands_in_both_arms(configuration: Make, touch: int | None) -> None:
    """Where all get there, and where there is nothing but "never" to scale the axes by."""
    few, many = (
        batch_size.runs(made(configuration, {setting: [touch] * seeds for setting in CALM})) for seeds in (1, 3)
    )
    for draw, settings in ((figures.samples, 5), (figures.steps, 3)):
        marks = [draw(table).svg.count("<use") for table in (few, many)]  # those of the axes are the same
        assert marks[1] - marks[0] == 2 * settings


def test_a_noise_scale_beyond_measure_or_of_nothing_is_drawn_at_the_edges(configuration: Make) -> None:
    plain, edges = (
        figures.noise(batch_size_noise.noise(along(configuration, [100.0, *middle, 100.0]))).svg
        for middle in ([200.0, 50.0], [float("inf"), 0.0])
    )
    open_points = [len(re.findall(r'fill-opacity: 0[;"]', svg)) for svg in (plain, edges)]
    assert open_points[0] + 2 == open_points[1]
