"""Adversarial training against abliteration (log entry 13), and its control.

On a penalised step, the directions in which the answers of the step's own batch differ most are projected out of its
final states, each operation's out of its own, about their mean; the cross-entropy of what is left is added to the loss,
λ times. Directions and mean are constants: the gradient runs through the states and the unembedding alone. The control
projects out as many random directions, drawn anew for each penalised step: what it does to a model, cuts do whatever
they hit.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from epistemics.science.configuration import Architecture


def without_directions(
    states: Tensor,
    operations: Tensor,
    answers: Tensor,
    present: Tensor,
    arch: Architecture,
    count: int,
    random: Tensor | None = None,
) -> Tensor:
    """States [E, B, d] less the ``count`` strongest directions of their operation, or less random ones.

    Directions are the leading right singular vectors of the class means less the mean of the operation's states, over
    this batch: ``geometry.class_directions`` of it.

    Args:
        operations, answers: [E, B].
        present: [E, B], 1 for questions and 0 for padding, which takes no part.
        random: [E, operations, d, count] orthonormal, taken in their place.
    """
    fixed = states.detach()
    numbered = torch.arange(arch.answers, device=answers.device)
    result = states
    for operation in range(arch.operations):
        own = (operations == operation).to(states.dtype) * present
        member_of = (answers[..., None] == numbered).to(states.dtype) * own[..., None]  # [E, B, classes]
        counts = member_of.sum(1)[..., None]  # [E, classes, 1]
        sums = member_of.transpose(1, 2) @ fixed
        mean = sums.sum(1, keepdim=True) / counts.sum(1, keepdim=True).clamp(min=1)
        if random is None:
            contrasts = torch.where(counts > 0, sums / counts.clamp(min=1) - mean, torch.zeros_like(sums))
            # A run that diverges ends at its next evaluation: until then eigh must not fail of it.
            contrasts = torch.where(contrasts.isfinite(), contrasts, torch.zeros_like(contrasts))
            # The singular vectors of [classes, d] are the eigenvectors of the [d, d] scatter matrix; eigh's come last.
            _, vectors = torch.linalg.eigh(contrasts.transpose(1, 2) @ contrasts)
            directions = vectors[..., -count:].detach()
        else:
            directions = random[:, operation]
        cut = states - (states - mean) @ directions @ directions.transpose(1, 2)
        result = torch.where((operations == operation)[..., None], cut, result)
    return result


def random_directions(seed: int, step: int, shape: tuple[int, int, int]) -> Tensor:
    """Orthonormal columns [operations, d, count], uniformly random, for one member's penalty at one step."""
    gaussian = np.random.default_rng([seed, 7, step]).standard_normal(shape)
    return torch.from_numpy(np.linalg.qr(gaussian).Q)
