"""The training loop: AdamW on a stack of runs, evaluated as it goes.

``train`` is a generator. It yields after every evaluation, so whoever drives it decides what to print, when to
write a checkpoint and when to stop; given a saved ``State`` it goes on to the same bits. The parameters at the
moments that a configuration asks for (the grokking step, some steps after it, a regular grid, the end) are handed
out as they pass, because geometry goes on changing long after accuracy is perfect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from epistemics.configuration import Architecture, Configuration
from epistemics.model import final_state, initial_parameters, read_out
from epistemics.tasks import EpochSampler, table, training_rows

EPSILON = 1e-8  # AdamW's, torch's default
EVALUATION_ROWS = 1024  # rows evaluated at once


def stack_key(configuration: Configuration) -> tuple[object, ...]:
    """Runs with equal keys can train as one stack."""
    c = configuration
    return (c.operations, c.architecture, c.beta1, c.beta2, c.evaluate_every, c.precision, c.compiled)


@dataclass
class History:
    """What was seen of one member at each evaluation."""

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)


@dataclass
class State:
    """A stack between two steps. Saved and loaded, it goes on to the same bits."""

    step: int
    flat: Tensor
    """[E, N] parameters."""
    first: Tensor
    """[E, N] mean gradient."""
    second: Tensor
    """[E, N] mean squared gradient."""
    candidate: Tensor
    """[E, N] parameters when validation accuracy last rose over the threshold."""
    histories: list[History]


@dataclass(frozen=True)
class Moment:
    """One member's parameters, [N] on the CPU, after ``step`` steps."""

    member: int
    step: int
    parameters: Tensor


@dataclass(frozen=True)
class Evaluation:
    """What ``train`` yields: the state after an evaluation, the moments just passed and who is done."""

    state: State
    moments: list[Moment]
    done: list[bool]


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


def cross_entropy(logits: Tensor, answers: Tensor) -> Tensor:
    """[…, classes] and […] → […], never in less than float32: rounding here stops grokking at low decay."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(logits.flatten(0, -2), answers.flatten(), reduction="none").view(answers.shape)


def batch_loss(
    flat: Tensor, questions: Tensor, answers: Tensor, weights: Tensor, arch: Architecture, precision: str
) -> Tensor:
    """Sum over members of each one's mean cross-entropy. weights [E, B] are 1/batch size, or 0 for padding."""
    logits = read_out(arch, flat, final_state(arch, flat, questions, precision), precision)
    return (cross_entropy(logits, answers) * weights).sum()


def adamw(
    flat: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    step: Tensor,
    learning_rate: Tensor,
    weight_decay: Tensor,
    betas: tuple[float, float],
) -> tuple[Tensor, Tensor, Tensor]:
    """One AdamW update (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2), as ``torch.optim.AdamW`` does it.

    Args:
        flat, gradient, first, second: [E, N].
        step: float64 scalar, 1 at the first update.
        learning_rate, weight_decay: [E, 1], a value for each member.
    """
    beta1, beta2 = betas
    flat = flat * (1 - learning_rate * weight_decay)
    first = first.lerp(gradient, 1 - beta1)
    second = second * beta2 + gradient * gradient * (1 - beta2)
    step_size = (learning_rate.double() / (1 - beta1**step)).to(flat.dtype)
    root_correction = (1 - beta2**step).sqrt().to(flat.dtype)
    flat = flat - step_size * first / (second.sqrt() / root_correction + EPSILON)
    return flat, first, second


