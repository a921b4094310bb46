"""What decides a run's result, and what its steps cost in arithmetic. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from epistemics.science.operations import OPERATIONS, question_count

NETWORKS = {
    "transformer": "science.transformer.Transformer",
}
"""The class of each network; see ``network``. Results hang on the line of their own alone (``study.lines``)."""
GRADIENTS = {
    "autograd": "science.training.training_step",
    "by hand": "science.layers.training_step",
}
"""What makes a step, by where its gradient comes from; results hang on the line of their own alone, too."""
PRECISIONS = ("float32", "bfloat16", "float64")

NAMES = {
    "operations": tuple(OPERATIONS),
    "precision": PRECISIONS,
    "network": tuple(NETWORKS),
    "gradient": tuple(GRADIENTS),
}
"""Settings whose values are names, and these."""

AT_MOST = {
    "modulus": 10_000,
    "layers": 1_000,
    "d_model": 16_384,
    "steps": 1_000_000_000,
    "learning_rate": 100,
    "weight_decay": 1_000_000,
    "embedding_scale": 1_000_000,
    "adversarial_weight": 1_000_000,
}
"""Bounds far above what trains on any machine: more is a slip of the pen, which would be found only after hours."""


@dataclass(frozen=True)
class Architecture:
    """What fixes the shapes of a model."""

    modulus: int
    operations: int
    layers: int
    d_model: int
    heads: int
    network: str = "transformer"

    @property
    def distinct_inputs(self) -> int:
        """Distinct (token, position) pairs: a, operation, b and the equals sign."""
        return 2 * self.modulus + self.operations + 1


@dataclass(frozen=True)
class Configuration:
    """Everything that decides a run's result. Two runs with equal configurations are the same run."""

    operations: tuple[str, ...]
    """Operations learned jointly, of ``operations.OPERATIONS``."""
    modulus: int
    """p, the number of answers; a prime, where an operation needs one."""
    layers: int
    """Transformer blocks."""
    d_model: int
    """Width of the residual stream."""
    heads: int
    """Attention heads; they divide d_model."""
    train_fraction: float
    """Share of each operation's questions that is trained on; the rest is for validation."""
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
    network: str = "transformer"
    """Which of ``configuration.NETWORKS`` is trained."""
    gradient: str = "autograd"
    """Where the gradient comes from: autograd, or by hand, which is faster. It changes results by rounding."""

    @property
    def architecture(self) -> Architecture:
        return Architecture(self.modulus, len(self.operations), self.layers, self.d_model, self.heads, self.network)


def stack_key(configuration: Configuration) -> tuple[object, ...]:
    """Runs with equal keys can train as one stack."""
    c = configuration
    adversarial = (c.adversarial_every, c.adversarial_from, c.adversarial_directions) if c.adversarial_weight else None
    task = (c.operations, c.shuffled_answers)
    return (task, c.architecture, c.beta1, c.beta2, c.evaluate_every, c.precision, c.compiled, c.gradient, adversarial)


def configuration_from_json(content: dict[str, Any]) -> Configuration:
    """A stored configuration: JSON has lists where a configuration has tuples."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    return Configuration(**values)


def step_operations(configuration: Configuration) -> float:
    """Floating-point operations of one training step of one member, in matrix products, without the penalty's.

    They are a transformer's. Another network is taken for one: a guess, of which nothing but estimates of time is made.

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
    questions = sum(question_count(operation, c.modulus) for operation in c.operations)
    return (steps + evaluations * questions / c.batch_size / 3) * step_operations(c)


def faults(c: Configuration) -> Iterator[tuple[str, str]]:
    """Setting and requirement of every value that is out of range; none for a configuration that can be trained."""
    for key, bound in AT_MOST.items():
        if getattr(c, key) > bound:
            yield key, f"must be at most {bound:,}"
            return
    if unknown := [operation for operation in c.operations if operation not in OPERATIONS]:
        yield "operations", f"holds {unknown[0]!r}; known operations: {', '.join(OPERATIONS)}"
        return
    if not c.operations or len(set(c.operations)) != len(c.operations):
        yield "operations", "must name at least one operation, and none twice"
        return
    if c.modulus < 2:
        yield "modulus", "must be at least 2"
        return
    if (fussy := [o for o in c.operations if OPERATIONS[o].needs_prime]) and not _is_prime(c.modulus):
        yield "modulus", f"must be prime for {fussy[0]}, or not every number but 0 has an inverse"
    for key in ("layers", "d_model", "heads", "batch_size", "steps", "evaluate_every"):
        if getattr(c, key) < 1:
            yield key, "must be at least 1"
            return
    if c.d_model % c.heads:
        yield "d_model", f"must be divisible by heads, which is {c.heads}"
    if not 0 < c.train_fraction < 1:
        yield "train_fraction", "must lie between 0 and 1, both excluded"
    else:
        counts = [question_count(operation, c.modulus) for operation in c.operations]
        trained = [round(c.train_fraction * count) for count in counts]
        if sum(trained) < c.batch_size:
            yield "batch_size", f"must be at most {sum(trained)}, the training questions at this train_fraction"
        elif any(some == count for some, count in zip(trained, counts, strict=True)):
            yield "train_fraction", f"leaves no question modulo {c.modulus} for validation"
    if not c.learning_rate > 0:
        yield "learning_rate", "must be above 0"
    if c.weight_decay < 0:
        yield "weight_decay", "must not be below 0"
    for key in ("beta1", "beta2"):
        if not 0 <= getattr(c, key) < 1:
            yield key, "must be at least 0 and below 1"
    if not 0 < c.grokking_accuracy <= 1:
        yield "grokking_accuracy", "must be above 0 and at most 1"
    if c.grokking_evaluations < 0:
        yield "grokking_evaluations", "must not be below 0"
    if c.embedding_scale <= 0:
        yield "embedding_scale", "must be above 0"
    if c.adversarial_weight < 0:
        yield "adversarial_weight", "must not be below 0"
    if c.adversarial_every < 1:
        yield "adversarial_every", "must be at least 1"
    if c.adversarial_from < 0:
        yield "adversarial_from", "must not be below 0"
    if c.adversarial_weight > 0 and not 0 < c.adversarial_directions < min(c.d_model, c.modulus):
        yield "adversarial_directions", f"must be at least 1 and below {min(c.d_model, c.modulus)}, d_model and modulus"
    for key in ("precision", "network", "gradient"):
        if getattr(c, key) not in NAMES[key]:
            yield key, f"must be one of {', '.join(NAMES[key])}"
    if c.gradient == "by hand" and c.network != "transformer":
        yield "gradient", f"must be autograd for {c.network!r}: by hand there is the transformer's alone"
    whole = f"must be a multiple of evaluate_every, which is {c.evaluate_every}"
    window = c.grokking_evaluations * c.evaluate_every
    for key in ("steps", "measure_every"):
        if getattr(c, key) < 0 or getattr(c, key) % c.evaluate_every:
            yield key, whole
    if c.stop_after_grokking is not None and (
        c.stop_after_grokking < window or c.stop_after_grokking % c.evaluate_every
    ):
        yield "stop_after_grokking", f"{whole}, and at least {window}: grokking is known no sooner"
    for after in c.measure_after_grokking:
        if after != 0 and (after < window or after % c.evaluate_every):
            yield "measure_after_grokking", f"{whole}; other than 0, at least {window}"


def _is_prime(number: int) -> bool:
    return number >= 2 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
