"""Attacks against the slow way to each, and against what they claim to be stronger than."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from epistemics.science.abliteration import project_out
from epistemics.science.attacks import (
    RIDGE,
    Attacks,
    Seen,
    gradient_directions,
    iterated_directions,
    loss_without,
    measure_attacks,
    refitted_accuracy,
)
from epistemics.science.configuration import Configuration
from epistemics.science.geometry import Array, class_directions
from epistemics.science.measures import final_states, measure_abliteration
from epistemics.science.network import initial_parameters, named_parameters
from epistemics.science.tasks import table_of, training_rows
from epistemics.science.train import train

Make = Callable[..., Configuration]


class Model:
    """A small model that has learned its training questions and some others, opened by hand."""

    def __init__(self, configuration: Configuration) -> None:
        c = self.configuration = configuration
        for evaluation in train([c]):
            moments = evaluation.moments
        self.parameters = moments[-1].parameters
        questions = table_of(c)
        rows = questions.rows_of("add")
        self.answers = questions.answers[rows]
        self.is_seen = training_rows(questions, c.train_fraction, c.seed)[rows]
        self.states = final_states(c, self.parameters, questions.questions[rows])
        weights = named_parameters(c.architecture, self.parameters[None].double())
        self.weight, self.bias = (weights[f"unembedding.{name}"][0].numpy() for name in ("weight", "bias"))
        self.mean = self.states.mean(0)
        self.contrasts, _ = class_directions(self.states, self.answers, c.modulus)
        self.seen = Seen(self.states[self.is_seen] - self.mean, self.answers[self.is_seen], c.modulus)

    def cut(self, directions: Array) -> Array:
        """All states without these directions, about the mean, which is taken off."""
        left: Array = project_out(self.states, directions, self.mean) - self.mean
        return left

    def loss(self, directions: Array) -> float:
        """The model's cross-entropy on training questions without these directions, by torch."""
        logits = (self.cut(directions)[self.is_seen] + self.mean) @ self.weight + self.bias
        answers = torch.from_numpy(self.answers[self.is_seen])
        return float(torch.nn.functional.cross_entropy(torch.from_numpy(logits), answers))


@pytest.fixture(scope="module")
def model(configuration: Make) -> Model:
    return Model(
        configuration(
            modulus=23,
            layers=1,
            d_model=32,
            train_fraction=0.7,
            batch_size=128,
            learning_rate=1e-2,
            steps=100,
            measure_every=0,
        )
    )


@pytest.fixture(scope="module")
def attacks(model: Model) -> Attacks:
    return measure_attacks(model.configuration, model.parameters)["add"]


def test_curves_of_the_model_begin_where_it_is_untouched_and_end_where_all_is_cut(
    model: Model, attacks: Attacks
) -> None:
    untouched = measure_abliteration(model.configuration, model.parameters)["add"].validation_accuracy
    for curve in (attacks.iterated, attacks.gradient):
        assert curve.shape == (23,)
        assert curve[0] == untouched
        assert curve[-1] < 0.3 < untouched
    assert attacks.refitted.shape == (23,)


def test_the_strongest_contrast_extracted_again_after_each_cut_is_the_next_class_direction(model: Model) -> None:
    """Which is why it is no attack of its own."""
    again = np.zeros((0, 32))
    for _ in range(22):
        strongest, _ = class_directions(model.cut(again), model.answers, 23)
        again = np.vstack([again, strongest[:1]])
    np.testing.assert_allclose(np.abs((again * model.contrasts).sum(1)), 1, atol=1e-6)


def test_iterated_directions_are_those_of_read_outs_fitted_to_the_states_cut_so_far(model: Model) -> None:
    """By numpy's least squares on all d coordinates, the ridge as rows of data, the singular vectors of its output."""
    ridge = np.sqrt(RIDGE * (model.seen.states**2).mean() * len(model.seen.answers)) * np.eye(32)
    one_hot = np.eye(23)[model.seen.answers]
    one_hot -= one_hot.mean(0)
    directions = iterated_directions(model.seen, 6)
    for k, direction in enumerate(directions):
        states = model.cut(directions[:k])[model.is_seen]
        states -= states.mean(0)
        weight, *_ = np.linalg.lstsq(np.vstack([states, ridge]), np.vstack([one_hot, np.zeros((32, 23))]), rcond=None)
        # Outputs are shrunk by the ridge: the strongest is one of those that answers have with what is fitted.
        values, combinations = np.linalg.eigh(one_hot.T @ states @ weight)
        assert values[-1] > 1.001 * values[-2]
        pattern = states.T @ one_hot @ combinations[:, -1]
        assert abs(pattern @ direction) == pytest.approx(np.linalg.norm(pattern), rel=1e-6), k


def test_a_read_out_is_the_most_likely_of_normal_distributions(model: Model) -> None:
    """With their densities written out, in all d coordinates."""
    held_out = ~model.is_seen
    for k in (0, 3, 10, 22):
        states = model.cut(model.contrasts[:k])
        seen, answers = states[model.is_seen], model.seen.answers
        means = np.stack([seen[answers == answer].mean(0) for answer in range(23)])
        covariance = np.cov((seen - means[answers]).T, bias=True) + RIDGE * (model.seen.states**2).mean() * np.eye(32)
        inverse = np.linalg.inv(covariance)
        apart = states[held_out][:, None] - means
        log_density = -np.einsum("nci,ij,ncj->nc", apart, inverse, apart) / 2 + np.log(np.bincount(answers))
        expected = (log_density.argmax(1) == model.answers[held_out]).mean()
        found = refitted_accuracy(
            model.seen, model.contrasts[:k], model.states[held_out] - model.mean, model.answers[held_out]
        )
        assert found == pytest.approx(expected, abs=1.5 / held_out.sum()), k


