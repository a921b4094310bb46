"""What can be known: bodies against solutions that are known, automata, formulas and networks against enumeration."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from epistemics.chapters.epistemology import (
    cellular_automata,
    enumeration,
    satisfiability,
    three_body,
)
from epistemics.chapters.epistemology import (
    chapter as epistemology,
)
from epistemics.chapters.epistemology.gravity import angular_momentum, bodies, energy, farthest, path
from epistemics.chapters.epistemology.satisfiability import Network, as_input, enumerate_inputs, random_formula, solve


def test_two_bodies_follow_their_ellipse() -> None:
    """Against Kepler's equation: eccentricity 3/5, semi-major axis 1, from the far end of the ellipse."""
    start = bodies(("0.5", "0.5"), (("0.8", "0"), ("-0.8", "0")), (("0", "0.25"), ("0", "-0.25")))
    for index, state in enumerate(itertools.islice(path(start, 20, Decimal("0.5")), 30)):
        mean = 0.5 * index + math.pi
        anomaly = mean
        for _ in range(50):
            anomaly -= (anomaly - 0.6 * math.sin(anomaly) - mean) / (1 - 0.6 * math.cos(anomaly))
        x, y = math.cos(anomaly) - 0.6, 0.8 * math.sin(anomaly)
        (one, up), (other, _) = state.positions
        assert float(one - other) == pytest.approx(-x, abs=1e-12)
        assert 2 * float(up) == pytest.approx(-y, abs=1e-12)


def test_energy_and_angular_momentum_are_kept_to_the_digits_computed_with() -> None:
    with localcontext() as context:
        context.prec = 30
        first, *_, last = itertools.islice(path(three_body.TRIPLE, 18, Decimal(1)), 5)
        assert abs(energy(last) - energy(first)) < Decimal("1e-15")
        assert abs(angular_momentum(last) - angular_momentum(first)) < Decimal("1e-15")


def test_more_digits_change_nothing_but_the_last_ones() -> None:
    """And the precision of the caller is its own, while a path is being followed."""
    coarse, fine = (path(three_body.TRIPLE, digits, Decimal("0.5")) for digits in (12, 20))
    with localcontext() as context:
        context.prec = 50
        for one, other in itertools.islice(zip(coarse, fine, strict=True), 5):
            assert farthest(one, other) < 1e-8
            assert len((Decimal(1) / 7).as_tuple().digits) == 50


def test_the_triangle_turns_as_its_closed_form_and_falls_apart_as_known() -> None:
    exact = (three_body.triangle_at(0.125 * index) for index in itertools.count())
    distances = three_body.until_lost(path(three_body.triangle(10), 10, Decimal("0.125")), exact)
    assert max(distances[:16]) < 1e-7
    times = 0.125 * np.arange(len(distances))
    risen = (np.array(distances) > 1e-7) & (np.array(distances) < 0.03)
    slope = np.polyfit(times[risen], np.log(np.array(distances)[risen]), 1)[0]
    assert slope == pytest.approx(three_body.TRIANGLE_RATE, rel=0.1)


@pytest.mark.parametrize("rule", [30, 90, 110])
@pytest.mark.parametrize("ring", [False, True])
def test_rows_against_the_rule_cell_by_cell(rule: int, ring: bool) -> None:
    width, rows = 11, list(cellular_automata.rows(rule, 0b10010111001, 11, 20, ring=ring))
    cells = [[row >> (width - 1 - i) & 1 for i in range(width)] for row in rows]
    for before, after in itertools.pairwise(cells):
        around = [before[-1], *before, before[0]] if ring else [0, *before, 0]
        assert after == [
            rule >> (4 * a + 2 * b + c) & 1 for a, b, c in zip(around, around[1:], around[2:], strict=False)
        ]


def test_the_centre_column_of_rule_30_is_the_published_one() -> None:
    """OEIS A051023."""
    assert "".join(map(str, cellular_automata.sequence("rule 30")[:32])) == "11011100110001011001001110101110"


