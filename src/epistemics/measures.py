"""What is measured of one model at one moment: accuracy, geometry and abliteration curves, for each operation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from epistemics.abliteration import accuracy_curve
from epistemics.configuration import Configuration
from epistemics.geometry import (
    Array,
    activation_spectrum,
    class_directions,
    fourier_power,
    mean_share,
    random_directions,
)
from epistemics.model import final_state, named_parameters
from epistemics.tasks import table, training_rows


@dataclass(frozen=True)
class Measures:
    """One operation of one model at one moment.

    Accuracies are on validation questions; geometry is of all p² questions.
    """

    validation_accuracy: float
    mean_share: float
    """Share of the states' squared norm held by their mean."""
    spectrum: Array
    """[d] singular values of the centred states."""
    singular_values: Array
    """[r] of the class directions."""
    fourier_power: Array
    """[p // 2] of the number embedding."""
    about_mean: Array
    """[r + 1] accuracy after removing k class directions about the mean."""
    about_zero: Array
    """[r + 1] the same about zero."""
    random_about_mean: Array
    """[d + 1] accuracy after removing k random directions about the mean: one random basis, drawn by the seed."""
    random_about_zero: Array
    """[d + 1] the same about zero."""


def final_states(configuration: Configuration, parameters: Tensor, questions: NDArray[np.int64]) -> Array:
    """Final states of one member [n, d], computed in the precision that it was trained in."""
    flat = parameters[None]
    with torch.no_grad():
        batches = [
            final_state(configuration.architecture, flat, rows[None], configuration.precision)[0]
            for rows in torch.from_numpy(questions).split(1024)  # type: ignore[no-untyped-call]
        ]
    return torch.cat(batches).double().numpy()


def measure(configuration: Configuration, parameters: Tensor) -> dict[str, Measures]:
    """Operation → measures, for one member's parameters [N] on the CPU."""
    c = configuration
    questions = table(c.modulus, c.operations, c.shuffled_answers)
    training = training_rows(questions, c.train_fraction, c.seed)
    weights = named_parameters(c.architecture, parameters[None])
    unembedding = weights["unembedding.weight"][0].double().numpy()
    bias = weights["unembedding.bias"][0].double().numpy()
    numbers = weights["embedding"][0, : c.modulus].double().numpy()
    measures = {}
    for operation in c.operations:
        rows = questions.rows_of(operation)
        states = final_states(c, parameters, questions.questions[rows])
        answers = questions.answers[rows]
        directions, singular_values = class_directions(states, answers, c.modulus)
        validation = ~training[rows]
        held_out, held_answers = states[validation], answers[validation]
        mean, zero = states.mean(0), np.zeros(c.d_model)

        def curve(
            directions: Array,
            origin: Array,
            states: Array = held_out,
            answers: NDArray[np.int64] = held_answers,
        ) -> Array:
            return accuracy_curve(states, directions, origin, unembedding, bias, answers)

        random = random_directions(c.d_model, c.seed)
        about_mean = curve(directions, mean)
        measures[operation] = Measures(
            validation_accuracy=float(about_mean[0]),
            mean_share=mean_share(states),
            spectrum=activation_spectrum(states),
            singular_values=singular_values,
            fourier_power=fourier_power(numbers),
            about_mean=about_mean,
            about_zero=curve(directions, zero),
            random_about_mean=curve(random, mean),
            random_about_zero=curve(random, zero),
        )
    return measures
