"""What is measured of one model at one moment, for each operation: geometry, abliteration and noise.

Each is a family of measures: a part of a result, with a fingerprint of its own (``study.PARTS``). Accuracies are on
validation questions; geometry is of all questions.
"""

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
from epistemics.science.network import named_parameters, network_of
from epistemics.science.noise import LARGE, SMALL, squared_gradients
from epistemics.science.tasks import table_of, training_rows


@dataclass(frozen=True)
class Geometry:
    """How one operation lies in a model."""

    mean_share: float
    """Share of the states' squared norm held by their mean."""
    spectrum: Array
    """[d] singular values of the centred states."""
    singular_values: Array
    """[r] of the class directions."""
    fourier_power: Array
    """[p // 2] of the number embedding."""
    overlap: Array | None = None
    """[r] mean squared cosine of the principal angles between the first k class directions of this operation and of
    the one with which it shares most. None for an operation learned alone, as what follows."""
    overlap_cosine: Array | None = None
    """[r] the same for the mean cosine."""


@dataclass(frozen=True)
class Abliteration:
    """What is left of one operation's accuracy when directions are removed from its states."""

    validation_accuracy: float
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
    others_about_mean: Array | None = None
    """[r + 1] the lowest accuracy of the other operations when this one's k class directions are removed from their
    states about their own means. None for an operation learned alone."""


@dataclass(frozen=True)
class Noise:
    """How large the gradient of one operation's cross-entropy is; the two give the noise scale."""

    gradient_small: float
    """Mean squared norm of the gradient over batches of ``noise.SMALL`` training questions."""
    gradient_large: float
    """The same for ``noise.LARGE``."""


def final_states(configuration: Configuration, parameters: Tensor, questions: NDArray[np.int64]) -> Array:
    """Final states of one member [n, d], computed in the precision that it was trained in."""
    flat, network = parameters[None], network_of(configuration.architecture)
    with torch.no_grad():
        batches = [
            network.final_state(flat, rows[None], configuration.precision)[0]
            for rows in torch.from_numpy(questions).split(1024)  # type: ignore[no-untyped-call]
        ]
    return torch.cat(batches).double().numpy()


@dataclass(frozen=True)
class _Learned:
    """One operation in a model."""

    states: Array
    """[n, d] of all its questions."""
    answers: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    """[n], the validation questions."""
    directions: Array
    """[r, d] that tell its answers apart."""
    singular_values: Array


def _learned(configuration: Configuration, parameters: Tensor) -> dict[str, _Learned]:
    c = configuration
    questions = table_of(c)
    training = training_rows(questions, c.train_fraction, c.seed)
    found = {}
    for operation, classes in zip(c.operations, c.answer_classes or [c.modulus] * len(c.operations), strict=True):
        rows = questions.rows_of(operation)
        states, answers = final_states(c, parameters, questions.questions[rows]), questions.answers[rows]
        found[operation] = _Learned(states, answers, ~training[rows], *class_directions(states, answers, classes))
    return found


def measure_geometry(configuration: Configuration, parameters: Tensor) -> dict[str, Geometry]:
    """Operation → geometry, for one member's parameters [N] on the CPU."""
    c = configuration
    learned = _learned(c, parameters)
    numbers = named_parameters(c.architecture, parameters[None])["embedding"][0, : c.modulus].double().numpy()
    measures = {}
    for operation, own in learned.items():
        measures[operation] = Geometry(
            mean_share=mean_share(own.states),
            spectrum=activation_spectrum(own.states),
            singular_values=own.singular_values,
            fourier_power=fourier_power(numbers),
        )
        if others := [other for name, other in learned.items() if name != operation]:
            rank = min(len(one.directions) for one in learned.values())
            overlaps = [subspace_overlap(own.directions[:rank], other.directions[:rank]) for other in others]
            measures[operation] = dataclasses.replace(
                measures[operation],
                overlap=np.max([squared for squared, _ in overlaps], axis=0),
                overlap_cosine=np.max([cosines for _, cosines in overlaps], axis=0),
            )
    return measures


def measure_abliteration(configuration: Configuration, parameters: Tensor) -> dict[str, Abliteration]:
    """Operation → accuracy curves, for one member's parameters [N] on the CPU."""
    c = configuration
    learned = _learned(c, parameters)
    weights = named_parameters(c.architecture, parameters[None])
    weight, bias = (weights[f"unembedding.{name}"][0].double().numpy() for name in ("weight", "bias"))
    zero, random = np.zeros(c.d_model), random_directions(c.d_model, c.seed)

    def curve(of: _Learned, removed: Array, origin: Array) -> Array:
        return accuracy_curve(of.states[of.held_out], removed, origin, weight, bias, of.answers[of.held_out])

    measures = {}
    for operation, own in learned.items():
        mean = own.states.mean(0)
        about_mean = curve(own, own.directions, mean)
        others = [
            curve(other, own.directions, other.states.mean(0)) for name, other in learned.items() if name != operation
        ]
        measures[operation] = Abliteration(
            validation_accuracy=float(about_mean[0]),
            about_mean=about_mean,
            about_zero=curve(own, own.directions, zero),
            random_about_mean=curve(own, random, mean),
            random_about_zero=curve(own, random, zero),
            principal_about_mean=curve(own, principal_directions(own.states), mean),
            others_about_mean=np.min(others, axis=0) if others else None,
        )
    return measures


def measure_noise(configuration: Configuration, parameters: Tensor) -> dict[str, Noise]:
    """Operation → squared gradients, for one member's parameters [N] on the CPU."""
    c = configuration
    questions = table_of(c)
    training = training_rows(questions, c.train_fraction, c.seed)
    measures = {}
    for operation in c.operations:
        rows = questions.rows_of(operation)
        seen = rows[training[rows]]
        small, large = (
            squared_gradients(c, parameters, questions.questions[seen], questions.answers[seen], size)
            for size in (SMALL, LARGE)
        )
        measures[operation] = Noise(gradient_small=small, gradient_large=large)
    return measures
