"""The test of rank sums: its p-values, its false alarms and its power."""

from __future__ import annotations

import numpy as np
import pytest

from epistemics.analysis.two_samples import Sample, detectable_factor, holm, p_value


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3], [4, 5, 6], 2 / 20),  # the farthest two of the twenty ways to choose three
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),
        ([1, 3, 5], [2, 4, 6], 14 / 20),
        ([7, 7, 7], [7, 7, 7], 1.0),
        ([1, 2, 3], [4, None, None], 2 / 20),  # what never happened comes last
        ([1], [2], 1.0),
    ],
)
def test_small_samples_have_their_exact_p(one: Sample, other: Sample, expected: float) -> None:
    assert p_value(one, other) == pytest.approx(expected)
    assert p_value(other, one) == pytest.approx(expected)


def test_large_samples_have_about_the_p_of_the_normal_distribution() -> None:
    generator = np.random.default_rng(1)
    one, other = generator.standard_normal(20), generator.standard_normal(20) + 0.7
    ranks = np.concatenate([one, other]).argsort().argsort() + 1
    z = (ranks[:20].sum() - 20 * 41 / 2) / np.sqrt(20 * 20 * 41 / 12)
    beyond = (np.abs(generator.standard_normal(200_000)) > abs(z)).mean()
    assert p_value(one.tolist(), other.tolist()) == pytest.approx(beyond, abs=0.01)


def test_one_distribution_is_taken_for_two_as_rarely_as_declared() -> None:
    generator = np.random.default_rng(2)
    found = [p_value(*generator.lognormal(size=(2, 5)).tolist()) < 0.05 for _ in range(400)]
    assert 0.01 < np.mean(found) < 0.08


def test_the_factor_that_can_be_detected_is_detected() -> None:
    generator = np.random.default_rng(3)
    values = generator.lognormal(7, 0.2, size=40)
    many, few = (detectable_factor(values.tolist(), (size, size), 1) for size in (20, 5))
    assert many is not None
    assert few is not None
    assert 1 < many < few
    for factor, size in ((many, 20), (few, 5)):
        pairs = [(generator.choice(values, size), factor * generator.choice(values, size)) for _ in range(200)]
        assert np.mean([p_value(a.tolist(), b.tolist()) < 0.05 for a, b in pairs]) > 0.7
    assert detectable_factor(values.tolist(), (1, 1), 1) is None
    strict = detectable_factor(values.tolist(), (20, 20), 1, 0.05 / 6)
    assert strict is not None
    assert strict >= many
    assert detectable_factor([3] * 10, (5, 5), 1) == 1.2  # 1.1 times 3 is 3
    assert detectable_factor([None] * 10, (5, 5), 1) is None


def test_no_drawn_permutation_as_far_is_no_p_of_zero() -> None:
    assert 0 < p_value(list(range(20)), list(range(100, 120))) <= 1e-4


def test_several_tests_are_corrected_for_their_number() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
