"""The geometry of a representation: its directions, its rank and its spectrum.

Everything here works on states: the residual stream at the answer position after the final LayerNorm, for all
questions of one operation, [n, d]. All is computed in float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def class_directions(states: Array, answers: NDArray[np.int64], classes: int) -> tuple[Array, Array]:
    """Directions that tell the answers apart, strongest first.

    The singular value decomposition of the class means less the mean of all states (log entry 8 takes the
    directions of an operation by SVD; the notes of entry 11 call them contrastive).

    Args:
        states: [n, d].
        answers: [n], each between 0 and classes − 1.
        classes: how many answers there are.

    Returns:
        Orthonormal directions [r, d] and their singular values [r], r = min(classes − 1, d): the class means of a
        balanced operation have rank classes − 1 at most once their mean is taken off.
    """
    sums = np.zeros((classes, states.shape[1]))
    np.add.at(sums, answers, states)
    counts = np.bincount(answers, minlength=classes)[:, None]
    means = sums / np.maximum(counts, 1)
    contrasts = np.where(counts > 0, means - states.mean(0), 0.0)
    _, singular_values, directions = np.linalg.svd(contrasts, full_matrices=False)
    rank = min(classes - 1, states.shape[1])
    return directions[:rank], singular_values[:rank]


def random_directions(dimensions: int, seed: int) -> Array:
    """A random orthonormal basis, [dimensions, dimensions]: a uniformly random rotation, row by row."""
    gaussian = np.random.default_rng([seed, 3]).standard_normal((dimensions, dimensions))
    q, r = np.linalg.qr(gaussian)
    return (q * np.sign(np.diag(r))).T


def principal_directions(states: Array) -> Array:
    """Orthonormal directions of greatest variance, strongest first, [d, d]: a basis, whatever the answers are."""
    centred = states - states.mean(0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return vectors[:, ::-1].T


def subspace_overlap(one: Array, other: Array) -> tuple[Array, Array]:
    """How much the spans of the first k directions of two bases share, for k = 1 … r.

    Two readings of the log's "overlap" (entries 11 and 13), by the principal angles θ between the two spans (Björck &
    Golub 1973, doi:10.1090/S0025-5718-1973-0348991-3): the mean of cos²θ, which is k/d for random spans of dimension
    d on average, and the mean of cos θ. Both are 1 for equal spans and 0 for orthogonal ones.

    Args:
        one, other: [r, d] orthonormal.

    Returns:
        Mean squared cosines [r] and mean cosines [r].
    """
    products = one @ other.T
    squared, cosines = [], []
    for k in range(1, len(products) + 1):
        values = np.linalg.svd(products[:k, :k], compute_uv=False)
        squared.append(float((values**2).mean()))
        cosines.append(float(values.mean()))
    return np.asarray(squared), np.asarray(cosines)


def activation_spectrum(states: Array) -> Array:
    """Singular values of the states about their mean, [min(n, d)], largest first."""
    centred = states - states.mean(0)
    # The eigenvalues of the [d, d] scatter matrix are the squared singular values, far sooner than an SVD of [n, d].
    eigenvalues = np.linalg.eigvalsh(centred.T @ centred)[::-1]
    return np.sqrt(np.maximum(eigenvalues, 0.0))


def variance_rank(spectrum: Array, share: float) -> int:
    """How many of the largest singular values hold at least ``share`` of the variance (the sum of squares).

    With share 0.99 this is rank99: our reading of the log's "effective rank" (entry 8). 0 if nothing varies, or if the
    model has diverged.
    """
    variance = np.cumsum(spectrum**2)
    if not variance[-1] > 0:
        return 0
    return int(np.searchsorted(variance / variance[-1], share - 1e-12) + 1)


def mean_share(states: Array) -> float:
    """Share of the states' squared norm that their mean holds: near 1, projecting to zero removes the mean."""
    mean = states.mean(0)
    return float(len(states) * (mean @ mean) / (states**2).sum())


def fourier_power(embedding: Array) -> Array:
    """Power of each frequency of a number embedding [p, d] along the numbers, frequencies 1 … p // 2, summed to 1.

    Frequency 0 is left out: the embeddings' mean says nothing about the numbers. (Nanda et al. 2023,
    arXiv:2301.05217, section 4.1.)
    """
    power = (np.abs(np.fft.rfft(embedding, axis=0)) ** 2).sum(1)[1:]
    return np.asarray(power / power.sum())


def fourier_share(embedding: Array, strongest: int = 8) -> float:
    """Share of the spectral power in the ``strongest`` frequencies: our reading of the log's Fourier column."""
    return float(np.sort(fourier_power(embedding))[::-1][:strongest].sum())
