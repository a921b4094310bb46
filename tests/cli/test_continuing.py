"""A run that continues another, from the command line: made after it, verified from it, stale without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs
from small_project import project as small_project

from epistemics.cli import main
from epistemics.declared.experiments import load_experiment
from epistemics.store.store import Store

project = small_project

pytestmark = pytest.mark.slow

FIRST = """\
title: The first phase
entry: 1
defaults:
  {operations: [add], modulus: 5, layers: 1, d_model: 8, heads: 2, train_fraction: 0.6, batch_size: 8,
   learning_rate: 0.001, weight_decay: 1, beta1: 0.9, beta2: 0.98, steps: 20, stop_after_grokking: null,
   evaluate_every: 10, grokking_accuracy: 0.95, grokking_evaluations: 1, measure_every: 0, measure_after_grokking: [],
   precision: float32, compiled: false}
profiles:
  paper: {groups: [{name: plain, set: {flag: ignored}, seeds: [0, 1]}]}
  smoke: {groups: [{name: plain, seeds: [0]}]}
"""
SECOND = FIRST.replace("The first", "The second").replace(
    "{name: plain, set: {flag: ignored}, seeds: [0, 1]}",
    "{name: refusing, set: {flag: refused, continues: first/plain}, seeds: [1]}",
)


@pytest.fixture
def phases(project: Path) -> Path:
    for path in (project / "experiments").glob("*.yaml"):
        if path.name != "claims.yaml":
            path.unlink()
    (project / "experiments/first.yaml").write_text(FIRST)
    (project / "experiments/second.yaml").write_text(SECOND)
    return project


def test_a_run_is_made_after_the_one_that_it_continues(phases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "second", "--dry-run"]) == 0
    assert "2 runs (paper)" in capsys.readouterr().out  # of two seeds, the one that is needed
    assert main(["run", "second"]) == 0
    (second,) = load_experiment(phases / "experiments", "second").runs
    store = Store(phases / "results")
    assert second.continues is not None
    assert sorted(store.keys()) == sorted([second.key, second.continues.key])
    assert store.read(second.continues.key).weights  # nobody asked for them but the one that continues it
    capsys.readouterr()
    for _ in range(2):  # whichever is chosen
        assert main(["verify", "--rerun", "2"]) == 0
    assert capsys.readouterr().out.count("agrees") == 4
    assert main(["prune", "--dry-run"]) == 0
    assert "no result to move" in capsys.readouterr().out


def test_a_run_whose_beginning_has_changed_is_trained_again_and_not_adopted(
    phases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "second"])
    (second,) = load_experiment(phases / "experiments", "second").runs
    store = Store(phases / "results")
    assert second.continues is not None
    training = store.read(second.continues.key).parts["training"]
    other = structs.replace(
        training,
        weights={"parameters": training.weights["parameters"] * 2},
        metrics=training.metrics | {"parameters": ["0" * 32]},
    )
    store.write_part(second.continues.key, "training", other)
    capsys.readouterr()
    assert main(["adopt"]) == 1
    printed = capsys.readouterr().out
    assert "the run that it continues has been made again since, and ended with other parameters" in printed
    assert printed.endswith("0 of 1 stale results adopted\n")
    assert main(["why", second.key]) == 0
    assert "is stale: the run that it continues has been made again since" in capsys.readouterr().out
    assert main(["run", "second", "--stale"]) == 0
    assert "training 1 runs" in capsys.readouterr().out
    assert main(["adopt"]) == 0


def test_runs_that_continue_others_are_not_sent_to_a_cluster(phases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "second", "--on", "ray"]) == 1
    assert "continues another run, and is trained here; leave out --on" in capsys.readouterr().err
