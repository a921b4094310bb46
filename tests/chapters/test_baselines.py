"""What a cut is compared with, from runs that are trained here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from epistemics.analysis.stored_runs import Results, StoredRun
from epistemics.chapters.baselines import chapter as baselines
from epistemics.declared.experiments import Experiment
from epistemics.declared.runs import Run
from epistemics.lab.scheduler import Job
from epistemics.lab.worker import work
from epistemics.science.configuration import Configuration
from epistemics.store.store import Store

Make = Callable[..., Configuration]


def trained(folder: Path, planned: list[tuple[Configuration, bool]]) -> Results:
    runs = []
    for c, keep_weights in planned:
        job = Job([c], [keep_weights], folder / "results", folder / "workspace", "cpu")
        for _ in work(job):
            pass
        run = Run("x", "paper", "x", c, keep_weights)
        runs.append(StoredRun(run, Store(folder / "results").read(run.key), "fresh"))
    return Results(Experiment("x", "X", 8, "paper", tuple(stored.run for stored in runs)), tuple(runs))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, configuration: Make) -> tuple[Results, Results]:
    """Models of one operation, two of them with weights, and one of shuffled answers."""
    folder = tmp_path_factory.mktemp("baselines")
    base = configuration(layers=1, steps=400, learning_rate=1e-2, measure_every=0, evaluate_every=100)
    single = [(base, True), (dataclasses.replace(base, weight_decay=0.1), True)]
    single.append((dataclasses.replace(base, seed=1), False))
    return trained(folder, single), trained(folder, [(dataclasses.replace(base, shuffled_answers=True), True)])


@pytest.fixture
def all_understand(monkeypatch: pytest.MonkeyPatch) -> None:
    """These models are too small to; they are cut all the same."""
    monkeypatch.setattr(baselines, "UNDERSTOOD", 0.0)


@pytest.mark.usefixtures("all_understand")
def test_curves_of_every_kind_start_at_the_models_own_accuracy(results: tuple[Results, Results]) -> None:
    table = baselines.curves(*results)
    assert set(table.column("directions")) == set(baselines.CURVES.values())
    for run in baselines.dissected(results[0]):
        decay = run.configuration.weight_decay
        starts = table.where(weight_decay=decay, removed=0).column("accuracy")
        assert len(starts) == len(baselines.CURVES)
        np.testing.assert_allclose(starts, run.metrics["validation_accuracy"], atol=0.02)  # a tie may fall either way


def test_a_model_that_does_not_understand_is_not_dissected(results: tuple[Results, Results]) -> None:
    assert baselines.dissected(results[0]) == []


@pytest.mark.usefixtures("all_understand")
def test_only_models_with_weights_are_dissected(results: tuple[Results, Results]) -> None:
    assert [run.configuration.weight_decay for run in baselines.dissected(results[0])] == [1.0, 0.1]
    assert set(baselines.places(results[0]).column("seed")) == {0}


@pytest.mark.usefixtures("all_understand")
def test_the_final_state_is_cut_as_the_store_has_it(results: tuple[Results, Results]) -> None:
    places = baselines.places(results[0]).where(place="final state", weight_decay=1.0)
    stored = results[0].runs[0].result.arrays["add.about_mean"][-1]
    held_out = 121 - round(0.6 * 121)
    for k, accuracy in zip(places.column("removed"), places.column("accuracy"), strict=True):
        assert accuracy == pytest.approx(float(stored[k]), abs=2 / held_out)


def test_permuted_answers_can_be_learned_by_heart_and_not_understood(results: tuple[Results, Results]) -> None:
    models = baselines.shuffled_models(results[1])
    assert models.column("train_accuracy")[0] > models.column("validation_accuracy")[0] + 0.5


@pytest.mark.usefixtures("all_understand")
def test_the_table_has_its_columns_whatever_else_is_cut(
    results: tuple[Results, Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "REMOVED", (0, 1, 2, 5))
    places = baselines.places(results[0])
    assert {2, 5} <= set(places.column("removed"))
    shown = baselines.by_place(places)
    assert {len(row) for row in shown.rows} == {len(shown.headings)}
    numbers = baselines.numbers(baselines.tables(*results))
    assert all(f"removed_{k}" in numbers["decay"]["0_1"] for k in baselines.FEW[:3])