def training_step(
    flat: Tensor,
    first: Tensor,
    second: Tensor,
    step: Tensor,
    questions: Tensor,
    answers: Tensor,
    weights: Tensor,
    learning_rate: Tensor,
    weight_decay: Tensor,
    arch: Architecture,
    betas: tuple[float, float],
    precision: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient and update in one function, so that the compiler sees one graph."""
    gradient = torch.func.grad(batch_loss)(flat, questions, answers, weights, arch, precision)
    return adamw(flat, gradient, first, second, step, learning_rate, weight_decay, betas)


def evaluate_rows(
    flat: Tensor, questions: Tensor, answers: Tensor, arch: Architecture, precision: str
) -> tuple[Tensor, Tensor]:
    """Loss and correctness of each row, [E, R] each, the latter as 0.0 and 1.0."""
    logits = read_out(arch, flat, final_state(arch, flat, questions, precision), precision)
    return cross_entropy(logits, answers), (logits.argmax(-1) == answers).to(torch.float32)


def initial_state(configurations: Sequence[Configuration], device: torch.device) -> State:
    """The stack at step 0."""
    arch = configurations[0].architecture
    dtype = torch.float64 if configurations[0].precision == "float64" else torch.float32
    flat = torch.stack([initial_parameters(arch, c.seed) for c in configurations]).to(device, dtype)
    zeros = torch.zeros_like(flat)
    return State(0, flat, zeros, zeros.clone(), flat.clone(), [History() for _ in configurations])


def train(
    configurations: Sequence[Configuration],
    device: torch.device | str = "cpu",
    state: State | None = None,
) -> Iterator[Evaluation]:
    """Train a stack; yield after every evaluation, the one at step 0 included.

    Args:
        configurations: one for each member, with equal ``stack_key``.
        device: where to train.
        state: from an earlier ``Evaluation`` of the same stack; the evaluation that it followed is not repeated.

    Raises:
        ValueError: if the configurations cannot train as one stack.
        FloatingPointError: if a member's training loss is no longer a number.
    """
    if len({stack_key(c) for c in configurations}) != 1:
        raise ValueError("these configurations differ in what a stack must share; see stack_key")
    device = torch.device(device)
    shared = configurations[0]
    arch, every = shared.architecture, shared.evaluate_every
    questions = table(shared.modulus, shared.operations)
    training = np.stack([training_rows(questions, c.train_fraction, c.seed) for c in configurations])
    samplers = [
        EpochSampler(np.flatnonzero(rows), c.batch_size, c.seed)
        for rows, c in zip(training, configurations, strict=True)
    ]
    all_questions = torch.from_numpy(questions.questions).to(device)
    all_answers = torch.from_numpy(questions.answers).to(device)
    training_mask = torch.from_numpy(training).to(device, torch.float32)

    step_function = partial(training_step, arch=arch, betas=(shared.beta1, shared.beta2), precision=shared.precision)
    evaluate_function = partial(evaluate_rows, arch=arch, precision=shared.precision)
    if shared.compiled:
        step_function = torch.compile(step_function, fullgraph=True, dynamic=False)  # type: ignore[assignment]
        evaluate_function = torch.compile(evaluate_function, fullgraph=True, dynamic=False)  # type: ignore[assignment]

    def per_member(values: list[float], dtype: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)[:, None]

    fresh = state is None
    if state is None:
        state = initial_state(configurations, device)
    dtype = state.flat.dtype
    learning_rate = per_member([c.learning_rate for c in configurations], dtype)
    weight_decay = per_member([c.weight_decay for c in configurations], dtype)
    widest = max(c.batch_size for c in configurations)
    weights = torch.zeros(len(configurations), widest, dtype=dtype, device=device)
    for member, c in enumerate(configurations):
        weights[member, : c.batch_size] = 1 / c.batch_size
    step_number = torch.tensor(float(state.step), dtype=torch.float64, device=device)
    for sampler in samplers:
        sampler.drawn = state.step

    if fresh:
        _evaluate(evaluate_function, state, all_questions, all_answers, training_mask)
        yield _after_evaluation(configurations, state)
    while not all(_done(c, h) for c, h in zip(configurations, state.histories, strict=True)):
        rows = np.zeros((every, len(configurations), widest), dtype=np.int64)
        for member, sampler in enumerate(samplers):
            rows[:, member, : sampler.batch_size] = sampler.take(every)
        batches = torch.from_numpy(rows).to(device)
        flat, first, second = state.flat, state.first, state.second
        for batch in batches:
            step_number = step_number + 1
            flat, first, second = step_function(
                flat,
                first,
                second,
                step_number,
                all_questions[batch],
                all_answers[batch],
                weights,
                learning_rate,
                weight_decay,
            )
        state = State(state.step + every, flat, first, second, state.candidate, state.histories)
        _evaluate(evaluate_function, state, all_questions, all_answers, training_mask)
        yield _after_evaluation(configurations, state)


def _evaluate(
    evaluate_function: partial[tuple[Tensor, Tensor]],
    state: State,
    questions: Tensor,
    answers: Tensor,
    training_mask: Tensor,
) -> None:
    """Evaluate every question and append to the histories."""
    members, count = training_mask.shape
    losses, correct = [], []
    for start in range(0, count, EVALUATION_ROWS):
        rows = torch.arange(start, start + EVALUATION_ROWS, device=questions.device) % count  # the last wraps
        rows = rows.expand(members, -1)
        loss, right = evaluate_function(state.flat, questions[rows], answers[rows])
        losses.append(loss)
        correct.append(right)
    loss = torch.cat(losses, dim=1)[:, :count].double()
    right = torch.cat(correct, dim=1)[:, :count].double()
    validation_mask = 1 - training_mask
    columns = [
        (values * mask).sum(1) / mask.sum(1) for mask in (training_mask, validation_mask) for values in (loss, right)
    ]
    for history, row in zip(state.histories, torch.stack(columns, dim=1).tolist(), strict=True):
        if not np.isfinite(row[0]):
            raise FloatingPointError(f"the training loss is {row[0]} at step {state.step}")
        history.step.append(state.step)
        history.train_loss.append(row[0])
        history.train_accuracy.append(row[1])
        history.validation_loss.append(row[2])
        history.validation_accuracy.append(row[3])


def _grokked(configuration: Configuration, history: History) -> int | None:
    return grokking_step(
        history.step,
        history.validation_accuracy,
        configuration.grokking_accuracy,
        configuration.grokking_evaluations,
    )


def _done(configuration: Configuration, history: History) -> bool:
    """Whether a member has trained as long as its configuration asks."""
    if not history.step:
        return False
    step, after = history.step[-1], configuration.stop_after_grokking
    if step >= configuration.steps:
        return True
    grokked = None if after is None else _grokked(configuration, history)
    return grokked is not None and after is not None and step >= grokked + after


def _after_evaluation(configurations: Sequence[Configuration], state: State) -> Evaluation:
    """Remember candidates for the grokking step and hand out the moments just passed."""
    moments = []
    done = [_done(c, h) for c, h in zip(configurations, state.histories, strict=True)]
    for member, (c, history) in enumerate(zip(configurations, state.histories, strict=True)):
        step, accuracies = history.step[-1], history.validation_accuracy
        if accuracies[-1] >= c.grokking_accuracy and (len(accuracies) == 1 or accuracies[-2] < c.grokking_accuracy):
            state.candidate[member] = state.flat[member]
        ended_before = len(history.step) > 1 and _done(c, _without_last(history))
        if ended_before:  # a member of a stack that goes on for the others
            continue
        grokked = _grokked(c, history)
        just_known = grokked is not None and step == grokked + c.grokking_evaluations * c.evaluate_every
        if grokked is not None and just_known and 0 in c.measure_after_grokking:
            moments.append(Moment(member, grokked, state.candidate[member].cpu().clone()))
        on_grid = c.measure_every > 0 and step > 0 and step % c.measure_every == 0
        after = grokked is not None and step - grokked in c.measure_after_grokking and step > grokked
        if on_grid or after or done[member]:
            moments.append(Moment(member, step, state.flat[member].cpu().clone()))
    return Evaluation(state, moments, done)


def _without_last(history: History) -> History:
    return History(*(column[:-1] for column in vars(history).values()))


def as_array(history: History) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """The history's columns as arrays, [evaluations] each."""
    return {name: np.asarray(column) for name, column in vars(history).items()}
