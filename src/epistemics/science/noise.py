"""The gradient noise scale: how many questions a batch needs before its gradient is more signal than noise.

McCandlish et al. 2018 (arXiv:1812.06162), the simple noise scale B = tr Σ / |G|² of appendix A.1, with G the gradient
and Σ the covariance of one question's gradient, from the mean squared norm of gradients at two batch sizes (log
entry 6).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from epistemics.science.configuration import Configuration
from epistemics.science.network import network_of
from epistemics.science.training import Batch, batch_loss

SMALL, LARGE = 64, 512
"""The two batch sizes."""
DRAWS = 16
"""Batches of each."""


def squared_gradients(
    configuration: Configuration,
    parameters: Tensor,
    questions: NDArray[np.int64],
    answers: NDArray[np.int64],
    batch_size: int,
) -> float:
    """Mean over ``DRAWS`` batches of the squared norm of the cross-entropy's gradient.

    Args:
        parameters: [N].
        questions, answers: [n, 3] and [n], from which batches are drawn independently, with replacement.
    """
    c = configuration
    generator = np.random.default_rng([c.seed, 5, batch_size])
    weights = torch.full((1, batch_size), 1 / batch_size, dtype=parameters.dtype)
    squares = []
    for _ in range(DRAWS):
        rows = generator.integers(len(answers), size=batch_size)
        batch = Batch(torch.from_numpy(questions[rows])[None], torch.from_numpy(answers[rows])[None], weights)
        gradient = torch.func.grad(batch_loss)(parameters[None], batch, network_of(c.architecture), c.precision)
        squares.append(float(gradient.double().square().sum()))
    return float(np.mean(squares))


def noise_scale(small: float, large: float) -> float:
    """The simple noise scale, in questions, from the mean squared gradients of the two batch sizes.

    Equations A.2 and A.3 of the paper. Infinite where the estimate of the squared gradient is not above zero: then the
    noise is more than these batches can see through.
    """
    signal = (LARGE * large - SMALL * small) / (LARGE - SMALL)
    noise = (small - large) / (1 / SMALL - 1 / LARGE)
    return max(noise, 0.0) / signal if signal > 0 else float("inf")