def test_an_answer_that_was_never_seen_is_never_given() -> None:
    states = np.array([[-1.0, 0.1], [-1.0, -0.1], [1.0, 0.1], [1.0, -0.1]])
    seen = Seen(states, np.array([0, 0, 2, 2]), 3)
    assert refitted_accuracy(seen, np.zeros((0, 2)), np.array([[0.1, 0.0], [-0.1, 0.0]]), np.array([2, 0])) == 1.0


def test_refitting_repairs_where_the_read_out_was_cut_and_not_what_is_gone(model: Model, attacks: Attacks) -> None:
    about_mean = measure_abliteration(model.configuration, model.parameters)["add"].about_mean
    assert (attacks.refitted - about_mean).max() > 0.2
    assert attacks.refitted[-1] < 0.3


def test_the_gradient_of_the_loss_is_that_of_autograd(model: Model) -> None:
    directions = np.random.default_rng(0).standard_normal((3, 32))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    own_bias = model.bias + model.mean @ model.weight
    losses, gradients = loss_without(directions, model.seen.states, model.weight, own_bias, model.seen.answers)
    states, weight, bias, answers = map(
        torch.from_numpy, (model.seen.states, model.weight, own_bias, model.seen.answers)
    )
    for direction, loss, gradient in zip(directions, losses, gradients, strict=True):
        v = torch.from_numpy(direction).requires_grad_()
        expected = torch.nn.functional.cross_entropy((states - (states @ v)[:, None] * v) @ weight + bias, answers)
        expected.backward()  # type: ignore[no-untyped-call]
        assert loss == pytest.approx(expected.item(), rel=1e-12)
        assert loss == pytest.approx(model.loss(direction[None]), rel=1e-9)
        assert v.grad is not None
        np.testing.assert_allclose(gradient, v.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_gradient_directions_are_orthonormal_and_each_hurts_more_than_any_of_200_random_ones(model: Model) -> None:
    own_bias = model.bias + model.mean @ model.weight
    directions, losses = gradient_directions(model.seen, model.weight, own_bias, 22, seed=0)
    np.testing.assert_allclose(directions @ directions.T, np.eye(22), atol=1e-10)
    generator = np.random.default_rng(1)
    for k in (0, 1, 4):
        cut = directions[:k]
        random = generator.standard_normal((200, 32))
        random -= random @ cut.T @ cut
        random /= np.linalg.norm(random, axis=1, keepdims=True)
        best = max(model.loss(np.vstack([cut, one])) for one in random)
        assert model.loss(directions[: k + 1]) > best
        assert losses[k] == pytest.approx(model.loss(directions[: k + 1]), rel=1e-9)
        assert model.loss(directions[: k + 1]) >= model.loss(np.vstack([cut, _next_contrast(model, cut)])) - 1e-9


def _next_contrast(model: Model, cut: Array) -> Array:
    """The strongest contrast of the training questions in what is left."""
    return class_directions(model.cut(cut)[model.is_seen], model.seen.answers, 23)[0][:1]


def test_iterated_directions_are_orthonormal(model: Model) -> None:
    directions = iterated_directions(model.seen, 22)
    np.testing.assert_allclose(directions @ directions.T, np.eye(22), atol=1e-10)


def test_each_operation_is_attacked_alone(configuration: Make) -> None:
    c = configuration(operations=("mul", "add"), answer_classes=(11, 4), learning_rate=1e-2, steps=100)
    for evaluation in train([c]):
        moments = evaluation.moments
    measured = measure_attacks(c, moments[-1].parameters)
    assert {name: {len(own.iterated), len(own.gradient), len(own.refitted)} for name, own in measured.items()} == {
        "mul": {11},
        "add": {4},
    }
    untouched = measure_abliteration(c, moments[-1].parameters)
    for operation, own in measured.items():
        assert own.iterated[0] == own.gradient[0] == untouched[operation].validation_accuracy


def test_measuring_twice_gives_the_same_bits(model: Model, attacks: Attacks) -> None:
    again = measure_attacks(model.configuration, model.parameters)["add"]
    for name, curve in vars(attacks).items():
        np.testing.assert_array_equal(curve, vars(again)[name])


@pytest.mark.parametrize("d_model", [4, 16])
def test_a_model_that_says_nothing_can_be_attacked_and_one_with_fewer_dimensions_than_answers(
    configuration: Make, d_model: int
) -> None:
    c = configuration(d_model=d_model)
    drawn = initial_parameters(c.architecture, c.seed)
    for parameters in (drawn, torch.zeros_like(drawn)):
        for name, curve in vars(measure_attacks(c, parameters)["add"]).items():
            assert len(curve) == min(d_model, 10) + (name != "gradient_loss")
            assert np.isfinite(curve).all()
