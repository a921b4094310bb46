"""Training from Python: what an experiment file may not ask for is refused here with the same words.

Stored results hang on ``training.training`` and on all that it reaches. These checks change no result, so they stand
aside: a new one makes nothing stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from epistemics.science.configuration import Configuration, faults
from epistemics.science.training import Evaluation, State, training


def train(
    configurations: Sequence[Configuration],
    device: torch.device | str = "cpu",
    state: State | None = None,
    inputs: Sequence[Tensor | None] | None = None,
) -> Iterator[Evaluation]:
    """Train a stack; yields after every evaluation, the one at step 0 included. See ``training.training``.

    Args:
        configurations: one for each member, with equal ``stack_key``.
        device: where to train.
        state: from an earlier ``Evaluation`` of the same stack, to go on from.
        inputs: for each member whose configuration continues another run, that run's parameters at its end [N].

    Raises:
        ValueError: for a value out of range, when it is called; for members that cannot train as one stack, or inputs
            that are missing, when the first evaluation is asked for.
    """
    for configuration in configurations:
        for key, requirement in faults(configuration):
            raise ValueError(f"{key}: {getattr(configuration, key)!r} {requirement}")
    return training(configurations, device, state, inputs)
