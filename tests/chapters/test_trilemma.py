"""The places of models by separability, robustness and efficiency, from made-up results."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from functools import reduce
from operator import getitem
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prose import PROJECT
from stored import made_up

from epistemics.analysis.claims import Claim
from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.analysis.tables import ABSENT
from epistemics.chapters.trilemma import chapter as trilemma
from epistemics.chapters.trilemma import figures
from epistemics.chapters.trilemma import measured as measures
from epistemics.declared.experiments import Experiment
from epistemics.declared.runs import Run
from epistemics.science.configuration import Configuration
from epistemics.science.network import initial_parameters
from epistemics.store.record import Result

Make = Callable[..., Configuration]
Plan = Callable[..., StoredRun]

LONGEST = 96


def curve(falls_at: int | None) -> list[float]:
    """Accuracy after 0 … 96 directions, below 95% from so many on."""
    return [1.0 if falls_at is None or k < falls_at else 0.5 for k in range(LONGEST + 1)]


def result(c: Configuration, falls: Sequence[int | None], directions: int, overlap: float) -> Result:
    """A result with one moment, at the end.

    Args:
        falls: k@95% of each operation.
        directions: how many of equal strength each operation has; 19 of 20 hold 95%.
        overlap: at every number of directions.
    """
    arrays = {"history.step": np.array([0, c.steps]), "history.validation_accuracy": np.array([0.0, 1.0])}
    values = [1.0] * directions + [0.0] * (LONGEST - directions)
    for operation, at in zip(c.operations, falls, strict=True):
        own = {
            "validation_accuracy": curve(at)[0],
            "singular_values": values,
            **{
                name: curve(at)
                for name in (
                    "about_mean",
                    "about_zero",
                    "others_about_mean",
                    "random_about_mean",
                    "principal_about_mean",
                )
            },
            "overlap": [overlap] * LONGEST,
        }
        arrays |= {f"{operation}.{name}": np.array([value]) for name, value in own.items()}
    metrics = {"moments": [c.steps], "final_step": c.steps, "validation_accuracy": 1.0}
    return made_up("", metrics, arrays)


@pytest.fixture
def plan(configuration: Make) -> Plan:
    """A stored run of a made-up result; keyword arguments are its configuration's."""

    def make(
        model: str, falls: Sequence[int | None], overlap: float = 0.0, directions: int = 20, **changes: Any
    ) -> StoredRun:
        operations = ("add", "mul")[: len(falls)]
        base = configuration(operations=operations, modulus=97, layers=2, d_model=128)
        if model == "adversarial":
            changes["adversarial_weight"] = 0.1
        c = dataclasses.replace(base, **changes)
        run = Run("made-up", "paper", "group", c, keep_weights=False, model=model, base=base)
        return StoredRun(run, result(c, falls, directions, overlap), "fresh")

    return make


def of(*runs: StoredRun) -> Results:
    return Results(Experiment("made-up", "Made up", 12, "paper", tuple(run.run for run in runs)), runs)


