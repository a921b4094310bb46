"""What decides a run's result, and what its steps cost in arithmetic. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OPERATIONS = ("add", "mul")
PRECISIONS = ("float32", "bfloat16", "float64")


@dataclass(frozen=True)
class Architecture:
    """What fixes the shapes of a model."""

    modulus: int
    operations: int
    layers: int
    d_model: int
    heads: int

    @property
    def distinct_inputs(self) -> int:
        """Distinct (token, position) pairs: a, operation, b and the equals sign."""
        return 2 * self.modulus + self.operations + 1


@dataclass(frozen=True)
class Configuration:
    """Everything that decides a run's result. Two runs with equal configurations are the same run."""

    operations: tuple[str, ...]
    """Operations learned jointly, of ``tasks.OPERATIONS``."""
    modulus: int
    """p, a prime; the number of classes."""
    layers: int
    """Transformer blocks."""
    d_model: int
    """Width of the residual stream."""
    heads: int
    """Attention heads; they divide d_model."""
    train_fraction: float
    """Share of each operation's p² questions that is trained on; the rest is for validation."""
    batch_size: int
    """Questions a step."""
    learning_rate: float
    """AdamW's, constant, without warm-up."""
    weight_decay: float
    """AdamW's decoupled decay, on every parameter."""
    beta1: float
    """AdamW's decay of the mean gradient."""
    beta2: float
    """AdamW's decay of the mean squared gradient."""
    steps: int
    """The longest that the run trains."""
    stop_after_grokking: int | None
    """Steps trained after the grokking step, or None to train all ``steps``."""
    evaluate_every: int
    """Steps between evaluations of every question."""
    grokking_accuracy: float
    """Validation accuracy that counts as grokked."""
    grokking_evaluations: int
    """Further evaluations for which it must hold."""
    measure_every: int
    """Steps between the moments of the regular grid; 0 for none."""
    measure_after_grokking: tuple[int, ...]
    """Moments relative to the grokking step; 0 is the grokking step itself."""
    precision: str
    """Of the matrix products: float32, bfloat16 or float64."""
    compiled: bool
    """Whether the step is compiled. It changes speed, and results by rounding."""
    seed: int
    """Draws the parameters, the split and the batches."""

    @property
    def architecture(self) -> Architecture:
        return Architecture(self.modulus, len(self.operations), self.layers, self.d_model, self.heads)


def configuration_from_json(content: dict[str, Any]) -> Configuration:
    """A stored configuration: JSON has lists where a configuration has tuples."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    return Configuration(**values)


def step_operations(configuration: Configuration) -> float:
    """Floating-point operations of one training step: 3 × those of the forward pass, products only.

    A forward product of [n, i] by [i, o] takes 2·n·i·o; a backward pass takes twice the forward's. Used to
    carry a measured speed over to architectures that were not timed.
    """
    arch, batch = configuration.architecture, configuration.batch_size
    d, p = arch.d_model, arch.modulus
    selected = 2 * batch * p * 4 * d
    total = arch.distinct_inputs * 3 * d * d + selected + batch * d * p
    for layer in range(arch.layers):
        last = layer == arch.layers - 1
        rows = batch if last else 4 * batch
        total += rows * (d * d + 8 * d * d)
        if layer > 0:
            total += 4 * batch * 2 * d * d + rows * d * d
    return 3.0 * 2.0 * total


def training_operations(configuration: Configuration, steps: int, evaluations: int) -> float:
    """Floating-point operations of some steps and evaluations. An evaluation is a forward pass over all questions."""
    c = configuration
    questions = len(c.operations) * c.modulus**2
    return (steps + evaluations * questions / c.batch_size / 3) * step_operations(c)
