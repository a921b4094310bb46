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

    # What follows is not used unless it is asked for; a value at its default is not part of a run's key.

    embedding_scale: float = 0.02
    """Standard deviation of embeddings and positions at step 0; 1 is torch's default."""
    shuffled_answers: bool = False
    """Whether each operation's answers are permuted among its questions, so that there is nothing to learn but them."""
    adversarial_weight: float = 0.0
    """λ of the adversarial penalty (log entry 13); 0 for none."""
    adversarial_every: int = 10
    """Steps from one penalised step to the next."""
    adversarial_from: int = 10_000
    """Steps of training before the first penalised one."""
    adversarial_directions: int = 10
    """Directions of each operation that the penalty projects out."""

    @property
    def architecture(self) -> Architecture:
        return Architecture(self.modulus, len(self.operations), self.layers, self.d_model, self.heads)


def configuration_from_json(content: dict[str, Any]) -> Configuration:
    """A stored configuration: JSON has lists where a configuration has tuples."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    return Configuration(**values)


def step_operations(configuration: Configuration) -> float:
    """Floating-point operations of one training step of one member, in matrix products, without the penalty's.

    A product of [n, i] by [i, o] takes 2·n·i·o. A linear layer of n rows takes it three times: forward, for its
    inputs' gradient and for its weight's. Rows of the first layer (the residual stream, queries, keys and values) are
    selected, and added up again in the gradient, by a product with a one-hot matrix.
    """
    arch, batch = configuration.architecture, configuration.batch_size
    d, p, everywhere = arch.d_model, arch.modulus, 4 * batch
    linear = [(arch.distinct_inputs, d, 3 * d), (batch, d, p)]  # rows, inputs, outputs
    for layer in range(arch.layers):
        rows = batch if layer == arch.layers - 1 else everywhere
        linear += [(rows, d, d), (rows, d, 4 * d), (rows, 4 * d, d)]
        if layer > 0:
            linear += [(everywhere, d, 2 * d), (rows, d, d)]
    one_hot = 2 * p + (arch.operations if arch.operations > 1 else 0)
    selected = 2 * one_hot * batch * 4 * d
    return 2.0 * (sum(3 * n * i * o for n, i, o in linear) + selected)


def training_operations(configuration: Configuration, steps: int, evaluations: int) -> float:
    """Floating-point operations of some steps and evaluations. An evaluation is a forward pass over all questions."""
    c = configuration
    questions = len(c.operations) * c.modulus**2
    return (steps + evaluations * questions / c.batch_size / 3) * step_operations(c)
