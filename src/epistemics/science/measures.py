"""What is measured of one model at one moment: accuracy, geometry and abliteration curves, for each operation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from epistemics.science.abliteration import accuracy_curve
from epistemics.science.configuration import Configuration
from epistemics.science.geometry import (
    Array,
    activation_spectrum,
    class_directions,
    fourier_power,
    mean_share,
    principal_directions,
    random_directions,
    subspace_overlap,
)
from epistemics.science.model import final_state, named_parameters
from epistemics.science.noise import LARGE, SMALL, squared_gradients
from epistemics.science.tasks import table, training_rows


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
    principal_about_mean: Array
    """[d + 1] accuracy after removing k principal directions of the states about the mean."""
    gradient_small: float
    """Mean squared norm of the gradient over batches of ``noise.SMALL`` training questions."""
    gradient_large: float
    """The same for ``noise.LARGE``: the two give the noise scale."""
    others_about_mean: Array | None = None
    """[r + 1] the lowest accuracy of the other operations when this one's k class directions are removed from their
    states about their own means. None for an operation learned alone, as what follows."""
    overlap: Array | None = None
    """[r] mean squared cosine of the principal angles between the first k class directions of this operation and of
    the one with which it shares most."""
    overlap_cosine: Array | None = None
    """[r] the same for the mean cosine."""


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
    random = random_directions(c.d_model, c.seed)

    states, answers, held_out, directions, singular_values = {}, {}, {}, {}, {}
    for operation in c.operations:
        rows = questions.rows_of(operation)
        states[operation] = final_states(c, parameters, questions.questions[rows])
        answers[operation] = questions.answers[rows]
        held_out[operation] = ~training[rows]
        found = class_directions(states[operation], answers[operation], c.modulus)
        directions[operation], singular_values[operation] = found

    def curve(operation: str, removed: Array, origin: Array) -> Array:
        held = held_out[operation]
        return accuracy_curve(states[operation][held], removed, origin, unembedding, bias, answers[operation][held])

    measures = {}
    for operation in c.operations:
        mean, zero = states[operation].mean(0), np.zeros(c.d_model)
        own = questions.rows_of(operation)
        seen = own[training[own]]

        def gradients(batch_size: int, seen: NDArray[np.int64] = seen) -> float:
            return squared_gradients(c, parameters, questions.questions[seen], questions.answers[seen], batch_size)

        about_mean = curve(operation, directions[operation], mean)
        alone = Measures(
            validation_accuracy=float(about_mean[0]),
            mean_share=mean_share(states[operation]),
            spectrum=activation_spectrum(states[operation]),
            singular_values=singular_values[operation],
            fourier_power=fourier_power(numbers),
            about_mean=about_mean,
            about_zero=curve(operation, directions[operation], zero),
            random_about_mean=curve(operation, random, mean),
            random_about_zero=curve(operation, random, zero),
            principal_about_mean=curve(operation, principal_directions(states[operation]), mean),
            gradient_small=gradients(SMALL),
            gradient_large=gradients(LARGE),
        )
        others = [other for other in c.operations if other != operation]
        if others:
            overlaps = [subspace_overlap(directions[operation], directions[other]) for other in others]
            alone = dataclasses.replace(
                alone,
                others_about_mean=np.min(
                    [curve(other, directions[operation], states[other].mean(0)) for other in others], axis=0
                ),
                overlap=np.max([squared for squared, _ in overlaps], axis=0),
                overlap_cosine=np.max([cosines for _, cosines in overlaps], axis=0),
            )
        measures[operation] = alone
    return measures
