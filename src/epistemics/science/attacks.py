"""Attacks on a trained model: what cuts find that are chosen, or repaired, by whoever *adapts*.

``measures.measure_abliteration`` cuts the directions of ``geometry.class_directions``, and it is these that a penalised
model is trained to bear (``penalty``). Whoever adapts knows more than a list of directions: the model, its training
questions, and what has been cut already. Three attacks on an operation, each for k = 0 … r directions removed; all cuts
are of its final states, about their mean, all accuracies on its validation questions.

- *Iterated*: a read-out is fitted to the training questions, the direction by which it tells most is cut, and both are
  done again with what is left (after iterated nullspace projection: Ravfogel et al. 2020, arXiv:2004.07667). That paper
  cuts a classifier's weights; but a weight that tells answers apart may point where states hardly vary, and a model
  does not miss it. Here the direction is cut along which the states vary with the read-out: its pattern, not its filter
  (Haufe et al. 2014, doi:10.1016/j.neuroimage.2013.10.067). To extract the strongest *contrast* again after each cut
  would be no attack of its own: a singular vector that is cut leaves the others as they were, so that gives the class
  directions, one after the other.
- *Gradient*: the unit direction whose removal raises the model's own loss on training questions most, found by gradient
  ascent; then the next one in what is left, greedily.
- *Refitted*: the other way round. After class directions are cut, as refusal is (Arditi et al. 2024, arXiv:2406.11717),
  the read-out is fitted again: is an answer gone from the states, or only from where the model read it?

A cut of the final state can't be mended by the blocks before it, and what is fitted is linear: an answer that only a
curved read-out would find counts as gone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from epistemics.science.abliteration import accuracy_curve
from epistemics.science.configuration import Configuration
from epistemics.science.geometry import Array, class_directions
from epistemics.science.measures import final_states
from epistemics.science.network import named_parameters
from epistemics.science.tasks import table_of, training_rows

Answers = NDArray[np.int64]

RIDGE = 1e-4
"""What is added to every variance when a read-out is fitted, relative to the mean variance of the uncut states."""

SAMPLE = 1000
"""Training questions whose loss an ascent raises, at most; drawn by the seed."""
STARTS = 3
"""Random directions from which an ascent begins, besides the strongest contrast of what is left."""
LENGTHS = tuple(float(length) for length in np.geomspace(0.5, 0.02, 30))
"""Of the steps of an ascent, relative to the direction's own."""


@dataclass(frozen=True)
class Attacks:
    """What attacks leave of one operation's validation accuracy, by the number of directions removed."""

    iterated: Array
    """[r + 1] the model's, after cuts of the directions by which fitted read-outs tell most."""
    gradient: Array
    """[r + 1] the model's, after cuts of the directions whose removal raises its loss most."""
    gradient_loss: Array
    """[r] the model's cross-entropy on the sampled training questions after each of these cuts."""
    refitted: Array
    """[r + 1] a fitted read-out's, after cuts of class directions."""


@dataclass(frozen=True)
class Seen:
    """What an attack is made from."""

    states: Array
    """[m, d] final states of an operation's training questions, less the mean of all its states."""
    answers: Answers
    """[m], each between 0 and classes − 1."""
    classes: int


def measure_attacks(configuration: Configuration, parameters: Tensor) -> dict[str, Attacks]:
    """Operation → attacks, for one member's parameters [N] on the CPU."""
    c = configuration
    questions = table_of(c)
    training = training_rows(questions, c.train_fraction, c.seed)
    weights = named_parameters(c.architecture, parameters[None])
    weight, bias = (weights[f"unembedding.{name}"][0].double().numpy() for name in ("weight", "bias"))
    measures = {}
    for operation, classes in zip(c.operations, c.answer_classes or [c.modulus] * len(c.operations), strict=True):
        rows = questions.rows_of(operation)
        answers, is_seen = questions.answers[rows], training[rows]
        states = final_states(c, parameters, questions.questions[rows])
        mean = states.mean(0)
        contrasts, _ = class_directions(states, answers, classes)
        seen = Seen(states[is_seen] - mean, answers[is_seen], classes)
        held_out, wanted = states[~is_seen] - mean, answers[~is_seen]
        own_bias, count = bias + mean @ weight, len(contrasts)
        # Of states less their mean, a cut about the mean is one about zero.
        own = (np.zeros_like(mean), weight, own_bias, wanted)
        steepest, losses = gradient_directions(seen, weight, own_bias, count, c.seed)
        measures[operation] = Attacks(
            iterated=accuracy_curve(held_out, iterated_directions(seen, count), *own),
            gradient=accuracy_curve(held_out, steepest, *own),
            gradient_loss=losses,
            refitted=np.asarray([refitted_accuracy(seen, contrasts[:k], held_out, wanted) for k in range(count + 1)]),
        )
    return measures


def complement(directions: Array) -> Array:
    """What is left when orthonormal directions [k, d] are cut: an orthonormal basis [d − k, d] of it."""
    basis: Array = np.linalg.qr(directions.T, mode="complete").Q[:, len(directions) :].T
    return basis


