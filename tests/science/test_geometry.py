"""Directions, ranks and spectra against numpy's own decompositions and cases solved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from epistemics.science.geometry import (
    Array,
    activation_spectrum,
    class_directions,
    fourier_power,
    fourier_share,
    mean_share,
    principal_directions,
    random_directions,
    subspace_overlap,
    variance_rank,
)
from epistemics.science.tasks import table


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def states_of(
    generator: np.random.Generator, classes: int, dimensions: int, operation: str = "add"
) -> tuple[Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """States that scatter about a mean for each answer, far from zero."""
    answers = table(classes, (operation,)).answers
    means = generator.standard_normal((classes, dimensions)) * 3
    noise = 0.1 * generator.standard_normal((len(answers), dimensions))
    return means[answers] + noise + 10.0, answers


@pytest.mark.parametrize("operation", ["add", "mul"])
def test_class_directions_are_orthonormal_and_span_the_centred_class_means(
    generator: np.random.Generator, operation: str
) -> None:
    classes, dimensions = 7, 20
    states, answers = states_of(generator, classes, dimensions, operation)
    directions, singular_values = class_directions(states, answers, classes)
    assert directions.shape == (classes - 1, dimensions)
    np.testing.assert_allclose(directions @ directions.T, np.eye(classes - 1), atol=1e-12)
    means = np.stack([states[answers == answer].mean(0) for answer in range(classes)])
    contrasts = means - states.mean(0)
    # The span holds every contrast, and none of its directions is idle.
    np.testing.assert_allclose(contrasts @ directions.T @ directions, contrasts, atol=1e-10)
    assert np.linalg.matrix_rank(contrasts) == classes - 1
    assert (np.diff(singular_values) <= 0).all()
    assert singular_values[-1] > 0
    np.testing.assert_allclose(np.linalg.norm(contrasts @ directions.T, axis=0), singular_values)


def test_the_first_class_direction_tells_the_answers_apart_best(generator: np.random.Generator) -> None:
    answers = table(5, ("add",)).answers
    along = np.array([4.0, -4.0, 2.0, -2.0, 0.0])
    states = np.outer(along[answers], np.eye(8)[3]) + 0.01 * generator.standard_normal((25, 8)) + 7.0
    directions, _ = class_directions(states, answers, 5)
    assert abs(directions[0, 3]) > 0.999


def test_directions_do_not_depend_on_where_the_states_lie(generator: np.random.Generator) -> None:
    states, answers = states_of(generator, 5, 12)
    directions, values = class_directions(states, answers, 5)
    moved, moved_values = class_directions(states + 100.0, answers, 5)
    np.testing.assert_allclose(np.abs(np.sum(directions * moved, axis=1)), 1.0, atol=1e-9)
    np.testing.assert_allclose(values, moved_values)


def test_there_are_no_more_directions_than_dimensions(generator: np.random.Generator) -> None:
    states, answers = states_of(generator, 11, 4)
    directions, values = class_directions(states, answers, 11)
    assert directions.shape == (4, 4)
    assert values.shape == (4,)


def test_a_class_without_states_adds_nothing(generator: np.random.Generator) -> None:
    states, answers = states_of(generator, 5, 12)
    present = answers != 2
    _, values = class_directions(states[present], answers[present], 5)
    assert values[-1] == pytest.approx(0.0, abs=1e-9)
    assert values[-2] > 0.1


@pytest.mark.parametrize("shape", [(60, 9), (200, 30)])
def test_the_spectrum_is_numpy_s_svd_of_the_centred_states(
    generator: np.random.Generator, shape: tuple[int, int]
) -> None:
    states = generator.standard_normal(shape) * np.linspace(0.1, 3, shape[1]) + 5.0
    expected = np.linalg.svd(states - states.mean(0), compute_uv=False)
    np.testing.assert_allclose(activation_spectrum(states), expected, rtol=1e-9)


def test_the_spectrum_of_low_rank_states_is_zero_beyond_the_rank(generator: np.random.Generator) -> None:
    states = generator.standard_normal((50, 2)) @ generator.standard_normal((2, 6))
    spectrum = activation_spectrum(states)
    assert spectrum[1] > 1
    assert np.isfinite(spectrum).all()
    assert spectrum[2:].max() < 1e-5


@pytest.mark.parametrize(
    ("spectrum", "share", "rank"),
    [
        ([3.0, 1.0], 0.9, 1),  # 9 of 10: exactly the share
        ([3.0, 1.0], 0.91, 2),
        ([1.0, 1.0, 1.0, 1.0], 0.5, 2),
        ([1.0, 1.0, 1.0, 1.0], 0.51, 3),
        ([1.0, 1.0, 1.0, 1.0], 1.0, 4),
        ([10.0, 1.0, 0.0, 0.0], 0.99, 1),  # 100 of 101 is 0.9901
        ([9.0, 1.0, 0.0, 0.0], 0.99, 2),  # 81 of 82 is 0.9878
        ([5.0, 0.0, 0.0], 1.0, 1),
        ([0.0, 0.0], 0.99, 0),
    ],
)
def test_variance_rank_by_hand(spectrum: list[float], share: float, rank: int) -> None:
    assert variance_rank(np.array(spectrum), share) == rank


def test_mean_share_by_hand() -> None:
    assert mean_share(np.array([[3.0, 1.0], [3.0, -1.0]])) == pytest.approx(0.9)
    assert mean_share(np.array([[1.0, 0.0], [-1.0, 0.0]])) == 0.0
    assert mean_share(np.full((4, 3), 2.0)) == pytest.approx(1.0)


def cosines(modulus: int, frequencies: list[int], dimensions: int = 6) -> Array:
    """An embedding made of some frequencies of equal power, with random phases for each dimension."""
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, (len(frequencies), dimensions))
    turns = 2 * np.pi * np.outer(np.arange(modulus), frequencies) / modulus
    return np.asarray(np.cos(turns[:, :, None] + phases).sum(1))


def test_fourier_power_finds_the_frequencies_that_an_embedding_is_made_of() -> None:
    power = fourier_power(cosines(31, [2, 5, 11]))
    assert power.shape == (15,)
    assert power.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(power[[1, 4, 10]], 1 / 3, rtol=0.5)
    assert np.delete(power, [1, 4, 10]).max() < 1e-20


def test_fourier_share_of_few_cosines_is_one() -> None:
    embedding = cosines(31, [2, 5, 11])
    assert fourier_share(embedding, 3) == pytest.approx(1.0, abs=1e-12)
    assert fourier_share(embedding, 2) < 0.9
    assert fourier_share(cosines(97, list(range(1, 9)))) == pytest.approx(1.0, abs=1e-12)
    assert fourier_share(cosines(97, list(range(1, 10)))) < 0.999  # nine frequencies, eight are counted


def test_fourier_share_ignores_the_mean() -> None:
    embedding = np.random.default_rng(2).standard_normal((31, 6))
    assert fourier_share(embedding + 50.0) == pytest.approx(fourier_share(embedding))
    assert fourier_share(embedding) < 0.9


def test_random_directions_are_orthonormal_and_drawn_by_the_seed() -> None:
    directions = random_directions(30, seed=0)
    np.testing.assert_allclose(directions @ directions.T, np.eye(30), atol=1e-12)
    assert (directions == random_directions(30, seed=0)).all()
    assert np.abs(directions - random_directions(30, seed=1)).max() > 0.1


def test_random_directions_prefer_no_side() -> None:
    """A uniformly random rotation: every entry is symmetric about 0 with variance 1 / d."""
    drawn = np.stack([random_directions(8, seed) for seed in range(400)])
    assert np.abs(drawn.mean(0)).max() < 4 / np.sqrt(8 * 400)
    np.testing.assert_allclose((drawn**2).mean(0), 1 / 8, rtol=0.4)


def test_principal_directions_are_a_basis_in_order_of_variance() -> None:
    states = np.random.default_rng(0).standard_normal((200, 6)) * np.asarray([1, 5, 2, 4, 0.1, 3]) + 7
    directions = principal_directions(states)
    np.testing.assert_allclose(directions @ directions.T, np.eye(6), atol=1e-12)
    spread = ((states - states.mean(0)) @ directions.T).std(0) * np.sqrt(len(states))
    np.testing.assert_allclose(spread, activation_spectrum(states), rtol=1e-9)


def test_overlap_of_equal_orthogonal_and_tilted_spans() -> None:
    basis = np.eye(8)
    for squared, cosines in (subspace_overlap(basis[:3], basis[:3]), subspace_overlap(basis[:3], basis[[1, 0, 2]])):
        assert squared[-1] == pytest.approx(1)
        assert cosines[-1] == pytest.approx(1)
    assert subspace_overlap(basis[:3], basis[3:6])[0].tolist() == [0, 0, 0]
    tilted = basis[:2].copy()
    tilted[0] = 0.6 * basis[0] + 0.8 * basis[5]
    squared, cosines = subspace_overlap(basis[:2], tilted)
    np.testing.assert_allclose(squared, [0.36, (0.36 + 1) / 2])
    np.testing.assert_allclose(cosines, [0.6, (0.6 + 1) / 2])


def test_random_spans_overlap_by_their_share_of_the_dimensions() -> None:
    found = [subspace_overlap(*(random_directions(32, seed + n)[:8] for n in (0, 1000)))[0] for seed in range(200)]
    np.testing.assert_allclose(np.mean(found, axis=0), np.arange(1, 9) / 32, rtol=0.15)
