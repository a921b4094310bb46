"""What is measured of a model against what was seen of it in training, and against one step after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from epistemics.science.abliteration import project_out
from epistemics.science.configuration import Configuration
from epistemics.science.geometry import class_directions, fourier_power
from epistemics.science.grokking import History
from epistemics.science.measures import final_states, measure_abliteration, measure_geometry, measure_noise
from epistemics.science.network import named_parameters
from epistemics.science.tasks import table, training_rows
from epistemics.science.train import train

Make = Callable[..., Configuration]


@pytest.fixture
def learned(configuration: Make) -> tuple[Configuration, torch.Tensor, History]:
    """A model that has learned its training questions, and some of the others."""
    c = configuration(
        modulus=23,
        layers=1,
        d_model=32,
        train_fraction=0.7,
        batch_size=128,
        learning_rate=1e-2,
        steps=100,
        measure_every=0,
    )
    return trained(c)


def trained(c: Configuration) -> tuple[Configuration, torch.Tensor, History]:
    for evaluation in train([c]):
        moments = evaluation.moments
    return c, moments[-1].parameters, evaluation.state.histories[0]


def test_every_curve_begins_with_the_validation_accuracy_of_training(
    learned: tuple[Configuration, torch.Tensor, History],
) -> None:
    c, parameters, history = learned
    measures = measure_abliteration(c, parameters)["add"]
    expected = pytest.approx(history.validation_accuracy[-1], abs=1e-6)
    assert history.validation_accuracy[-1] != pytest.approx(history.train_accuracy[-1], abs=0.02)
    assert measures.validation_accuracy == expected
    assert measures.about_mean[0] == expected
    assert measures.about_zero[0] == expected
    assert measures.random_about_mean[0] == expected
    assert measures.random_about_zero[0] == expected


def test_directions_are_of_all_questions_and_accuracy_of_validation_questions(
    learned: tuple[Configuration, torch.Tensor, History],
) -> None:
    """The abliteration curve, the long way round."""
    c, parameters, _ = learned
    questions = table(c.modulus, c.operations)
    states = final_states(c, parameters, questions.questions)
    directions, _ = class_directions(states, questions.answers, c.modulus)
    validation = ~training_rows(questions, c.train_fraction, c.seed)
    weights = named_parameters(c.architecture, parameters[None].double())
    unembedding, bias = weights["unembedding.weight"][0].numpy(), weights["unembedding.bias"][0].numpy()
    measures = measure_abliteration(c, parameters)["add"]
    for curve, origin in (
        (measures.about_mean, states.mean(0)),
        (measures.about_zero, np.zeros(c.d_model)),
    ):
        assert len(curve) == c.modulus
        for k in range(0, c.modulus, 3):
            cut = project_out(states[validation], directions[:k], origin)
            right = (cut @ unembedding + bias).argmax(1) == questions.answers[validation]
            assert curve[k] == pytest.approx(right.mean(), abs=1e-9), k
    assert measures.about_mean[-1] < 0.2 < measures.about_mean[0]  # it does remove what the model reads


def test_shapes_for_each_operation_and_the_embedding_that_they_share(configuration: Make) -> None:
    c, parameters, _ = trained(configuration(operations=("mul", "add"), steps=10))
    geometry = measure_geometry(c, parameters)
    families: list[Mapping[str, object]] = [geometry, measure_abliteration(c, parameters), measure_noise(c, parameters)]
    assert [list(measured) for measured in families] == [["mul", "add"]] * 3
    for operation in c.operations:
        shapes = {name: np.shape(v) for measured in families for name, v in vars(measured[operation]).items()}
        assert shapes == {
            "validation_accuracy": (),
            "mean_share": (),
            "spectrum": (c.d_model,),
            "singular_values": (c.modulus - 1,),
            "fourier_power": (c.modulus // 2,),
            "about_mean": (c.modulus,),
            "about_zero": (c.modulus,),
            "random_about_mean": (c.d_model + 1,),
            "random_about_zero": (c.d_model + 1,),
            "principal_about_mean": (c.d_model + 1,),
            "gradient_small": (),
            "gradient_large": (),
            "others_about_mean": (c.modulus,),
            "overlap": (c.modulus - 1,),
            "overlap_cosine": (c.modulus - 1,),
        }
    assert not np.allclose(geometry["mul"].singular_values, geometry["add"].singular_values)
    embedding = named_parameters(c.architecture, parameters[None])["embedding"][0, : c.modulus]
    expected = fourier_power(embedding.double().numpy())
    np.testing.assert_array_equal(geometry["mul"].fourier_power, expected)
    np.testing.assert_array_equal(geometry["add"].fourier_power, expected)


def test_what_is_left_of_the_other_operation_is_cut_about_its_own_mean(configuration: Make) -> None:
    c, parameters, _ = trained(configuration(operations=("add", "mul"), steps=200, learning_rate=1e-2))
    questions = table(c.modulus, c.operations)
    validation = ~training_rows(questions, c.train_fraction, c.seed)
    weights = named_parameters(c.architecture, parameters[None].double())
    unembedding, bias = weights["unembedding.weight"][0].numpy(), weights["unembedding.bias"][0].numpy()
    measured = measure_abliteration(c, parameters)
    rows = {operation: questions.rows_of(operation) for operation in c.operations}
    states = {operation: final_states(c, parameters, questions.questions[own]) for operation, own in rows.items()}
    for operation, other in (("add", "mul"), ("mul", "add")):
        directions, _ = class_directions(states[operation], questions.answers[rows[operation]], c.modulus)
        held = validation[rows[other]]
        curve = measured[operation].others_about_mean
        assert curve is not None
        for k in (0, 1, 4, c.modulus - 1):
            cut = project_out(states[other][held], directions[:k], states[other].mean(0))
            right = (cut @ unembedding + bias).argmax(1) == questions.answers[rows[other]][held]
            assert curve[k] == pytest.approx(right.mean(), abs=1e-9), k


def test_an_operation_alone_has_no_others(learned: tuple[Configuration, torch.Tensor, History]) -> None:
    c, parameters, _ = learned
    geometry, curves = measure_geometry(c, parameters)["add"], measure_abliteration(c, parameters)["add"]
    assert (curves.others_about_mean, geometry.overlap, geometry.overlap_cosine) == (None, None, None)


def test_measuring_twice_gives_the_same(learned: tuple[Configuration, torch.Tensor, History]) -> None:
    c, parameters, _ = learned
    for take in (measure_geometry, measure_abliteration, measure_noise):
        first, second = (vars(take(c, parameters)["add"]) for _ in range(2))
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_removing_every_random_direction_leaves_no_answer(
    learned: tuple[Configuration, torch.Tensor, History],
) -> None:
    """All states are then one and the same, and so is the answer."""
    c, parameters, _ = learned
    measures = measure_abliteration(c, parameters)["add"]
    for curve in (measures.random_about_mean, measures.random_about_zero):
        assert curve[-1] < 0.15
        assert curve[0] > 0.2
