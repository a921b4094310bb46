"""Counted operations against the formula, and the answers of the timing process."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from prose import PROJECT

from epistemics.benchmarks.timing import operations_of, products_of, products_seconds, stack_of
from epistemics.science.arithmetic import step_operations
from epistemics.science.configuration import Configuration

Make = Callable[..., Configuration]


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 1},
        {"layers": 2, "precision": "bfloat16"},
        {"layers": 3, "operations": ("add", "mul"), "modulus": 7, "d_model": 12},
    ],
    ids=str,
)
def test_the_formula_counts_the_products_of_a_step(configuration: Make, changes: dict[str, object]) -> None:
    c = configuration(**changes)
    products = products_of(stack_of([c], "cpu"))
    assert operations_of(products) == step_operations(c)
    assert products_seconds(products, "cpu") > 0


def test_a_stack_multiplies_once_for_each_member(configuration: Make) -> None:
    members = [configuration(seed=seed) for seed in range(3)]
    assert operations_of(products_of(stack_of(members, "cpu"))) == 3 * step_operations(members[0])


@pytest.mark.slow
def test_the_process_says_when_it_is_ready_and_then_what_steps_take(configuration: Make) -> None:
    job = json.dumps([dataclasses.asdict(configuration())])
    process = subprocess.Popen(
        [sys.executable, "-m", "epistemics.benchmarks.timing", "steps", "cpu", "0.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(job + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()).keys() == {"compile_seconds"}
    took, _ = process.communicate("\n")
    assert all(seconds > 0 for seconds in json.loads(took))


@pytest.mark.slow
def test_the_plain_trainer_runs_the_same_configuration(configuration: Make) -> None:
    plain = PROJECT / "benchmarks" / "plain.py"
    for changes in ({}, {"operations": ("add", "mul"), "adversarial_weight": 0.1, "adversarial_from": 0}):
        job = json.dumps(dataclasses.asdict(configuration(adversarial_directions=3, **changes)))
        command = [sys.executable, str(plain), "--seconds", "0.1"]
        done = subprocess.run(command, input=job, capture_output=True, text=True, check=True)
        assert len(json.loads(done.stdout)) >= 20