def test_the_shortest_recurrence_is_found_and_foretells() -> None:
    bits = [1, 0, 0, 0, 0]
    for _ in range(200):
        bits.append(bits[-5] ^ bits[-3])
    length, taps = cellular_automata.shortest_recurrence(np.array(bits, dtype=np.uint8))
    assert (length, taps) == (5, 0b101000)
    fit, held = (np.array(part, dtype=np.uint8) for part in (bits[:20], bits[20:]))
    assert cellular_automata.recurrence_accuracy(fit, held) == 1.0


def test_predictors_know_what_is_to_be_known_and_no_more() -> None:
    fair = np.random.default_rng(0).integers(0, 2, 2000).astype(np.uint8)
    echo = np.tile(np.array([1, 1, 0, 1, 0, 0, 1, 0], dtype=np.uint8), 250)  # the opposite of what was four bits ago
    for name, predictor in cellular_automata.predictors().items():
        assert predictor(fair[:1000], fair[1000:]) == pytest.approx(0.5, abs=0.07)
        if name not in ("commonest bit", "last 1"):
            assert predictor(echo[:1000], echo[1000:]) == 1.0
    assert cellular_automata.compressed(fair) > 1 > 0.1 > cellular_automata.compressed(echo)


@pytest.mark.parametrize("seed", range(6))
def test_a_network_counts_violated_clauses_at_corners(seed: int) -> None:
    formula = random_formula(6, 30, seed)
    network = Network(formula, 6)
    for corner in itertools.product((0, 1), repeat=6):
        violated = sum(not any(corner[abs(name) - 1] == (name > 0) for name in clause) for clause in formula)
        assert network(np.array([corner], dtype=float))[0] == pytest.approx(violated)


@pytest.mark.parametrize("seed", range(12))
def test_solver_and_enumeration_agree_and_the_margin_holds_in_the_whole_cube(seed: int) -> None:
    formula = random_formula(8, 40, seed)
    network = Network(formula, 8)
    holds, tried = enumerate_inputs(network, 8)
    solution, _ = solve(formula)
    assert holds == (solution is None)
    inside = np.random.default_rng(seed).random((5000, 8)) ** 2
    if solution is None:
        assert tried == 2**8
        assert network(inside).min() >= 1 - 1e-9
    else:
        assert network(as_input(solution))[0] == 0
        assert tried <= 2**8
        assert network(inside).min() > 0


def test_both_kinds_of_formula_are_among_those_tested() -> None:
    assert {solve(random_formula(8, 40, seed))[0] is None for seed in range(12)} == {True, False}


def test_the_chance_to_miss_a_violation() -> None:
    inputs = set(range(12))
    samples = list(itertools.combinations(inputs, 3))
    missed = sum(not {0, 5} & set(sample) for sample in samples)
    assert enumeration.unseen(2, 12, 3) == pytest.approx(missed / len(samples))
    assert enumeration.unseen(0, 12, 3) == 1


def test_asymmetric_pairs_are_counted_once() -> None:
    answers = np.add.outer(np.arange(5), np.arange(5)) % 5
    assert enumeration.asymmetric_pairs(answers) == 0
    answers[3, 1] += 1
    answers[2, 2] += 1
    assert enumeration.asymmetric_pairs(answers) == 1


def test_the_bound_is_near_the_rule_of_three() -> None:
    assert epistemology.bound(1000) == pytest.approx(3 / 1000, rel=0.01)
    assert (1 - epistemology.bound(100)) ** 100 == pytest.approx(0.05)


def test_formulas_turn_hard_where_they_turn_unsolvable() -> None:
    table = satisfiability.by_ratio()
    share = {r: np.mean(table.where(ratio=r).column("holds")) for r in satisfiability.RATIOS}
    assert share[3.0] == 0
    assert share[6.0] == 1
    conflicts = {r: np.median(table.where(ratio=r).column("conflicts")) for r in satisfiability.RATIOS}
    assert max(conflicts, key=lambda r: conflicts[r]) in (satisfiability.HARD, 4.5)
