"""The task: its table, its splits and its batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from epistemics.science.configuration import Configuration
from epistemics.science.operations import question_count
from epistemics.science.tasks import EpochSampler, ShareSampler, Table, table, table_of, training_rows


def test_shuffled_answers_are_the_same_ones_at_other_questions() -> None:
    plain, shuffled = table(7, ("add", "mul")), table(7, ("add", "mul"), shuffled=True)
    assert (plain.questions == shuffled.questions).all()
    for operation in plain.operations:
        own = plain.rows_of(operation)
        assert (np.bincount(plain.answers[own]) == np.bincount(shuffled.answers[own])).all()
        assert (plain.answers[own] == shuffled.answers[own]).mean() < 0.5
    assert (shuffled.answers == table(7, ("add", "mul"), shuffled=True).answers).all()


def test_the_table_holds_every_question_once_with_its_answer() -> None:
    questions = table(5, ("add", "mul"))
    expected = [(a, 0, b, (a + b) % 5) for a in range(5) for b in range(5)]
    expected += [(a, 1, b, (a * b) % 5) for a in range(5) for b in range(5)]
    rows = [(*map(int, q), int(a)) for q, a in zip(questions.questions, questions.answers, strict=True)]
    assert rows == expected


def test_the_index_of_an_operation_is_its_place_in_the_list() -> None:
    questions = table(3, ("mul", "add"))
    product, total = questions.rows_of("mul"), questions.rows_of("add")
    assert len(product) == len(total) == 9
    a, b = questions.questions[product, 0], questions.questions[product, 2]
    assert (questions.questions[product, 1] == 0).all()
    assert (questions.answers[product] == a * b % 3).all()
    assert (questions.questions[total, 1] == 1).all()


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(ValueError, match="'pow' is unknown; known: add, sub, mul, div, "):
        table(5, ("add", "pow"))


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("sub", lambda a, b: a - b),
        ("x²+y²", lambda a, b: a**2 + b**2),
        ("x²+xy", lambda a, b: a**2 + a * b),
        ("x²+xy+y²", lambda a, b: a**2 + a * b + b**2),
        ("x³+xy", lambda a, b: a**3 + a * b),
    ],
)
def test_every_operation_is_what_its_name_says(operation: str, answer: Callable[[int, int], int]) -> None:
    questions = table(7, ("add", operation))
    own = questions.rows_of(operation)
    assert len(own) == 49
    for (a, _, b), given in zip(questions.questions[own], questions.answers[own], strict=True):
        assert given == answer(int(a), int(b)) % 7


@pytest.mark.parametrize("modulus", [2, 7, 97])
def test_a_division_undoes_a_product_and_nothing_is_divided_by_zero(modulus: int) -> None:
    questions = table(modulus, ("div",))
    a, _, b = questions.questions.T
    assert sorted(zip(a, b, strict=True)) == [(x, y) for x in range(modulus) for y in range(1, modulus)]
    assert (questions.answers * b % modulus == a).all()
    assert question_count("div", modulus) == len(a)
    assert training_rows(questions, 0.5, 0).sum() == round(0.5 * len(a))


@pytest.fixture
def both() -> Table:
    return table(11, ("add", "mul"))


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.95])
def test_each_operation_gives_the_same_share_to_training(both: Table, fraction: float) -> None:
    training = training_rows(both, fraction, seed=0)
    for operation in both.operations:
        assert training[both.rows_of(operation)].sum() == round(fraction * 121)


def test_the_split_is_decided_by_the_seed(both: Table) -> None:
    assert (training_rows(both, 0.5, 3) == training_rows(both, 0.5, 3)).all()
    drawn = np.stack([training_rows(both, 0.5, seed) for seed in range(40)])
    assert len(np.unique(drawn, axis=0)) == 40
    # Without a preference for any row: each is drawn by about half of the seeds, in either operation.
    assert 0.15 < drawn.mean(0).min() <= drawn.mean(0).max() < 0.85


def test_operations_are_split_independently(both: Table) -> None:
    training = training_rows(both, 0.5, 0)
    assert (training[both.rows_of("add")] != training[both.rows_of("mul")]).any()


def test_an_epoch_sees_each_row_at_most_once_and_drops_the_incomplete_batch() -> None:
    rows = np.arange(100, 147)  # 47 rows: four batches of ten, seven rows left over
    sampler = EpochSampler(rows, 10, seed=0)
    epochs = sampler.take(8).reshape(2, 40)
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 40
        assert set(epoch.tolist()) <= set(rows.tolist())
    assert set(epochs[0].tolist()) != set(epochs[1].tolist())  # the rows left out differ by epoch
    assert sampler.drawn == 8


def test_every_row_is_seen_in_the_long_run() -> None:
    sampler = EpochSampler(np.arange(47), 10, seed=0)
    assert set(sampler.take(40).ravel().tolist()) == set(range(47))


def test_a_sampler_goes_on_from_the_number_of_batches_drawn() -> None:
    rows = np.arange(47)
    whole = EpochSampler(rows, 10, seed=5).take(23)
    for drawn in (1, 4, 9):
        resumed = EpochSampler(rows, 10, seed=5)
        resumed.drawn = drawn
        assert (resumed.take(23 - drawn) == whole[drawn:]).all()
    in_parts = EpochSampler(rows, 10, seed=5)
    assert (np.concatenate([in_parts.take(3), in_parts.take(20)]) == whole).all()


def test_another_seed_draws_other_batches() -> None:
    rows = np.arange(47)
    assert (EpochSampler(rows, 10, seed=0).take(4) != EpochSampler(rows, 10, seed=1).take(4)).any()


def test_too_few_rows_for_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 10, but there are only 9 training rows"):
        EpochSampler(np.arange(9), 10, seed=0)


@pytest.mark.parametrize(("modulus", "classes"), [(11, 2), (97, 8), (7, 7)])
def test_classes_are_of_neighbouring_answers_and_of_one_size_but_for_one(modulus: int, classes: int) -> None:
    fine, coarse = table(modulus, ("add", "mul")), table(modulus, ("add", "mul"), classes=(classes, modulus))
    own, other = fine.rows_of("add"), fine.rows_of("mul")
    assert (coarse.answers[other] == fine.answers[other]).all()
    members = [set(fine.answers[own][coarse.answers[own] == number].tolist()) for number in range(classes)]
    assert sorted(answer for one in members for answer in one) == list(range(modulus))
    assert all(one == set(range(min(one), max(one) + 1)) for one in members)
    sizes = [len(one) for one in members]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("flag", ["ignored", "refused"])
def test_with_flags_every_question_is_asked_twice_and_split_alike(
    configuration: Callable[..., Configuration], flag: str
) -> None:
    c = configuration(operations=("add", "mul"), flag=flag)
    plain, flagged = table(c.modulus, c.operations), table_of(c)
    count = len(plain.answers)
    assert (flagged.questions[:, :3] == np.tile(plain.questions, (2, 1))).all()
    assert flagged.questions[:, 3].tolist() == [0] * count + [1] * count
    assert (flagged.answers[:count] == plain.answers).all()
    assert (flagged.answers[count:] == (c.modulus if flag == "refused" else plain.answers)).all()
    training = training_rows(flagged, c.train_fraction, c.seed)
    assert (training[:count] == training[count:]).all()
    assert (training[:count] == training_rows(plain, c.train_fraction, c.seed)).all()
    assert (flagged.rows_of("mul") == plain.rows_of("mul")).all()


SHARES = [(0.5, 0.5), (0.9, 0.1), (0.998, 0.002), (0.1, 0.2, 0.7)]


@pytest.mark.parametrize("shares", SHARES, ids=str)
def test_each_operation_has_its_share_of_the_batches(shares: tuple[float, ...]) -> None:
    rows = [np.arange(100 * index, 100 * index + 37) for index in range(len(shares))]
    batches = ShareSampler(rows, shares, 20, seed=0).take(500)
    assert batches.shape == (500, 20)
    for index, share in enumerate(shares):
        counts = (batches // 100 == index).sum(1)
        assert abs(counts.sum() - 10_000 * share) <= 1
        assert counts.max() - counts.min() <= max(1, len(shares) - 1)  # as evenly as whole questions can be


def test_an_operation_s_questions_come_in_epochs_of_its_own() -> None:
    rows = [np.arange(37), np.arange(100, 104)]
    batches = ShareSampler(rows, (0.9, 0.1), 20, seed=0).take(37).ravel()
    first, second = batches[batches < 100], batches[batches >= 100]
    assert [sorted(epoch) for epoch in first.reshape(-1, 37).tolist()] == [list(range(37))] * 18
    epochs = second[:72].reshape(-1, 4).tolist()
    assert [sorted(epoch) for epoch in epochs] == [list(range(100, 104))] * 18
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_batches_with_shares_go_on_from_the_number_drawn() -> None:
    rows = [np.arange(37), np.arange(100, 104)]
    whole = ShareSampler(rows, (0.85, 0.15), 10, seed=5).take(30)
    for drawn in (1, 7, 19):
        resumed = ShareSampler(rows, (0.85, 0.15), 10, seed=5)
        resumed.drawn = drawn
        assert (resumed.take(30 - drawn) == whole[drawn:]).all()
    assert (ShareSampler(rows, (0.85, 0.15), 10, seed=6).take(30) != whole).any()
