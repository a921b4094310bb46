"""The search of A.6 and the sweep of the penalty: what is taken and what is compared, on made-up runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import made_up

from epistemics.analysis.claims import Claim, load_claims
from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.chapters.adversarial import figures
from epistemics.chapters.adversarial import sweep as adversarial_sweep
from epistemics.chapters.joint import search as joint_search
from epistemics.chapters.joint.figures import learning
from epistemics.declared.experiments import Experiment
from epistemics.declared.project import find_project
from epistemics.declared.runs import Run
from epistemics.science.configuration import Configuration

Make = Callable[..., Configuration]
Plan = Callable[..., StoredRun]

MOMENTS = (10_000, 40_000, 50_000, 60_000, 70_000)
LONGEST = 96


@pytest.fixture
def plan(configuration: Make) -> Plan:
    """A run of two operations that learns both at a step, with k@95% and accuracy at each of ``MOMENTS``."""

    def make(
        model: str,
        learned: int | None,
        falls: Sequence[int] = (2,) * len(MOMENTS),
        accuracies: Sequence[float] = (1.0,) * len(MOMENTS),
        overlap: float = 0.28,
        **changes: Any,
    ) -> StoredRun:
        fixed = {"operations": ("add", "mul"), "modulus": 97, "d_model": 128, "stop_after_grokking": 15_000}
        c = configuration(**(fixed | {"steps": 75_000} | changes))
        swept = "adversarial_weight" in changes and model != "adversarial"
        base = configuration(**(fixed | {"adversarial_weight": 0.1} if swept else fixed))
        curves = [[a if k < at else 0.5 for k in range(LONGEST + 1)] for at, a in zip(falls, accuracies, strict=True)]
        own = {
            "validation_accuracy": accuracies,
            "singular_values": [[1.0] * 10 + [0.0] * 86] * len(MOMENTS),
            **dict.fromkeys(("about_mean", "others_about_mean", "random_about_mean", "principal_about_mean"), curves),
            "overlap": [[overlap] * LONGEST] * len(MOMENTS),
            "overlap_cosine": [[0.5] * LONGEST] * len(MOMENTS),
            "gradient_small": [2.0] * len(MOMENTS),
            "gradient_large": [1.0] * len(MOMENTS),
        }
        arrays = {f"{operation}.{name}": np.array(value) for operation in c.operations for name, value in own.items()}
        arrays |= {"history.step": np.array(MOMENTS), "history.validation_accuracy": np.array(accuracies)}
        metrics = {
            "moments": list(MOMENTS),
            "first_touch": learned,
            "grokking_step": learned,
            "final_step": MOMENTS[-1],
            "validation_accuracy": accuracies[-1],
        }
        run = Run("made-up", "paper", "group", c, keep_weights=False, model=model, base=base)
        return StoredRun(run, made_up(run.key, metrics, arrays), "fresh")

    return make


@pytest.fixture(scope="module")
def claims() -> dict[str, Claim]:
    return {claim.id: claim for claim in load_claims(find_project(start=Path(__file__).parent).experiments)}


@pytest.fixture
def single(configuration: Make) -> Results:
    """Addition alone at decay 1, with a k@95% of 5 at its end."""
    c = configuration(weight_decay=1.0, steps=100)
    curve = np.array([[1.0 if k < 5 else 0.5 for k in range(20)]])
    arrays = {f"add.{name}": curve for name in ("about_mean", "about_zero", "random_about_mean", "random_about_zero")}
    ones = np.ones((1, 11))
    arrays |= {
        "add.spectrum": ones,
        "add.fourier_power": ones / 11,
        "add.mean_share": ones[:, 0],
        "add.validation_accuracy": ones[:, 0],
    }
    metrics = {"moments": [100], "grokking_step": 50, "first_touch": 50, "final_step": 100}
    run = Run("made-up", "paper", "decay", c, keep_weights=False)
    return of(StoredRun(run, made_up(run.key, metrics, arrays), "fresh"))


def of(*runs: StoredRun) -> Results:
    return Results(Experiment("made-up", "Made up", 11, "paper", tuple(run.run for run in runs)), runs)


def test_the_nearest_to_the_published_step_is_taken_and_never_the_baseline(
    plan: Plan, single: Results, claims: dict[str, Claim]
) -> None:
    runs = (
        plan("baseline", 60_000),
        plan("embedding scale 1", 40_000, embedding_scale=1.0),
        plan("learning rate 0.0005", 70_000, learning_rate=0.0005),
        plan("train fraction 0.25", None, train_fraction=0.25),
    )
    found = joint_search.nearest(of(*runs), claims)
    assert found == "learning rate 0.0005"
    table = joint_search.settings(of(*runs), claims)
    assert table.column("from_published") == [0, -20_000, 10_000, None]
    assert table.column("nearest") == [False, False, True, False]
    numbers = joint_search.numbers(of(*runs), claims)
    assert numbers["nearer"] == "no nearer than the baseline"
    assert [row[0] for row in joint_search.summary(of(*runs), claims).rows] == [
        "baseline",
        "embedding scale 1",
        "learning rate 0.0005, nearest",
        "train fraction 0.25",
    ]


def test_where_no_setting_learns_both_none_is_taken(plan: Plan, single: Results, claims: dict[str, Claim]) -> None:
    results = of(plan("baseline", 40_000), plan("train fraction 0.25", None, train_fraction=0.25))
    assert joint_search.nearest(results, claims) is None
    assert joint_search.numbers(results, claims)["nearest"] == "none"
    assert joint_search.comparison(joint_search.measures(results, claims), claims).headings[2:] == ["baseline"]


def test_compared_are_calm_moments_from_grokking_to_the_age_of_the_log(
    plan: Plan, single: Results, claims: dict[str, Claim]
) -> None:
    baseline = plan("baseline", 40_000, falls=(1, 2, 3, 20, 30), accuracies=(1.0, 1.0, 1.0, 1.0, 1.0))
    setting = plan(
        "learning rate 0.0005",
        60_000,
        falls=(1, 1, 1, 9, 30),
        accuracies=(0.3, 0.3, 0.3, 1.0, 0.9),
        learning_rate=0.0005,
    )
    results = of(baseline, setting)
    assert joint_search.young(results, of(baseline)).where(operation="add").column("step") == [40_000, 50_000]
    assert joint_search.young(results, of(setting)).where(operation="mul").column("step") == [60_000]
    table = joint_search.measures(results, claims)
    (k95,) = table.where(model="baseline", claim="A.6-k95-add").records()  # the log's is 2
    assert (k95["ours"], k95["inside"], k95["moments"]) == ("2 (2–3)", True, 2)
    (k95,) = table.where(model="learning rate 0.0005", claim="A.6-k95-add").records()
    assert (k95["ours"], k95["inside"], k95["moments"]) == ("9", False, 1)
    assert all(table.where(claim="A.6-overlap-10").column("inside"))
    shown = {row[0]: row for row in joint_search.comparison(table, claims).rows}
    assert shown[claims["A.6-k95-add"].says][2:] == ["2 (2–3)", "9 ✗"]
    assert joint_search.numbers(results, claims)["age"] == "15,000"
    assert learning(joint_search.tables(results, single, claims)["search_curves"], 60_000).svg.startswith("<?xml")


def test_statements_are_held_against_medians_of_calm_moments(
    plan: Plan, single: Results, claims: dict[str, Claim]
) -> None:
    apart = plan("embedding scale 1", 40_000, falls=(1, 2, 3, 3, 3), overlap=0.05, embedding_scale=1.0)
    results = of(plan("baseline", 40_000, falls=(9, 9, 9, 9, 9)), apart)
    table = joint_search.statements(results, single, claims)
    held = {(row["model"], row["claim"]): row["holds"] for row in table.records()}
    assert held["embedding scale 1", "A.6-mostly-orthogonal"] is True  # chance reaches some 0.09
    assert held["baseline", "A.6-mostly-orthogonal"] is False
    assert held["embedding scale 1", "A.6-more-fragile"] is True  # 2 or 3 against 5 alone
    assert held["baseline", "A.6-more-fragile"] is False
    assert held["embedding scale 1", "A.6-collateral-is-small"] is False  # the other falls with it
    rows = {
        row[0]: row[1:] for row in joint_search.judged(joint_search.statements(results, single, claims), claims).rows
    }
    assert rows[claims["A.6-mostly-orthogonal"].says] == ["0.28 ✗", "0.05"]


def test_where_nothing_groks_the_tables_are_empty(plan: Plan, single: Results, claims: dict[str, Claim]) -> None:
    dull = (0.1,) * len(MOMENTS)
    results = of(
        plan("baseline", None, accuracies=dull),
        plan("embedding scale 1", None, accuracies=dull, embedding_scale=1.0),
        plan("λ 1", None, accuracies=dull, adversarial_weight=1.0),
    )
    assert joint_search.comparison(joint_search.measures(results, claims), claims).headings == [
        "Figure of the log",
        "Log",
    ]
    assert joint_search.judged(joint_search.statements(results, single, claims), claims).rows == []
    numbers = joint_search.numbers(results, claims)
    assert (numbers["embedding_scale"]["inside"], numbers["embedding_scale"]["overlap_10"]) == ("0", "–")
    assert not any(adversarial_sweep.late(results).column("calm"))
    assert figures.sweep(adversarial_sweep.late(results)).svg.startswith("<?xml")


def test_the_sweep_orders_settings_and_leaves_out_moments_in_a_dip(plan: Plan) -> None:
    def penalised(model: str, weight: float, directions: int, seed: int, k: int, dip: float = 1.0) -> StoredRun:
        return plan(
            model, 40_000, falls=(k,) * 5, accuracies=(1.0, 1.0, 1.0, dip, 1.0),
            adversarial_weight=weight, adversarial_directions=directions, seed=seed,
            steps=75_000 if model == "adversarial" else 60_000,
        )  # fmt: skip

    results = of(
        plan("baseline", 40_000, falls=(4,) * 5),
        penalised("adversarial", 0.1, 10, 0, 6),
        penalised("adversarial", 0.1, 10, 1, 12),
        penalised("λ 1", 1.0, 10, 0, 15, dip=0.9),
        penalised("3 directions", 0.1, 3, 0, 5),
    )
    assert adversarial_sweep.length(results) == 60_000
    assert adversarial_sweep.settings(results) == ["baseline", "3 directions", "adversarial", "λ 1"]
    late = adversarial_sweep.late(results).where(calm=True)
    assert late.where(model="λ 1", operation="add").column("step") == [40_000, 50_000]
    assert late.where(model="baseline").column("adversarial_directions") == [0] * 6
    numbers = adversarial_sweep.numbers(results, results)
    assert numbers["add"]["k95_seeds"] == "6 to 12"
    assert numbers["mul"]["k95_baseline"] == "4"
    assert (numbers["heavy"]["weight"], numbers["heavy"]["add"]["k95"]) == ("1", "15")
    assert (numbers["weights"], numbers["directions"]) == ("0.1 and 1", "3 and 10")
    rows = [row[:5] for row in adversarial_sweep.summary(results).rows]
    assert rows == [
        ["0", "–", "40,000", "3", "4"],
        ["0.1", "3", "40,000", "3", "5"],
        ["0.1", "10", "40,000", "6", "9 (6–12)"],
        ["1", "10", "40,000", "2", "15"],
    ]
    assert figures.sweep(late).svg.startswith("<?xml")


def test_a_setting_without_a_calm_moment_stays_in_the_table(plan: Plan) -> None:
    results = of(
        plan("baseline", 40_000),
        plan("adversarial", 40_000, adversarial_weight=0.1, adversarial_directions=10),
        plan("λ 1", None, accuracies=(0.1,) * 5, adversarial_weight=1.0, adversarial_directions=10),
    )
    assert adversarial_sweep.summary(results).rows[-1][2:] == ["never", "0", *["–"] * 5]
    assert figures.sweep(adversarial_sweep.late(results)).svg.startswith("<?xml")
