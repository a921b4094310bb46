"""Debates against games that are played out."""

from __future__ import annotations

import itertools
from functools import cache
from statistics import mean

import pytest

from epistemics.chapters.debate import chapter as debate
from epistemics.chapters.debate import formula_debate, pixel_debate
from epistemics.chapters.debate.pixel_debate import Image, images


def played(image: Image, lie: int, turns: tuple[bool, ...], revealed: tuple[int, ...] = ()) -> float:
    """The judge's chance, by trying every order of moves."""
    if len(revealed) == len(turns):
        weights = [0.0, 0.0]
        for other in images():
            if set(revealed) <= set(other.ink) and other.digit in (image.digit, lie):
                ways = len(list(itertools.combinations(other.ink, len(revealed))))
                weights[other.digit == lie] += 1 / ways
        return 0.5 if abs(weights[0] - weights[1]) < 1e-12 else float(weights[0] > weights[1])
    values = [played(image, lie, turns, (*revealed, p)) for p in image.ink if p not in revealed]
    return max(values) if turns[len(revealed)] else min(values)


@pytest.mark.parametrize("digit", [1, 7, 8])
@pytest.mark.parametrize("turns", [(True, False), (False, True), (False, False)])
def test_the_solved_game_is_the_played_one(digit: int, turns: tuple[bool, ...]) -> None:
    image = next(image for image in images() if image.digit == digit)
    values = pixel_debate.debate(image, turns)
    for lie in range(10):
        if lie != digit:
            assert values[lie] == played(image, lie, turns)


def test_a_drawn_game_reveals_its_own_ink_and_ends_as_it_is_worth() -> None:
    for image in images()[::17]:
        turns = pixel_debate.turns("liar last", 4)
        values = pixel_debate.debate(image, turns)
        for lie in (3, 4):
            if lie != image.digit:
                order = pixel_debate.game(image, lie, turns)
                assert len(set(order)) == 4
                assert set(order) <= set(image.ink)
                chosen = tuple(sorted(image.ink.index(pixel) for pixel in order))
                choices = itertools.combinations(range(len(image.ink)), 4)
                place = next(index for index, choice in enumerate(choices) if choice == chosen)
                assert pixel_debate.judged(pixel_debate.beliefs(image, 4), image.digit)[place, lie] == values[lie]


def test_who_has_more_say_fares_better() -> None:
    for image in images()[::11]:
        by = {name: pixel_debate.debate(image, pixel_debate.turns(name, 4)) for name in list(pixel_debate.SETTINGS)[2:]}
        assert (by["liar only"] <= by["liar last"]).all()
        assert (by["liar last"] <= by["honest only"]).all()
        assert (by["liar only"] <= by["honest last"]).all()
        assert (by["honest last"] <= by["honest only"]).all()


def test_a_judge_who_sees_all_ink_of_a_digit_is_never_wrong_about_it() -> None:
    image = next(image for image in images() if image.digit == 1)
    assert pixel_debate.alone(pixel_debate.beliefs(image, len(image.ink)), 1) == 1


@cache
def outcome(leaves: tuple[bool, ...], exists: bool, says_true: bool, errors: tuple[float, float]) -> float:
    """The chance that the honest debater wins on one formula, move by move."""
    if len(leaves) == 1:
        return float(leaves[0] == says_true)
    children = (leaves[: len(leaves) // 2], leaves[len(leaves) // 2 :])
    chances = [outcome(child, not exists, says_true, errors) for child in children]
    wanted = exists  # who sets an ∃ wants truth
    good = [chance for child, chance in zip(children, chances, strict=True) if value(child, not exists) == wanted]
    error = errors[0] if exists == says_true else errors[1]
    return (1 - error) * mean(good or chances) + error * mean(chances)


@cache
def value(leaves: tuple[bool, ...], exists: bool) -> bool:
    if len(leaves) == 1:
        return leaves[0]
    halves = (leaves[: len(leaves) // 2], leaves[len(leaves) // 2 :])
    return (any if exists else all)(value(half, not exists) for half in halves)


@pytest.mark.parametrize("errors", [(0.0, 0.0), (0.1, 0.0), (0.2, 0.3), (1.0, 1.0)])
@pytest.mark.parametrize("depth", [2, 4])
def test_the_recursion_is_the_mean_over_all_formulas(errors: tuple[float, float], depth: int) -> None:
    expected = 0.0
    for leaves in itertools.product((False, True), repeat=2**depth):
        weight = formula_debate.GOLDEN ** sum(leaves) * (1 - formula_debate.GOLDEN) ** (2**depth - sum(leaves))
        expected += weight * outcome(leaves, True, value(leaves, True), errors)
    assert formula_debate.won(depth, *errors) == pytest.approx(expected)


def test_formulas_of_every_even_depth_are_true_equally_often() -> None:
    for depth in (2, 10, 40):
        assert formula_debate.truth(depth, True) == pytest.approx(formula_debate.GOLDEN)


def test_perfect_debaters_are_always_believed_and_the_blind_are_a_random_leaf() -> None:
    table = formula_debate.accuracies()
    assert set(table.where(debaters="both perfect").column("accuracy")) == {1.0}
    golden = formula_debate.GOLDEN
    assert formula_debate.won(40, 1, 1) == pytest.approx(golden**2 + (1 - golden) ** 2, abs=1e-3)


def test_every_number_of_the_prose_is_there() -> None:
    found = debate.numbers(debate.tables())
    assert found["both_perfect"] == "100.0%"
    assert all(found.values())
