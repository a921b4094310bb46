"""Scaling laws against numerical minima and against figures that their authors printed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from epistemics.chapters.scaling_laws import chapter as laws
from epistemics.chapters.scaling_laws.chapter import CHINCHILLA, REPLICATION, UNROUNDED, ParametricLoss


def least(of: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one minimum has it, by golden sections of the logarithm."""
    a, b, golden = math.log(low), math.log(high), (math.sqrt(5) - 1) / 2
    while b - a > 1e-9:
        c, d = b - golden * (b - a), a + golden * (b - a)
        a, b = (a, d) if of(math.exp(c)) < of(math.exp(d)) else (c, b)
    return math.exp((a + b) / 2)


@pytest.mark.parametrize("law", [CHINCHILLA, UNROUNDED, REPLICATION])
@pytest.mark.parametrize("compute", [1e19, laws.GOPHER_BUDGET])
def test_the_closed_form_is_the_numerical_minimum(law: ParametricLoss, compute: float) -> None:
    parameters, tokens = law.optimal(compute)
    assert laws.compute_of(parameters, tokens) == pytest.approx(compute)
    found = least(lambda n: law.loss(n, laws.tokens_for(compute, n)), 1e6, 1e14)
    assert parameters == pytest.approx(found, rel=1e-3)


def test_optima_that_the_sources_print() -> None:
    """40 billion for Gopher's budget by approach 3; 67 billion and equal growth by the others, as replicated."""
    assert UNROUNDED.optimal(laws.GOPHER_BUDGET)[0] == pytest.approx(40e9, rel=0.02)
    assert round(UNROUNDED.exponent, 2) == laws.CHINCHILLA_EXPONENTS[2]
    assert CHINCHILLA.optimal(laws.GOPHER_BUDGET)[0] < 35e9  # two digits of the exponents are not enough
    assert 60e9 < REPLICATION.optimal(laws.GOPHER_BUDGET)[0] < 80e9


def test_what_each_law_does_with_ten_times_the_compute() -> None:
    """Kaplan et al.: five times the model and twice the data; their eq. 6.7 has data grow with the power 0.26."""
    (n, d), (more_n, more_d) = laws.kaplan_optimal(1e22), laws.kaplan_optimal(1e23)
    assert more_n / n == pytest.approx(5.4, abs=0.1)
    assert more_d / d == pytest.approx(1.9, abs=0.1)
    assert laws.compute_of(n, d) == pytest.approx(1e22)


def test_kaplans_exponent_follows_from_the_fit_of_learning_curves() -> None:
    """L(N, S) with S = C/(6 N B) and B that of the loss itself, minimised over N: the closed form's exponent."""

    def loss(parameters: float, compute: float) -> float:
        low, high = 0.01, 1000.0
        for _ in range(60):  # the batch depends on the loss that it helps to reach
            guess = math.sqrt(low * high)
            steps = compute / (6 * parameters * laws.critical_batch(guess))
            found = (laws.LEARNING_N / parameters) ** laws.LEARNING_ALPHA_N
            found += (laws.LEARNING_S / steps) ** laws.LEARNING_ALPHA_S
            low, high = (guess, high) if found > guess else (low, guess)
        return low

    small, large = (least(lambda n, c=c: loss(n, c), 1e6, 1e13) for c in (1e20, 1e22))  # type: ignore[misc]
    assert math.log10(large / small) / 2 == pytest.approx(laws.kaplan_predicted_exponent(), abs=0.002)


def test_the_rule_against_overfitting_is_kaplans() -> None:
    """D ≳ 5·10³ N^0.74; models below 10^9 parameters need no more than the 22 billion tokens that there were."""
    assert laws.tokens_against_overfitting(1.0) == pytest.approx(5e3, rel=0.15)
    assert laws.tokens_against_overfitting(1e9) == pytest.approx(22e9, rel=0.25)
    growth = laws.tokens_against_overfitting(8e9) / laws.tokens_against_overfitting(1e9)
    assert growth == pytest.approx(5, abs=0.5)  # "8 times the model, 5 times the data"


def test_the_critical_batch_doubles_with_13_percent_less_loss() -> None:
    assert laws.critical_batch(0.87 * 3) / laws.critical_batch(3) == pytest.approx(2, rel=0.05)


def test_steps_and_samples_lie_on_the_hyperbola() -> None:
    for row in laws.trade_off().records():
        batch, steps, samples = row.values()
        assert (steps - 1) * (samples - 1) == pytest.approx(1)
        assert samples / steps == pytest.approx(batch)  # E = BS, with B in critical batches
    assert laws.steps_over_least(1.0) == laws.samples_over_least(1.0) == 2


def test_the_flat_valley_has_its_least_at_the_optimum() -> None:
    table = laws.at_one_compute()
    for law in (CHINCHILLA, REPLICATION):
        line = table.where(law=law.name)
        index = int(np.argmin(line.column("above_least")))
        assert line.column("parameters")[index] == pytest.approx(law.optimal(laws.GOPHER_BUDGET)[0], rel=1e-4)
        assert min(line.column("above_least")) >= 0


@pytest.mark.parametrize(
    ("value", "words", "powers"),
    [
        (5e13, "50 trillion", "$5.0 \\cdot 10^{13}$"),
        (71.6e9, "72 billion", "$7.2 \\cdot 10^{10}$"),
        (999.9e6, "1.0 billion", "$1.0 \\cdot 10^{9}$"),
        (271_693, "272 thousand", "$2.7 \\cdot 10^{5}$"),
    ],
)
def test_large_numbers_as_words_and_as_powers(value: float, words: str, powers: str) -> None:
    assert laws.counted(value) == words
    assert laws.power(value) == powers
    assert laws.power(1e26, 0) == "$10^{26}$"
