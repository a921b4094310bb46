"""The machine that makes itself, tapes copied with errors, and the chapter's tables of both."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epistemics.analysis.tables import Table
from epistemics.chapters.von_neumann import chapter as von_neumann
from epistemics.chapters.von_neumann import figures
from epistemics.chapters.von_neumann.constructor import (
    ELEMENTS,
    GAP,
    LIMIT,
    ORGANS,
    REPRODUCER,
    SYMBOLS,
    Machine,
    breeds_true,
    constructs,
    describe,
    line,
    live,
)
from epistemics.chapters.von_neumann.tapes import Growth, copying, grow, highest_kept, longest, shares, threshold

WORDS = st.text(alphabet=sorted(ELEMENTS), max_size=6)
TAPES = st.text(alphabet=sorted(SYMBOLS), max_size=30)


@pytest.fixture(scope="module")
def tables() -> Mapping[str, Table]:
    return von_neumann.tables()


def test_the_tape_is_used_once_as_program_and_once_as_data() -> None:
    life = live(REPRODUCER)
    assert life.offspring == REPRODUCER
    assert life.product == ORGANS[3]
    for interpreted in (True, False):
        own = [joining for joining in life.joinings if joining.interpreted == interpreted]
        assert [joining.position for joining in own] == list(range(len(REPRODUCER.tape)))
        joined = "".join(joining.joined for joining in own)
        assert joined == (GAP.join(ORGANS) if interpreted else REPRODUCER.tape)


@given(st.lists(WORDS, min_size=1, max_size=6))
def test_a_builds_whatever_is_described(body: list[str]) -> None:
    assert constructs(REPRODUCER, body)
    child = live(Machine(REPRODUCER.body, describe(body))).offspring
    assert child is not None
    assert child.tape == describe(body)


@given(TAPES)
def test_b_copies_whatever_is_there(tape: str) -> None:
    child = live(Machine(REPRODUCER.body, tape)).offspring
    assert child is not None
    assert child.tape == tape


@given(st.lists(WORDS, max_size=6), TAPES)
def test_every_machine_comes_to_an_end(body: list[str], tape: str) -> None:
    life = live(Machine(tuple(body), tape))
    assert life.turns <= LIMIT
    assert life.offspring is None or len(body) > 2  # nothing is set free without a controller


@given(WORDS)
def test_reproduction_does_not_depend_on_d(word: str) -> None:
    body = (*ORGANS[:3], word)
    machine = Machine(body, describe(body))
    assert breeds_true(machine)
    assert live(machine).product == word


@pytest.mark.parametrize("without", [0, 1, 2])
def test_a_tape_that_is_silent_about_an_organ_ends_the_line(without: int) -> None:
    body = (*ORGANS[:without], "", *ORGANS[without + 1 :])
    assert len(line(Machine(ORGANS, describe(body)), 10)) <= 4


def test_without_the_copier_the_child_has_no_tape() -> None:
    body = (*ORGANS[:2], ORGANS[2].replace("V", ""), ORGANS[3])
    child = live(Machine(body, describe(body))).offspring
    assert child == Machine(body, "")


def test_changes_are_inherited_or_end_the_line(tables: Mapping[str, Table]) -> None:
    changed = tables["mutations"]
    assert len(changed) == len(REPRODUCER.tape) * (len(SYMBOLS) - 1)
    assert all(changed.where(part="Φ(D)").column("inherited"))
    for part in ("Φ(A)", "Φ(B)"):
        assert not any(changed.where(part=part).column("inherited"))
    for record in changed.records():
        descent = line(Machine(ORGANS, record["tape"]), 10)
        assert (len(descent) == 11) == record["inherited"], record
    fault = live(Machine(ORGANS, "rxj" + REPRODUCER.tape[3:])).offspring
    assert fault is not None
    assert fault.size == REPRODUCER.size  # the parent's own constructor built it
    assert not constructs(fault, ("XYZ",))


def test_lines_grow_stay_or_end(tables: Mapping[str, Table]) -> None:
    by_case = {case: tables["lines"].where(case=case).column("size") for case in von_neumann.CASES}
    whole, longer, *others = by_case.values()
    assert whole == [REPRODUCER.size] * (von_neumann.GENERATIONS + 1)
    assert longer == [REPRODUCER.size + 2 * g for g in range(von_neumann.GENERATIONS + 1)]
    ended = [sizes for sizes in others if sizes != whole]
    assert len(ended) == 6
    assert all(sizes[-1] == 0 for sizes in ended)


def test_a_goal_of_its_own_can_be_exchanged_and_a_shared_one_not(tables: Mapping[str, Table]) -> None:
    separate, tied = (tables["goals"].where(design=design) for design in ("separate", "tied"))
    assert len(separate) == len(tied) == len(ELEMENTS) ** von_neumann.WORD
    for column in ("pursued", "reproduces", "builds_others"):
        assert all(separate.column(column))
    able = tied.where(reproduces=True)
    assert ORGANS[0] in able.column("goal")
    assert all(able.column("builds_others"))
    assert len(able) < len(tied) / 100


def test_copying_is_a_distribution_with_the_expected_errors() -> None:
    matrix = copying(12, 0.1)
    np.testing.assert_allclose(matrix.sum(1), 1)
    assert matrix[0, 0] == pytest.approx(0.9**12)
    errors = np.arange(13)
    np.testing.assert_allclose(matrix @ errors, errors * 0.9 + (12 - errors) * 0.1)


def test_the_threshold_is_eigens() -> None:
    assert 10 * (1 - threshold(50, 10)) ** 50 == pytest.approx(1)
    assert longest(threshold(50, 10), 10) == pytest.approx(50)
    assert longest(1e-4, 10) == pytest.approx(math.log(10) / 1e-4, rel=1e-3)


def test_shares_settle_at_the_quasispecies() -> None:
    """The largest eigenvector of selection and copying; without errors that undo errors, (σ q^L − 1) / (σ − 1)."""
    length, rate, superiority = 20, 0.04, 10.0
    fitness = np.ones(length + 1)
    fitness[0] = superiority
    values, vectors = np.linalg.eig((copying(length, rate) * fitness[:, None]).T)
    leading = np.abs(vectors[:, values.real.argmax()].real)
    expected = leading[0] / leading.sum()
    assert expected == pytest.approx((superiority * (1 - rate) ** length - 1) / (superiority - 1), rel=0.01)
    found = shares(length, rate, superiority, 10_000, 120, seed=0)
    assert found[40:].mean() == pytest.approx(expected, rel=0.03)


def test_masters_are_lost_above_the_threshold_and_kept_below() -> None:
    limit = threshold(30, 10)
    assert shares(30, 1.3 * limit, 10, 1000, 400, seed=0)[-1] == 0
    kept = shares(30, 0.7 * limit, 10, 1000, 400, seed=0)
    assert len(kept) == 401
    assert kept.min() > 0


def test_a_small_population_has_to_be_copied_better() -> None:
    small, large = (np.mean([highest_kept(30, 10, size, 100, seed) for seed in range(3)]) for size in (30, 3000))
    assert small < large < 1.02 * threshold(30, 10)


def test_tapes_collapse_level_off_or_go_on_growing(tables: Mapping[str, Table]) -> None:
    grown = tables["growth"]
    last = max(grown.column("generation"))
    end = {name: grown.where(setting=name, generation=last).column("length") for name in von_neumann.GROWTHS}
    leads = {name: settings.lead for name, settings in von_neumann.GROWTHS.items()}
    assert leads["collapses"] < 1 < leads["short"]
    assert set(end["collapses"]) == {0}
    for name in ("short", "long"):
        settings = von_neumann.GROWTHS[name]
        assert all(0.8 * settings.ceiling < length < 1.35 * settings.ceiling for length in end[name])
    assert min(end["improving"]) > 2 * von_neumann.GROWTHS["improving"].ceiling


def test_the_ceiling_is_where_the_working_offspring_is_largest() -> None:
    settings = Growth(error_rate=0.03)
    lengths = np.arange(1, 500)
    best = lengths[np.argmax(settings.payment * np.log(lengths) + lengths * np.log(1 - settings.error_rate))]
    assert settings.ceiling == pytest.approx(best, abs=1)


def test_a_seed_does_not_depend_on_the_seeds_beside_it() -> None:
    settings = Growth(error_rate=0.02, improving=True, population=50, generations=30)
    alone = grow(settings, [3])
    beside = grow(settings, [1, 3])
    for one, two in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one[0], two[1])


def test_what_the_chapter_shows(tables: Mapping[str, Table]) -> None:
    numbers = von_neumann.numbers(dict(tables))
    assert numbers["goals"] == numbers["goals_able"]
    assert numbers["tied_able"] == str(numbers["tied_words"].count("`") // 2)
    assert len(von_neumann.descent(tables["lines"]).rows) == len(von_neumann.CASES)
    rows = von_neumann.by_part(tables["mutations"]).rows
    assert sum(int(row[2]) for row in rows) == len(tables["mutations"])
    ceilings = {"long": von_neumann.GROWTHS["long"].ceiling}
    for picture in (
        figures.trace(tables["trace"]),
        figures.sizes(tables["lines"]),
        figures.thresholds(tables["thresholds"]),
        figures.growth(tables["growth"], ceilings),
    ):
        assert picture.svg.count("<svg") == 1
