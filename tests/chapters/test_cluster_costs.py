"""What the log would cost on GPUs: the arithmetic of the chapter, against cases that can be seen through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prose import PROJECT

from epistemics.chapters.cluster import chapter as cluster
from epistemics.chapters.cluster.chapter import Assumption, Cost, log_costs, makespan, training_seconds
from epistemics.declared.experiments import experiment_names, load_experiment
from epistemics.declared.project import Project
from epistemics.declared.runs import Run
from epistemics.science.arithmetic import step_operations
from epistemics.science.configuration import Configuration

Make = Callable[..., Configuration]


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.integers(1, 8))
def test_no_schedule_beats_its_longest_task_or_an_even_share(lengths: list[float], machines: int) -> None:
    took = makespan(lengths, machines)
    assert took >= max(*lengths, sum(lengths) / machines) * (1 - 1e-9)
    assert took <= sum(lengths) / machines + max(lengths)
    assert makespan(lengths, 1) == pytest.approx(sum(lengths))
    assert makespan(lengths, len(lengths)) == max(lengths)


def test_a_stack_trains_all_of_its_members_for_as_long_as_the_longest(configuration: Make) -> None:
    c = configuration(precision="bfloat16", evaluate_every=10**9)
    short, long = (Cost(Run("", "", "", c, False), steps, 0.0, 0.0) for steps in (10, 1000))
    still, idle = Assumption("", 1.0, 0.0), Assumption("", 1e9, 0.5)
    assert training_seconds([short, long], idle) == pytest.approx(1000 * 0.5)
    evaluations = 2 * 11**2 / 24 / 3  # one of each member, in steps
    assert training_seconds([short, long], still) == pytest.approx(
        (2 * 1000 + evaluations) * step_operations(c) / 989e12
    )


def test_more_gpus_take_no_longer_and_the_longest_stack_remains(
    configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [
        Cost(Run("", "", "", configuration(d_model=width, precision=precision), False), steps, 60.0, 5.0)
        for width, precision, steps in ((16, "float32", 5000), (64, "bfloat16", 2000))
    ]
    monkeypatch.setattr(cluster, "MEASURED", {"process_seconds": 3.0})
    table = log_costs(known)
    for seeds in cluster.SEEDS:
        for name in ("fast", "slow"):
            chosen = table.where(seeds=seeds, assumption=name)
            hours = chosen.column("hours")
            assert hours == sorted(hours, reverse=True)
            assert all(h >= longest for h, longest in zip(hours, chosen.column("longest_stack_hours"), strict=True))
    few = table.where(seeds=8, gpus=64)
    assert few.column("stacks") == [2, 2]
    assert few.column("hours") == few.column("longest_stack_hours")
    assert few.column("core_hours")[0] == pytest.approx(8 * 2 * 65 / 3600)


def test_every_configuration_of_every_experiment_is_counted_once() -> None:
    project = Project(PROJECT, "paper", PROJECT / "results")
    planned = {
        replace(run.configuration, seed=0)
        for name in experiment_names(project.experiments)
        for run in load_experiment(project.experiments, name).runs
    }
    counted = [replace(cost.run.configuration, seed=0) for cost in cluster.costs(project)]
    assert set(counted) == planned
    assert len(counted) == len(planned)