@pytest.fixture
def alone(plan: Plan) -> Results:
    """Addition alone: robustness 16/19 at decay 0.1, 10/19 at 1, 2/19 at 0.01, none at 10."""
    falls = {10.0: 0, 1.0: 10, 0.1: 16, 0.01: 2}
    return of(*(plan("decay", [k], weight_decay=decay, seed=seed) for decay, k in falls.items() for seed in (0, 1, 2)))


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=12))
def test_the_front_is_what_no_other_passes(points: list[tuple[int, int, int]]) -> None:
    def worse_nowhere_and_better_somewhere(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        differences = [a - b for a, b in zip(one, other, strict=True)]
        return min(differences) >= 0 and max(differences) > 0

    expected = [True] * len(points)
    for one, other in itertools.permutations(range(len(points)), 2):
        if worse_nowhere_and_better_somewhere(points[one], points[other]):
            expected[other] = False
    assert measures.front(points) == expected


def test_a_place_is_what_its_definitions_say(plan: Plan, alone: Results) -> None:
    row = next(measures.places(of(plan("baseline", [6, 3], overlap=0.4)), alone).where(model="baseline").records())
    assert row["separability"] == pytest.approx(0.6)
    assert row["robustness_add"] == pytest.approx(6 / 19, abs=1e-4)
    assert row["robustness"] == row["robustness_mul"] == pytest.approx(3 / 19, abs=1e-4)
    parameters = len(initial_parameters(plan("baseline", [6, 3]).configuration.architecture, 0))
    assert row["parameters"] == parameters
    assert row["per_thousand_parameters"] == pytest.approx(2000 / parameters, abs=1e-6)
    assert row["per_direction"] == pytest.approx(2 / 38, abs=1e-4)
    assert 0 < row["chance_low"] < 1 - 10 / 128 < row["chance_high"] < 1


def test_a_longer_training_is_another_model_but_no_other_decay(plan: Plan, alone: Results) -> None:
    long = [
        dataclasses.replace(run, run=dataclasses.replace(run.run, experiment=measures.LONG))
        for run in (plan("decay", [19], weight_decay=0.1), plan("decay", [12], weight_decay=1.0))
    ]
    both, results = of(*alone, *long), of(plan("baseline", [6, 3]))
    rows = {row["model"]: row["robustness"] for row in measures.models(results, both).records()}
    assert rows["alone at decay 0.1, long"] == pytest.approx(1.0)
    assert rows["alone at decay 0.1"] == pytest.approx(16 / 19, abs=1e-4)
    found = trilemma.evidence(results, both)["12-decay-0.1-is-robust"]
    assert found.holds is True
    assert "alone at decay 1, long" in found.said
    assert set(measures.curves(results, both).column("model")) == {"alone at decay 1", "baseline"}


def test_an_operation_below_95_percent_counts_nowhere_but_in_what_it_costs(plan: Plan, alone: Results) -> None:
    row = next(measures.places(of(plan("baseline", [0, 3])), alone).where(model="baseline").records())
    assert row["mastered"] == 1
    assert row["robustness_add"] is None
    assert row["robustness"] == row["robustness_mul"]
    assert row["per_direction"] == pytest.approx(1 / 38, abs=1e-4)


def test_accuracy_that_never_falls_counts_all_directions(plan: Plan, alone: Results) -> None:
    (row,) = measures.places(of(plan("baseline", [None, None])), alone).where(model="baseline").records()
    assert row["robustness"] == pytest.approx(LONGEST / 19, abs=1e-4)


def test_addition_alone_is_separable_by_construction(plan: Plan, alone: Results) -> None:
    table = measures.places(of(plan("baseline", [6, 3])), alone)
    for record in table.records():
        assert record["by_construction"] == (record["operations"] == "add")
        if record["by_construction"]:
            assert record["separability"] == 1
            assert record["chance_low"] is None
    one, two = (table.where(model=m).column("per_thousand_parameters")[0] for m in ("alone at decay 1", "baseline"))
    assert one == pytest.approx(two / 2, rel=1e-3)  # two such models have twice the parameters for two operations


def test_what_masters_nothing_is_listed_and_not_placed(plan: Plan, alone: Results) -> None:
    results = of(plan("baseline", [0, 0]), plan("width 32", [0, 0], d_model=32))
    table = measures.models(results, alone)
    summary = trilemma.summary(measures.places(results, alone), table)
    assert set(table.where(placed=False).column("model")) == {"baseline", "width 32", "alone at decay 10"}
    assert not any(table.where(placed=False).column("on_front"))
    assert {"width 32", "alone at decay 10"} <= {row[0] for row in summary.rows}
    for single in (alone, of(plan("decay", [0]))):  # some models have a place, and none
        drawn = [make(results, single) for make in (measures.places, measures.models)]
        assert "<svg" in figures.places(*drawn).svg


def test_a_model_of_which_most_seeds_fail_is_not_placed(plan: Plan, alone: Results) -> None:
    runs = [plan("baseline", falls, seed=seed) for seed, falls in enumerate([[90, 90], [0, 0], [0, 0]])]
    (row,) = measures.models(of(*runs), alone).where(model="baseline").records()
    assert not row["placed"]
    assert row["robustness"] == pytest.approx(90 / 19, abs=1e-4)  # of the seed that has one


def test_a_model_too_narrow_for_ten_directions_is_not_placed(plan: Plan, alone: Results) -> None:
    wide = plan("width 8", [6, 3], d_model=8)
    cut = {name: values[:, :8] for name, values in wide.result.arrays.items() if name.endswith(".overlap")}
    narrow = dataclasses.replace(wide, result=made_up(wide.result.key, wide.metrics, {**wide.result.arrays, **cut}))
    (row,) = measures.models(of(narrow), alone).where(model="width 8").records()
    assert row["separability"] is None
    assert not row["placed"]


def test_the_front_holds_the_medians_that_nothing_passes(plan: Plan, alone: Results) -> None:
    results = of(
        plan("baseline", [6, 3], overlap=0.4),
        plan("adversarial", [12, 12], overlap=0.4),  # passes the baseline
        plan("capacity", [3, 3], overlap=0.4, layers=1),  # twice as many operations a parameter
    )
    table = measures.models(results, alone)
    assert table.where(on_front=True).column("model") == ["adversarial", "capacity", "alone at decay 0.1"]


@pytest.mark.parametrize(
    ("falls", "overlap", "holds", "said"),
    [
        ([16, 17], 0.05, False, "both: adversarial"),  # as robust as addition alone at 0.1, and separate
        ([15, 17], 0.05, True, "separable: adversarial; robust: none"),
        ([16, 17], 0.20, True, "separable: none; robust: adversarial"),
        ([0, 17], 0.05, None, "no model of both operations"),  # learned one
    ],
)
def test_the_third_corner(
    plan: Plan, alone: Results, falls: list[int], overlap: float, holds: bool | None, said: str
) -> None:
    runs = [plan("adversarial", falls, overlap, seed=seed) for seed in (0, 1, 2)]
    found = trilemma.evidence(of(*runs), alone)["12-no-third-corner"]
    assert found.holds is holds
    assert said in found.said


@pytest.mark.parametrize(
    ("falls", "overlap", "holds"),
    [
        ([9, 9], 0.05, True),
        ([9, 10], 0.05, False),  # no less robust than addition alone at decay 1
        ([9, 9], 0.20, False),  # more overlap than chance
        ([9, 0], 0.05, None),
    ],
)
def test_whether_two_operations_are_fragile(
    plan: Plan, alone: Results, falls: list[int], overlap: float, holds: bool | None
) -> None:
    runs = [plan("baseline", falls, overlap, seed=seed) for seed in (0, 1, 2)]
    assert trilemma.evidence(of(*runs), alone)["12-joint-is-fragile"].holds is holds


@pytest.mark.parametrize(
    ("falls", "holds"), [([15, 15], True), ([16, 16], False), ([20, 15], True), ([20, 20], False), ([0, 0], True)]
)
def test_whether_decay_0_1_is_most_robust(plan: Plan, alone: Results, falls: list[int], holds: bool) -> None:
    runs = [plan("baseline", falls, seed=seed) for seed in (0, 1, 2)]
    assert trilemma.evidence(of(*runs), alone)["12-decay-0.1-is-robust"].holds is holds
    without = of(*(run for run in alone if run.configuration.weight_decay != 0.1))
    assert trilemma.evidence(of(*runs), without)["12-decay-0.1-is-robust"].holds is None


def test_prose_follows_the_verdicts(plan: Plan, alone: Results) -> None:
    def claim(id: str) -> Claim:
        return Claim(id, 12, id, "before", None, 0, "", "so and so", True, None)

    runs = [plan("baseline", [9, 9], 0.2, seed=seed) for seed in (0, 1, 2)]
    results = of(*runs)
    claims = {id: claim(id) for id in trilemma.evidence(results, alone)}
    found = trilemma.numbers(results, alone, claims)
    assert found["verdict"]["no_third_corner"] == "holds"
    assert found["verdict"]["joint_is_fragile"] == "does not hold"
    assert (found["reproduced"], found["judged"]) == ("2", "3")
    assert found["front"] == "baseline; alone at decay 0.1"
    assert found["adversarial"]["robustness"] == ABSENT
    smoke = Results(dataclasses.replace(results.experiment, profile="smoke"), results.runs)
    assert trilemma.numbers(smoke, alone, claims)["verdict"]["no_third_corner"] == "is not judged"


def test_the_chapter_names_numbers_that_there_are(plan: Plan, alone: Results) -> None:
    text = (PROJECT / "chapters" / "trilemma.qmd").read_text(encoding="utf-8")
    named = {part.split()[0] for part in text.split("{{< var trilemma.")[1:]}
    assert named
    found = trilemma.numbers(of(plan("baseline", [6, 3])), alone, {})
    assert all(isinstance(reduce(getitem, name.split("."), found), str) for name in named)


def test_curves_are_of_addition_at_decay_1(plan: Plan, alone: Results) -> None:
    results = of(plan("baseline", [6, 3]), plan("adversarial", [12, 12]), plan("capacity", [5, 5], layers=1))
    table = measures.curves(results, alone)
    assert set(table.column("model")) == {"alone at decay 1", "baseline", "adversarial"}
    for model, falls in (("alone at decay 1", 10), ("baseline", 6), ("adversarial", 12)):
        assert table.where(model=model, seed=0).column("accuracy") == curve(falls)
    assert "<svg" in figures.curves(table).svg
