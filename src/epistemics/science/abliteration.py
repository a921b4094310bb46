"""Abliteration: directions are projected out of a model's final state and its accuracy is taken again.

A state is cut about an origin: what it has along the directions, measured from the origin, is removed. About the
mean, a removed direction keeps its average value (mean ablation); about zero it keeps nothing. The two differ
where the mean is large, so both are always shown. (Arditi et al. 2024, arXiv:2406.11717, project to zero.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from epistemics.science.geometry import Array


def project_out(states: Array, directions: Array, origin: Array) -> Array:
    """states [n, d] without their components, measured from origin [d], along orthonormal directions [k, d]."""
    return states - (states - origin) @ directions.T @ directions


def accuracy_curve(
    states: Array,
    directions: Array,
    origin: Array,
    weight: Array,
    bias: Array,
    answers: NDArray[np.int64],
) -> Array:
    """Accuracy after the first k directions are removed, for k = 0 … K: [K + 1].

    Args:
        states: [n, d] final states.
        directions: [K, d] orthonormal, in the order of removal.
        origin: [d], what a removed direction is set to: the states' mean, or zero.
        weight, bias: the unembedding, [d, classes] and [classes].
        answers: [n].
    """
    # Classes first: then the maximum over classes runs along whole rows of memory.
    logits = np.ascontiguousarray((states @ weight + bias).T)  # [classes, n]
    along = (states - origin) @ directions.T  # [n, K]
    effect = directions @ weight  # [K, classes]
    curve = [_accuracy(logits, answers)]
    for k in range(len(directions)):  # orthonormal directions: each removal is a rank-one change of the logits
        logits -= np.outer(effect[k], along[:, k])
        curve.append(_accuracy(logits, answers))
    return np.asarray(curve)


def _accuracy(logits: Array, answers: NDArray[np.int64]) -> float:
    """Share of columns of logits [classes, n] in which the answer has the largest logit."""
    own = logits[answers, np.arange(len(answers))]
    return float((own >= logits.max(0)).mean())


def falls_at(curve: Sequence[float] | Array, threshold: float) -> int | None:
    """The fewest directions whose removal brings accuracy below the threshold; None if none of the curve's does.

    0 if the model is below it untouched, or has diverged. This is our k@95% (threshold 0.95).
    """
    below = np.flatnonzero(~(np.asarray(curve) >= threshold))
    return int(below[0]) if len(below) else None


def survives(curve: Sequence[float] | Array, threshold: float) -> int | None:
    """The most directions removed, counting from the first, with accuracy still at or above the threshold.

    The other reading of the log's k@95%, one less than ``falls_at``. None if the model is below it untouched.
    """
    falls = falls_at(curve, threshold)
    if falls is None:
        return len(curve) - 1
    return falls - 1 if falls > 0 else None