def iterated_directions(seen: Seen, count: int) -> Array:
    """Orthonormal directions [count, d] in the order of their cuts.

    The read-out is fitted by least squares with a ridge. Of all combinations of answers its strongest output is taken;
    the states' covariance with it is the direction.
    """
    one_hot = np.eye(seen.classes)[seen.answers]
    directions = np.zeros((0, seen.states.shape[1]))
    for _ in range(count):
        left = complement(directions)
        states = seen.states @ left.T
        states -= states.mean(0)
        with_answers = states.T @ (one_hot - one_hot.mean(0)) / len(states)  # covariance, [d − k, classes]
        readout = np.linalg.solve(_ridged(states, seen), with_answers)
        _, combinations = np.linalg.eigh(with_answers.T @ readout)  # of the outputs' covariance; the strongest is last
        # A decomposition gives a unit vector even where nothing is left to tell.
        direction = np.linalg.qr(with_answers @ combinations[:, -1:]).Q[:, 0]
        directions = np.vstack([directions, direction @ left])
    return directions


def refitted_accuracy(seen: Seen, cut: Array, held_out: Array, answers: Answers) -> float:
    """Accuracy of a read-out fitted to what is left of the training questions' states when directions [k, d] are cut.

    The read-out is Fisher's linear discriminant, each answer a normal distribution about its own mean with one
    covariance for all, to which the ridge is added. (Least squares on one-hot answers mask each other: of a joint model
    with 99.7% it reads 88% from uncut states, the discriminant more than 99.9%.)

    Args:
        held_out, answers: [n, d], less the mean as those seen, and [n], of which accuracy is taken.
    """
    left = complement(cut)
    states = seen.states @ left.T
    sums = np.zeros((seen.classes, len(left)))
    np.add.at(sums, seen.answers, states)
    counts = np.bincount(seen.answers, minlength=seen.classes)
    means = sums / np.maximum(counts, 1)[:, None]
    weight = np.linalg.solve(_ridged(states - means[seen.answers], seen), means.T)  # [d − k, classes]
    with np.errstate(divide="ignore"):  # an answer that was never seen is never given
        bias = np.log(counts / len(states)) - (means.T * weight).sum(0) / 2
    return float(((held_out @ left.T @ weight + bias).argmax(1) == answers).mean())


def _ridged(deviations: Array, seen: Seen) -> Array:
    """Covariance of deviations [m, d − k], and the ridge; it can be inverted even if all states are one."""
    ridge = max(RIDGE * float((seen.states**2).mean()), float(np.finfo(float).tiny))
    return deviations.T @ deviations / len(deviations) + ridge * np.eye(deviations.shape[1])


def gradient_directions(seen: Seen, weight: Array, bias: Array, count: int, seed: int) -> tuple[Array, Array]:
    """Orthonormal directions [count, d], each the one whose removal, after the others', raises the loss most, and these
    losses [count].

    Args:
        weight, bias: of the model's read-out of states less their mean, [d, classes] and [classes].
        seed: draws the questions and where ascents begin.
    """
    generator = np.random.default_rng([seed, 8])
    sample = generator.permutation(len(seen.answers))[:SAMPLE]
    states, answers = seen.states[sample], seen.answers[sample]
    directions, losses = np.zeros((0, states.shape[1])), np.zeros(count)
    for k in range(count):
        left = complement(directions)
        contrasts, _ = class_directions(states @ left.T, answers, seen.classes)
        starts = np.vstack([contrasts[:1], _unit(generator.standard_normal((STARTS, len(left))))])
        found, losses[k] = _ascended(starts, states @ left.T, left @ weight, bias, answers)
        directions = np.vstack([directions, found @ left])
    return directions, losses


def _ascended(starts: Array, states: Array, weight: Array, bias: Array, answers: Answers) -> tuple[Array, float]:
    """The best direction passed on ascents along the sphere from unit directions [s, d], and its loss: [d] and one."""
    directions, highest = starts, -float("inf")
    best: Array = starts[0]
    for length in (*LENGTHS, 0.0):  # the last one looks at where the others end
        losses, gradients = loss_without(directions, states, weight, bias, answers)
        if losses.max() > highest:
            best, highest = directions[losses.argmax()], float(losses.max())
        along_the_sphere = gradients - (gradients * directions).sum(1, keepdims=True) * directions
        directions = _unit(directions + length * _unit(along_the_sphere))
    return best, highest


def loss_without(directions: Array, states: Array, weight: Array, bias: Array, answers: Answers) -> tuple[Array, Array]:
    """The model's cross-entropy when one direction is cut, for each of several [s, d], and its gradients: [s], [s, d].

    Without direction v the logits of a state x are (x − (x·v) v) W + b. Raised by dL/dlogits, they give
    dL/dv = −Σ over states of (dL/dlogits · vW) x + (x·v) W dL/dlogits.

    Args:
        states: [m, d] less their mean.
        weight, bias: [d, classes] and [classes].
        answers: [m].
    """
    along, effect, rows = states @ directions.T, directions @ weight, np.arange(len(answers))  # [m, s], [s, classes]
    logits = states @ weight + bias - along.T[:, :, None] * effect[:, None]  # [s, m, classes]
    logits -= logits.max(2, keepdims=True)
    likelihoods = np.exp(logits)
    totals = likelihoods.sum(2, keepdims=True)
    losses = (np.log(totals[..., 0]) - logits[:, rows, answers]).mean(1)
    slopes = likelihoods / totals
    slopes[:, rows, answers] -= 1
    slopes /= len(answers)  # dL/dlogits
    by_states = (slopes @ effect[:, :, None])[..., 0] @ states
    by_weights = (along.T[:, None] @ slopes)[:, 0] @ weight.T
    return losses, -(by_states + by_weights)


def _unit(vectors: Array) -> Array:
    """Vectors [s, d] at length 1; those of length 0 as they are."""
    lengths: Array = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(float).tiny)
