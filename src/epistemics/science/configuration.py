"""What decides a run's result: its settings, and which of them go together. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
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
FLAGS = ("none", "ignored", "refused")
"""Whether questions have a flag: none has; those with it have the same answers; they are all answered REFUSE."""
REMOVED = ("contrasts", "random")
"""What the adversarial penalty removes: the directions in which a batch's answers differ most, or any, as a control."""

NAMES = {
    "operations": tuple(OPERATIONS),
    "precision": PRECISIONS,
    "network": tuple(NETWORKS),
    "gradient": tuple(GRADIENTS),
    "flag": FLAGS,
    "adversarial_removes": REMOVED,
}
"""Settings whose values are names, and these."""

AT_MOST = {
    "modulus": 10_000,
    "layers": 1_000,
    "d_model": 16_384,
    "steps": 1_000_000_000,
    "stop_at_age": 1_000_000,
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
    flag: bool = False
    """Whether questions have a flag."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """How many there are of each kind: numbers, operations, the equals sign, and flags, where there are any."""
        return (self.modulus, self.operations, 1, *([2] if self.flag else []))

    @property
    def kinds(self) -> tuple[int, ...]:
        """The kind of the token at each position: a, operation, b, the flag if there is one, the equals sign."""
        return (0, 1, 0, 3, 2) if self.flag else (0, 1, 0, 2)

    @property
    def answers(self) -> int:
        """Answers that can be given: the numbers, and REFUSE, where there are flags."""
        return self.modulus + self.flag

    @property
    def distinct_inputs(self) -> int:
        """Distinct (token, position) pairs."""
        return sum(self.tokens[kind] for kind in self.kinds)


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
    shares: tuple[float, ...] = ()
    """Each operation's share of every batch, from epochs of its own; none for epochs of all questions together."""
    answer_classes: tuple[int, ...] = ()
    """For each operation, into how many classes of neighbours its answers are taken together; none for the answers."""
    flag: str = "none"
    """Whether each question is asked with and without a flag, and what it asks for: none, ignored or refused."""
    continues: str = ""
    """The run whose parameters at its end are this one's at step 0: its key, in a file EXPERIMENT/MODEL."""
    stop_at_age: float | None = None
    """Decay-time ηλ(t − t_grok) trained after the grokking step t_grok, or None: ``stop_after_grokking`` in an age."""
    measure_at_ages: tuple[float, ...] = ()
    """Moments by decay-time, as ``measure_after_grokking`` has them by steps."""
    measure_last_calm: bool = False
    """Whether the last calm moment is measured: validation accuracy is 99% then, before and after."""
    adversarial_removes: str = "contrasts"
    """What the penalty removes: contrasts of the answers, or as many random directions, drawn anew each time."""

    @property
    def architecture(self) -> Architecture:
        shape = (self.modulus, len(self.operations), self.layers, self.d_model, self.heads)
        return Architecture(*shape, self.network, self.flag != "none")

    @property
    def steps_after_grokking(self) -> int | None:
        """Steps trained after the grokking step, however they are given; None to train all ``steps``."""
        return self.stop_after_grokking if self.stop_at_age is None else steps_of_age(self, self.stop_at_age)

    @property
    def moments_after_grokking(self) -> set[int]:
        """Moments relative to the grokking step, in steps, however they are given."""
        return {*self.measure_after_grokking, *(steps_of_age(self, age) for age in self.measure_at_ages)}


BASELINE = Configuration(
    operations=("add",),
    modulus=97,
    layers=2,
    d_model=128,
    heads=4,
    train_fraction=0.3,
    batch_size=512,
    learning_rate=0.001,
    weight_decay=1.0,
    beta1=0.9,
    beta2=0.98,
    steps=5000,
    stop_after_grokking=None,
    evaluate_every=100,
    grokking_accuracy=0.95,
    grokking_evaluations=5,
    measure_every=500,
    measure_after_grokking=(0,),
    precision="float32",
    compiled=False,
    seed=0,
)
"""The log's model (entries 7 and 8), trained for as long as it takes to grok and to settle."""


def steps_of_age(configuration: Configuration, age: float) -> int:
    """Steps to the first evaluation at which so much decay-time ηλt has passed.

    By then decay alone would have shrunk every parameter to exp(−age) of what it was: models of different weight decay
    are of one age when they have forgotten as much.
    """
    c = configuration
    steps = age / (c.learning_rate * c.weight_decay)
    return c.evaluate_every * math.ceil(round(steps / c.evaluate_every, 6))  # or 5 / 0.001 could be more than 5,000


def stack_key(configuration: Configuration) -> tuple[object, ...]:
    """Runs with equal keys can train as one stack."""
    c = configuration
    penalty = (c.adversarial_every, c.adversarial_from, c.adversarial_directions, c.adversarial_removes)
    adversarial = penalty if c.adversarial_weight else None
    task = (c.operations, c.shuffled_answers, c.answer_classes, c.flag)
    return (task, c.architecture, c.beta1, c.beta2, c.evaluate_every, c.precision, c.compiled, c.gradient, adversarial)


def configuration_from_json(content: dict[str, Any]) -> Configuration:
    """A stored configuration: JSON has lists where a configuration has tuples."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    return Configuration(**values)


def faults(c: Configuration) -> Iterator[tuple[str, str]]:
    """Setting and requirement of every value that is out of range; none for a configuration that can be trained."""
    if not 0 <= c.seed < 2**64:
        yield "seed", "must be at least 0 and below 2^64"
    for key, bound in AT_MOST.items():
        if (getattr(c, key) or 0) > bound:
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
        asked = sum(trained) * (1 if c.flag == "none" else 2)
        if asked < c.batch_size:
            yield "batch_size", f"must be at most {asked}, the training questions at this train_fraction"
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
    bounds = {"d_model": c.d_model, "modulus": c.modulus}
    if c.answer_classes:
        bounds["answer_classes"] = min(c.answer_classes)
    if c.adversarial_removes == "random":  # which have nothing to do with answers
        bounds = {"d_model": c.d_model}
    if c.adversarial_weight > 0 and not 0 < c.adversarial_directions < min(bounds.values()):
        yield "adversarial_directions", f"must be at least 1 and below {min(bounds.values())}, {' and '.join(bounds)}"
    for key in [key for key in NAMES if key != "operations"]:
        if getattr(c, key) not in NAMES[key]:
            yield key, f"must be one of {', '.join(NAMES[key])}"
    if c.gradient == "by hand" and c.network != "transformer":
        yield "gradient", f"must be autograd for {c.network!r}: by hand there is the transformer's alone"
    yield from _faults_of_the_task(c)
    yield from _faults_of_moments(c)


def _faults_of_the_task(c: Configuration) -> Iterator[tuple[str, str]]:
    """Of how often each operation is asked, and of what counts as an answer."""
    each = f"must have a value for each of the {len(c.operations)} operations, or none"
    if c.shares:
        if len(c.shares) != len(c.operations):
            yield "shares", each
        elif min(c.shares) <= 0 or sum(map(exact, c.shares)) != 1:
            yield "shares", "must all be above 0 and add up to 1"
        elif c.batch_size * max(c.shares) < len(c.operations) - 1:  # all others may be due in one batch
            least = math.ceil((len(c.operations) - 1) / max(c.shares))
            yield "batch_size", f"must be at least {least} for these shares of {len(c.operations)} operations"
    if c.answer_classes:
        if len(c.answer_classes) != len(c.operations):
            yield "answer_classes", each
        elif not all(2 <= classes <= c.modulus for classes in c.answer_classes):
            yield "answer_classes", f"must lie between 2 and {c.modulus}, the modulus"
    if c.continues and not (len(c.continues) == 16 and set(c.continues) <= set("0123456789abcdef")):
        yield "continues", "must be the key of a run, 16 hexadecimal digits"


def _faults_of_moments(c: Configuration) -> Iterator[tuple[str, str]]:
    """Of when a run ends and when it is measured."""
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
    if c.stop_at_age is not None and c.stop_after_grokking is not None:
        yield "stop_at_age", "must be null where stop_after_grokking is not: both say when a run ends"
    pace = c.learning_rate * c.weight_decay  # of decay-time, a step
    for key, ages in (("stop_at_age", (c.stop_at_age,)), ("measure_at_ages", c.measure_at_ages)):
        for age in ages:
            if age is None:
                continue
            if pace <= 0:
                yield key, "needs a weight_decay above 0: without decay no decay-time passes"
            elif age / pace > AT_MOST["steps"]:
                yield key, f"must be at most {pace * AT_MOST['steps']:g}, which is {AT_MOST['steps']:,} steps here"
            elif age < 0 or steps_of_age(c, age) < window:
                yield (
                    key,
                    f"must be at least {pace * window:g}, which is {window} steps here: grokking is known no sooner",
                )


def exact(share: float) -> Fraction:
    """A share as it is written: 0.1 is a tenth, which no binary number is."""
    return Fraction(str(share))


def _is_prime(number: int) -> bool:
    return number >= 2 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
