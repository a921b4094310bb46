"""What is seen of a training, and the step at which it groks. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class History:
    """What was seen of one member at each evaluation, of questions without a flag."""

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)


def grokking_step(steps: Sequence[int], accuracies: Sequence[float], threshold: float, evaluations: int) -> int | None:
    """The first evaluated step from which accuracy stays at or above threshold for the next ``evaluations``.

    Not the first touch: an accuracy that falls back within that window starts the count again. None if it never
    happens, or if training ended before the window did.
    """
    held = 0
    for index, accuracy in enumerate(accuracies):
        held = held + 1 if accuracy >= threshold else 0
        if held == evaluations + 1:
            return steps[index - evaluations]
    return None


def first_touch(steps: Sequence[int], accuracies: Sequence[float], threshold: float) -> int | None:
    """The first evaluated step with accuracy at or above threshold: the looser reading of "groks at"."""
    return next((s for s, a in zip(steps, accuracies, strict=True) if a >= threshold), None)


CALM = 0.99
"""Validation accuracy at a calm moment."""


def is_calm(accuracies: Sequence[float], index: int) -> bool:
    """Whether the model is in none of the dips that go on after grokking: accuracy is high at an evaluation, at the one
    before and at the one after.
    """
    return 0 < index < len(accuracies) - 1 and min(accuracies[index - 1 : index + 2]) >= CALM
