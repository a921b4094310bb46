"""The open residual stream is the model that was trained, and its cuts are those of ``abliteration``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from epistemics.science.abliteration import accuracy_curve
from epistemics.science.configuration import Configuration
from epistemics.science.geometry import class_directions
from epistemics.science.measures import final_states
from epistemics.science.network import initial_parameters, named_parameters
from epistemics.science.residual_stream import accuracy_by_place, blocks, embedded
from epistemics.science.tasks import table, training_rows


@pytest.fixture(scope="module")
def two_layers(configuration: Callable[..., Configuration]) -> Configuration:
    return configuration(layers=2)


def parameters_of(configuration: Configuration) -> torch.Tensor:
    """A model in which attention matters: larger weights than those that training starts with."""
    return 3 * initial_parameters(configuration.architecture, 0, embedding_scale=0.1)


def test_its_blocks_compute_what_the_model_does(two_layers: Configuration) -> None:
    questions = table(two_layers.modulus, two_layers.operations).questions
    parameters = parameters_of(two_layers)
    stream = embedded(two_layers, parameters, questions)
    for _, block in blocks(two_layers, parameters):
        stream = block(stream)
    np.testing.assert_allclose(stream[:, -1].numpy(), final_states(two_layers, parameters, questions), atol=1e-4)


def test_a_cut_of_the_final_state_is_an_abliteration(two_layers: Configuration) -> None:
    c, parameters = two_layers, parameters_of(two_layers)
    questions = table(c.modulus, c.operations)
    held_out = ~training_rows(questions, c.train_fraction, c.seed)
    states = final_states(c, parameters, questions.questions)
    directions, _ = class_directions(states, questions.answers, c.modulus)
    w = named_parameters(c.architecture, parameters[None])
    weight, bias = (w[f"unembedding.{name}"][0].double().numpy() for name in ("weight", "bias"))
    expected = accuracy_curve(states[held_out], directions, states.mean(0), weight, bias, questions.answers[held_out])
    removed = [0, 1, 4, len(directions)]
    curve = accuracy_by_place(c, parameters, removed)["final state"]
    np.testing.assert_allclose(curve, expected[removed], atol=2 / held_out.sum())  # a tie may round either way


def test_nothing_removed_leaves_every_place_as_it_is(two_layers: Configuration) -> None:
    c, parameters = two_layers, parameters_of(two_layers)
    curves = accuracy_by_place(c, parameters, [0, 3])
    assert list(curves) == [
        "after attention 1",
        "after feed-forward 1",
        "after attention 2",
        "after feed-forward 2",
        "final state",
    ]
    assert len({curve[0] for curve in curves.values()}) == 1


def test_a_cut_everywhere_reaches_what_attention_reads_later(two_layers: Configuration) -> None:
    c, parameters = two_layers, parameters_of(two_layers)
    alone, everywhere = (accuracy_by_place(c, parameters, [1, 4, 16], everywhere) for everywhere in (False, True))
    assert list(everywhere) == ["after attention 1", "after feed-forward 1"]
    assert not np.array_equal(alone["after attention 1"], everywhere["after attention 1"])
