"""A.3 at full length: moments fall into the right third, dips stay out of them, and both decays are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from stored import made_up

from epistemics.analysis.claims import load_claims
from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import ABSENT
from epistemics.chapters.full_length import chapter as full_length
from epistemics.chapters.full_length import figures
from epistemics.declared.experiments import Experiment
from epistemics.declared.project import find_project
from epistemics.declared.runs import Run
from epistemics.science.configuration import Configuration

Make = Callable[..., Configuration]
Plan = Callable[..., StoredRun]

STEPS = 900
MOMENTS = (100, 300, 301, 600, 700, 900)


@pytest.fixture
def plan(configuration: Make) -> Plan:
    """A run that groks at step 100, measured at ``MOMENTS``, from k@95% and accuracy at each."""

    def make(decay: float, seed: int, falls: Sequence[int], accuracies: Sequence[float]) -> StoredRun:
        c = configuration(weight_decay=decay, seed=seed, steps=STEPS)
        curves = np.array([[a if k < at else 0.5 for k in range(20)] for at, a in zip(falls, accuracies, strict=True)])
        ones = np.ones((len(MOMENTS), 11))
        arrays = {f"add.{name}": curves for name in ("about_mean", "about_zero", "random_about_mean")}
        arrays |= {
            "add.random_about_zero": curves,
            "add.spectrum": ones,
            "add.fourier_power": ones / 11,
            "add.mean_share": ones[:, 0],
            "add.validation_accuracy": np.array(accuracies),
            "history.step": np.array(MOMENTS),
            "history.validation_accuracy": np.array(accuracies),
        }
        metrics = {"moments": list(MOMENTS), "grokking_step": 100, "final_step": STEPS}
        result = made_up("", metrics | {"validation_accuracy": accuracies[-1]}, arrays)
        return StoredRun(Run("full-length", "paper", "weight decay", c, False), result, "fresh")

    return make


@pytest.fixture
def results(plan: Plan) -> Results:
    """At decay 1 resistance falls from 5 to 2, with a dip at step 700; at 0.1 it stays 9."""
    runs = (
        plan(1.0, 0, [5, 5, 4, 4, 0, 2], [1.0, 1.0, 1.0, 1.0, 0.9, 1.0]),
        plan(0.1, 0, [9] * 6, [1.0] * 6),
    )
    return Results(Experiment("full-length", "Made up", 8, "paper", tuple(run.run for run in runs)), runs)


def test_a_third_has_its_last_step_and_not_that_of_the_third_before(results: Results) -> None:
    steps = [full_length.part(results, 1.0, index).column("step") for index in range(3)]
    assert steps == [[100, 300], [301, 600], [900]]  # 700 is in a dip
    assert full_length.part(results, 0.1, 2).column("step") == [700, 900]


def test_dips_count_from_the_grokking_step_on(results: Results) -> None:
    table = full_length.seeds(results)
    assert [(r["weight_decay"], r["below_95"], r["evaluations_since"]) for r in table.records()] == [
        (1.0, 1, len(MOMENTS)),
        (0.1, 0, len(MOMENTS)),
    ]
    assert table.column("k_at_95_last") == ["2", "9"]


def test_changes_are_between_neighbouring_calm_moments(results: Results) -> None:
    assert full_length.changes(results, 1.0) == [0, -1, 0]  # 700 is in a dip, and 900 is not its neighbour's
    assert full_length.changes(results, 0.1) == [0] * 5


def test_the_summary_says_what_each_third_and_the_end_survive(results: Results) -> None:
    rows = [row[:4] for row in full_length.summary(results).rows]
    assert rows == [
        ["0.1", "0 to 300", "2", "9"],
        ["0.1", "300 to 600", "2", "9"],
        ["0.1", "600 to 900", "2", "9"],
        ["0.1", "the end", "1", "9"],
        ["1", "0 to 300", "2", "5"],
        ["1", "300 to 600", "2", "4"],
        ["1", "600 to 900", "1", "2"],
        ["1", "the end", "1", "2"],
    ]


def test_a_model_that_never_groks_leaves_its_thirds_empty(plan: Plan) -> None:
    never = plan(1.0, 0, [0] * 6, [0.2] * 6)
    never.result.metrics["grokking_step"] = None
    results = Results(Experiment("full-length", "Made up", 8, "paper", (never.run,)), (never,))
    assert [row[2:4] for row in full_length.summary(results).rows] == [["0", "–"]] * 3 + [["1", "0"]]
    assert figures.along_training(full_length.tables(results)["moments"]).svg.startswith("<?xml")


def test_another_decay_is_shown_and_the_prose_says_that_the_logs_is_not_there(plan: Plan) -> None:
    runs = (plan(1.0, 0, [5] * 6, [1.0] * 6), plan(0.3, 0, [9] * 6, [1.0] * 6))
    results = Results(Experiment("full-length", "Made up", 8, "paper", tuple(run.run for run in runs)), runs)
    claims = {claim.id: claim for claim in load_claims(find_project(start=Path(__file__).parent).experiments)}
    found = full_length.numbers(results, Results(results.experiment, ()), claims)
    of_decay = found["decay"]
    assert of_decay["1_0"]["k95_end"] == "5"
    assert (of_decay["0_1"]["k95_end"], of_decay["0_1"]["grok"]) == (ABSENT, ABSENT)
    assert {row[0] for row in full_length.summary(results).rows} == {"1", "0.3"}
