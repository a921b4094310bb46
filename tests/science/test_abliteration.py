"""Projection against its linear algebra, curves against one projection after the other."""

from __future__ import annotations

import numpy as np
import pytest

from epistemics.science.abliteration import accuracy_curve, falls_at, project_out, survives
from epistemics.science.geometry import Array, class_directions, random_directions
from epistemics.science.tasks import table

D, K = 12, 4


@pytest.fixture
def states() -> Array:
    return np.random.default_rng(0).standard_normal((50, D)) + 3.0


@pytest.fixture
def directions() -> Array:
    return random_directions(D, seed=1)[:K]


@pytest.mark.parametrize("about", ["mean", "zero"])
def test_projection_is_idempotent(states: Array, directions: Array, about: str) -> None:
    origin = states.mean(0) if about == "mean" else np.zeros(D)
    once = project_out(states, directions, origin)
    assert np.abs(once - states).max() > 0.1
    np.testing.assert_allclose(project_out(once, directions, origin), once, atol=1e-12)


def test_projection_about_zero_removes_exactly_the_span(states: Array, directions: Array) -> None:
    cut = project_out(states, directions, np.zeros(D))
    np.testing.assert_allclose(cut @ directions.T, 0.0, atol=1e-12)
    others = random_directions(D, seed=1)[K:]
    np.testing.assert_allclose(cut @ others.T, states @ others.T, atol=1e-12)


def test_projection_about_the_mean_sets_the_span_to_the_mean(states: Array, directions: Array) -> None:
    mean = states.mean(0)
    cut = project_out(states, directions, mean)
    np.testing.assert_allclose(cut @ directions.T, np.tile(mean @ directions.T, (50, 1)), atol=1e-12)
    others = random_directions(D, seed=1)[K:]
    np.testing.assert_allclose(cut @ others.T, states @ others.T, atol=1e-12)
    np.testing.assert_allclose(cut.mean(0), mean, atol=1e-12)


def test_projecting_everything_out_leaves_the_origin(states: Array) -> None:
    basis, origin = random_directions(D, seed=2), np.arange(float(D))
    np.testing.assert_allclose(project_out(states, basis, origin), np.tile(origin, (50, 1)), atol=1e-10)


@pytest.mark.parametrize("about", ["mean", "zero", "elsewhere"])
def test_the_curve_is_that_of_projecting_and_reading_out_anew_for_each_k(about: str) -> None:
    generator = np.random.default_rng(3)
    classes = 7
    answers = table(classes, ("add",)).answers
    means = generator.standard_normal((classes, D)) * 2
    states = means[answers] + 0.5 * generator.standard_normal((len(answers), D)) + 2.0
    weight, bias = means.T + 0.3 * generator.standard_normal((D, classes)), generator.standard_normal(classes)
    directions, _ = class_directions(states, answers, classes)
    origin = {"mean": states.mean(0), "zero": np.zeros(D), "elsewhere": np.arange(float(D))}[about]
    expected = [
        float(((project_out(states, directions[:k], origin) @ weight + bias).argmax(1) == answers).mean())
        for k in range(len(directions) + 1)
    ]
    assert len(set(expected)) > 3  # it does fall
    untouched = states.copy()
    curve = accuracy_curve(states, directions, origin, weight, bias, answers)
    np.testing.assert_array_equal(curve, expected)
    np.testing.assert_array_equal(states, untouched)


def test_the_curve_ends_at_chance_when_every_direction_is_removed() -> None:
    generator = np.random.default_rng(4)
    answers = table(5, ("add",)).answers
    states = np.eye(5)[answers]
    curve = accuracy_curve(
        states, random_directions(5, 0), states.mean(0), np.eye(5), 0.01 * generator.random(5), answers
    )
    assert curve[0] == 1.0
    assert curve[-1] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("curve", "falls", "last"),
    [
        ([1.0, 0.99, 0.95, 0.94, 0.2], 3, 2),  # 0.95 itself survives
        ([1.0, 0.3, 0.99, 0.99], 1, 0),  # the first fall counts, even if accuracy comes back
        ([1.0, 0.97, 0.96], None, 2),
        ([0.9, 0.8], 0, None),
        ([0.9, 0.99], 0, None),
        ([0.95], None, 0),
    ],
)
def test_k_at_95_percent_in_both_readings(curve: list[float], falls: int | None, last: int | None) -> None:
    for given in (curve, np.array(curve)):
        assert falls_at(given, 0.95) == falls
        assert survives(given, 0.95) == last


def test_the_threshold_is_the_caller_s() -> None:
    curve = [1.0, 0.8, 0.5]
    assert (falls_at(curve, 0.95), falls_at(curve, 0.6), falls_at(curve, 0.1)) == (1, 2, None)
