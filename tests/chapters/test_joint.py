"""Tables of two operations, from runs that are trained here."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from epistemics.analysis.claims import load_claims
from epistemics.analysis.stored_runs import Results, StoredRun, together
from epistemics.chapters.adversarial import chapter as adversarial
from epistemics.chapters.joint import chapter as joint
from epistemics.chapters.joint.measured import abliteration_curves, chance, last_calm, moments, overlaps
from epistemics.declared.experiments import PROFILES, Experiment, load_experiment
from epistemics.declared.project import find_project
from epistemics.declared.runs import Run
from epistemics.declared.sections import SpecificationError
from epistemics.lab.scheduler import Job
from epistemics.lab.worker import work
from epistemics.science.configuration import Configuration
from epistemics.store.store import Store

Make = Callable[..., Configuration]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, configuration: Make) -> Results:
    """Two seeds of a baseline, one of each other group."""
    folder = tmp_path_factory.mktemp("joint")
    base = configuration(
        operations=("add", "mul"), modulus=13, d_model=16, train_fraction=0.8, batch_size=64, learning_rate=1e-2,
        steps=60, evaluate_every=20, measure_every=20,
    )  # fmt: skip
    penalised = dataclasses.replace(base, adversarial_weight=0.1, adversarial_from=20, adversarial_directions=3)
    planned = [
        ("two layers", base, base),
        ("two layers", dataclasses.replace(base, seed=1), base),
        ("one layer", dataclasses.replace(base, layers=1), base),
        ("hardened", penalised, base),
        ("width 8", dataclasses.replace(base, layers=1, d_model=8), base),
        ("λ 1", dataclasses.replace(penalised, adversarial_weight=1.0), penalised),
    ]
    runs = []
    for model, c, default in planned:
        job = Job([c], [False], folder / "results", folder / "workspace", "cpu")
        for _ in work(job):
            pass
        run = Run("joint", "paper", "group", c, keep_weights=False, model=model, base=default)
        runs.append(StoredRun(run, Store(folder / "results").read(run.key), "fresh"))
    experiment = Experiment("joint", "Two operations", 11, "paper", tuple(stored.run for stored in runs))
    return Results(experiment, tuple(runs))


def test_a_row_for_each_moment_and_operation(results: Results) -> None:
    table = moments(results)
    assert set(table.column("model")) == {"two layers", "one layer", "hardened", "width 8", "λ 1"}
    first = table.where(kind="baseline", seed=0, at_end=True)
    assert first.column("operation") == ["add", "mul"]
    for record in first.records():
        arrays = results.runs[0].result.arrays
        own = arrays[f"{record['operation']}.about_mean"][-1]
        assert record["validation_accuracy"] == pytest.approx(float(own[0]), abs=1e-4)
        killed = record["killed_at"]
        assert killed is None or (own[killed] < 0.05 and (own[:killed] >= 0.05).all())
        assert record["overlap_30"] is None  # there are not so many directions
        values = arrays[f"{record['operation']}.singular_values"][-1]
        assert record["significant"] == (values > 0.1 * values[0]).sum()


def test_curves_are_of_the_last_calm_moment(results: Results) -> None:
    run = results.runs[0]
    accuracies = np.min([run.result.arrays[f"{o}.validation_accuracy"] for o in ("add", "mul")], axis=0)
    calm = np.flatnonzero(accuracies >= 0.99)
    expected = int(calm[-1]) if len(calm) else len(accuracies) - 1
    assert last_calm(run) == expected
    table = abliteration_curves(results).where(kind="baseline", seed=0, directions_of="mul", curve="others_about_mean")
    assert set(table.column("measured")) == {"add"}
    np.testing.assert_allclose(
        table.column("accuracy"), run.result.arrays["mul.others_about_mean"][expected], atol=1e-4
    )


def test_the_band_of_chance_holds_the_mean_of_random_spans(results: Results) -> None:
    low, high = chance(16, 12)
    for k in (1, 4, 12):
        assert low[k - 1] < k / 16 < high[k - 1] or low[k - 1] == pytest.approx(k / 16, abs=0.07)
    table = overlaps(results).where(kind="baseline", seed=0)
    assert table.column("k") == list(range(1, 13))


def test_evidence_is_under_the_names_of_claims(results: Results) -> None:
    claims = {claim.id for claim in load_claims(find_project(start=Path(__file__).parent).experiments)}
    found = adversarial.evidence(results)
    assert found.keys() <= claims
    assert found["13-small-never"].said.endswith("of 1 never")
    assert found["13-longer-separates"].holds is None  # these runs are shorter than the log's
    summary = adversarial.summary(results)
    assert [row[0] for row in summary.rows] == ["two layers", "one layer", "hardened", "width 8", "λ 1"]
    assert len(joint.by_moment(results).rows) == 2 * len(joint.overlaps_by_moment(results).rows) == 10


def test_models_of_two_experiments_that_would_be_taken_for_one_are_refused(results: Results) -> None:
    baseline, _, capacity, *_ = results.runs
    renamed = dataclasses.replace(capacity.run, experiment="adversarial", model=baseline.run.model)
    own = Results(results.experiment, (dataclasses.replace(capacity, run=renamed),))
    with pytest.raises(
        SpecificationError, match=r"^experiments/adversarial\.yaml: .*«two layers».* joint .*\{layers\}$"
    ):
        together(Results(results.experiment, (baseline,)), own)


@pytest.mark.parametrize("name", ["joint", "joint-search", "adversarial", "adversarial-sweep"])
def test_a_renamed_group_renames_no_model(tmp_path: Path, name: str) -> None:
    experiments = find_project(start=Path(__file__).parent).experiments
    folder = shutil.copytree(experiments, tmp_path / "experiments")
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    (folder / f"{name}.yaml").write_text(text.replace("- name: ", "- name: another "), encoding="utf-8")
    for profile in PROFILES:
        before, after = (load_experiment(place, name, profile).runs for place in (experiments, folder))
        assert {run.group for run in before}.isdisjoint(run.group for run in after)
        assert [(run.model, run.base) for run in before] == [(run.model, run.base) for run in after]
