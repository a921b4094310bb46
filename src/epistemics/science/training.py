"""The training loop: AdamW on a stack of runs, evaluated as it goes.

``training`` is a generator. It yields after every evaluation, so whoever drives it decides what to print, when to
write a checkpoint and when to stop; given a saved ``State`` it goes on to the same bits. The parameters at the
moments that a configuration asks for (the grokking step, some steps or some decay-time after it, a regular grid, the
last calm moment, the end) are handed out as they pass: geometry goes on changing long after accuracy is perfect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from epistemics.science.configuration import GRADIENTS, Configuration, stack_key
from epistemics.science.grokking import History, grokking_step, is_calm
from epistemics.science.named import named
from epistemics.science.network import Network, initial_parameters, network_of
from epistemics.science.penalty import random_directions, without_directions
from epistemics.science.tasks import sampler_of, table_of, training_rows

EPSILON = 1e-8  # AdamW's, torch's default
EVALUATION_ROWS = 1024  # rows evaluated at once


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
    before: Tensor
    """[E, N] parameters at the evaluation before."""
    calm: Tensor
    """[E, N] parameters at the last calm moment."""
    histories: list[History]


@dataclass(frozen=True)
class Moment:
    """One member's parameters, [N] on the CPU, after ``step`` steps."""

    member: int
    step: int
    parameters: Tensor


@dataclass(frozen=True)
class Evaluation:
    """What ``training`` yields: the state after an evaluation, the moments just passed and who is done."""

    state: State
    moments: list[Moment]
    done: list[bool]


def cross_entropy(logits: Tensor, answers: Tensor) -> Tensor:
    """[…, classes] and […] → […], never in less than float32: rounding here stops grokking at low decay."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(logits.flatten(0, -2), answers.flatten(), reduction="none").view(answers.shape)


@dataclass(frozen=True)
class Batch:
    """One step's questions, with a row for each member of the stack."""

    questions: Tensor
    """[E, B, S − 1] integers, a row of the table of questions each."""
    answers: Tensor
    """[E, B]."""
    weights: Tensor
    """[E, B]: 1 / batch size, or 0 for padding."""


def batch_loss(
    flat: Tensor,
    batch: Batch,
    network: Network,
    precision: str,
    penalty: Tensor | None = None,
    directions: int = 0,
    random: Tensor | None = None,
) -> Tensor:
    """Sum over members of each one's mean cross-entropy, plus the adversarial penalty where one is given.

    Args:
        penalty: [E, 1], each member's λ.
        directions: how many the penalty projects out.
        random: [E, operations, d, directions], if it projects out these.
    """
    states = network.final_state(flat, batch.questions, precision)
    losses = cross_entropy(network.read_out(flat, states, precision), batch.answers)
    if penalty is not None:
        present = (batch.weights > 0).to(states.dtype)
        asked, arch = (batch.questions[..., 1], batch.answers, present), network.arch
        cut = without_directions(states, *asked, arch, directions, random)
        losses = losses + penalty * cross_entropy(network.read_out(flat, cut, precision), batch.answers)
    return (losses * batch.weights).sum()


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


class Tensors(NamedTuple):
    """A stack on its device: the tensors that a step moves on in place, and those that it reads."""

    flat: Tensor
    """[E, N] parameters, moved on, as the next two."""
    first: Tensor
    """[E, N] mean gradient."""
    second: Tensor
    """[E, N] mean squared gradient."""
    step: Tensor
    """float64 scalar, 1 at the first step."""
    rows: Tensor
    """[E, B] row numbers of the table of questions."""
    questions: Tensor
    """[n, S − 1], the table, for S positions."""
    answers: Tensor
    """[n]."""
    weights: Tensor
    """[E, B], as a batch's."""
    learning_rate: Tensor
    """[E, 1]."""
    weight_decay: Tensor
    """[E, 1]."""
    penalty: Tensor
    """[E, 1], each member's λ."""
    random: Tensor
    """[E, operations, d, directions] that the penalty projects out, if they are random; else [0]."""


def training_step(
    t: Tensors, network: Network, betas: tuple[float, float], precision: str, penalised: bool, directions: int
) -> None:
    """One step, in place: gradient and update in one function, so that the compiler sees one graph."""
    batch = Batch(t.questions[t.rows], t.answers[t.rows], t.weights)
    penalty, random = (t.penalty, t.random if t.random.numel() else None) if penalised else (None, None)
    gradient = torch.func.grad(batch_loss)(t.flat, batch, network, precision, penalty, directions, random)
    move_on(t, gradient, betas)


def move_on(t: Tensors, gradient: Tensor, betas: tuple[float, float]) -> None:
    """AdamW's update with a gradient [E, N], in place."""
    moved = adamw(t.flat, gradient, t.first, t.second, t.step, t.learning_rate, t.weight_decay, betas)
    for own, new in zip((t.flat, t.first, t.second), moved, strict=True):
        own.copy_(new)


def evaluate_rows(
    flat: Tensor, questions: Tensor, answers: Tensor, network: Network, precision: str
) -> tuple[Tensor, Tensor]:
    """Loss and correctness of each row, [E, R] each, the latter as 0.0 and 1.0."""
    logits = network.read_out(flat, network.final_state(flat, questions, precision), precision)
    return cross_entropy(logits, answers), (logits.argmax(-1) == answers).to(torch.float32)


def initial_state(
    configurations: Sequence[Configuration], device: torch.device, inputs: Sequence[Tensor | None] | None = None
) -> State:
    """The stack at step 0; ``inputs`` as in ``training``."""
    arch = configurations[0].architecture
    dtype = torch.float64 if configurations[0].precision == "float64" else torch.float32
    members = [
        initial_parameters(arch, c.seed, c.embedding_scale) if given is None else given
        for c, given in zip(configurations, inputs or [None] * len(configurations), strict=True)
    ]
    flat = torch.stack([member.to(dtype) for member in members]).to(device)
    zeros = torch.zeros_like(flat)
    return State(
        step=0,
        flat=flat,
        first=zeros,
        second=zeros.clone(),
        candidate=flat.clone(),
        before=flat.clone(),
        calm=flat.clone(),
        histories=[History() for _ in configurations],
    )


def training(
    configurations: Sequence[Configuration],
    device: torch.device | str = "cpu",
    state: State | None = None,
    inputs: Sequence[Tensor | None] | None = None,
) -> Iterator[Evaluation]:
    """Train a stack; yield after every evaluation, the one at step 0 included.

    A member whose training loss is no longer a number is done; its history ends with that evaluation.

    Args:
        configurations: one for each member, with equal ``stack_key``.
        device: where to train.
        state: from an earlier ``Evaluation`` of the same stack; the evaluation that it followed is not repeated.
        inputs: for each member whose configuration continues another run, that run's parameters at its end [N].

    Raises:
        ValueError: if the configurations cannot train as one stack, or if inputs are missing.
    """
    if len({stack_key(c) for c in configurations}) != 1:
        raise ValueError("these configurations differ in what a stack must share; see stack_key")
    device = torch.device(device)
    fresh = state is None
    if state is None:
        given = inputs or [None] * len(configurations)
        for c, parameters in zip(configurations, given, strict=True):
            if c.continues and parameters is None:
                raise ValueError(f"continues is {c.continues}, and the parameters of that run were not given")
        state = initial_state(configurations, device, given)
    stack = Stack(configurations, state, device)
    if fresh:
        _record(state, stack.evaluate())
        yield _after_evaluation(configurations, state)
    while not all(_done(c, h) for c, h in zip(configurations, state.histories, strict=True)):
        stack.advance(configurations[0].evaluate_every)
        flat, first, second = (moved.clone() for moved in stack.tensors[:3])
        state = State(stack.steps, flat, first, second, state.candidate, state.flat, state.calm, state.histories)
        _record(state, stack.evaluate())
        yield _after_evaluation(configurations, state)


class Stack:
    """A stack on its device, and how it is moved on and evaluated there."""

    def __init__(self, configurations: Sequence[Configuration], state: State, device: torch.device) -> None:
        shared, questions = configurations[0], table_of(configurations[0])
        network, precision = network_of(shared.architecture), shared.precision
        make_step = named(GRADIENTS[shared.gradient])
        training = np.stack([training_rows(questions, c.train_fraction, c.seed) for c in configurations])
        self.samplers = [sampler_of(c, questions) for c in configurations]
        for sampler in self.samplers:
            sampler.drawn = state.step
        self.device, self.steps, self.shared = device, state.step, shared
        self.seeds = [c.seed for c in configurations]
        dtype = state.flat.dtype

        def per_member(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)[:, None]

        removed = (len(shared.operations), shared.d_model, shared.adversarial_directions)
        is_random = shared.adversarial_weight > 0 and shared.adversarial_removes == "random"

        widest = max(c.batch_size for c in configurations)
        weights = torch.zeros(len(configurations), widest, dtype=dtype, device=device)
        for member, c in enumerate(configurations):
            weights[member, : c.batch_size] = 1 / c.batch_size
        self.tensors = t = Tensors(
            flat=state.flat.clone(),
            first=state.first.clone(),
            second=state.second.clone(),
            step=torch.tensor(float(state.step), dtype=torch.float64, device=device),
            rows=torch.zeros(len(configurations), widest, dtype=torch.int64, device=device),
            questions=torch.from_numpy(questions.questions).to(device),
            answers=torch.from_numpy(questions.answers).to(device),
            weights=weights,
            learning_rate=per_member([c.learning_rate for c in configurations]),
            weight_decay=per_member([c.weight_decay for c in configurations]),
            penalty=per_member([c.adversarial_weight for c in configurations]),
            random=torch.zeros((len(configurations), *removed) if is_random else 0, dtype=dtype, device=device),
        )
        self.columns = torch.zeros(len(configurations), 4, dtype=torch.float64, device=device)
        seen = (questions.questions[:, 3:] == 0).all(1)  # what is evaluated has no flag
        masks = torch.from_numpy(np.stack([training & seen, ~training & seen])).to(device, torch.float64)

        betas, directions = (shared.beta1, shared.beta2), shared.adversarial_directions

        def step(*tensors: Tensor, penalised: bool) -> None:
            make_step(Tensors(*tensors), network, betas, precision, penalised, directions)

        evaluation = partial(evaluate_rows, network=network, precision=precision)
        if shared.compiled:
            step = torch.compile(step, fullgraph=True, dynamic=False)
            evaluation = torch.compile(evaluation, fullgraph=True, dynamic=False)  # type: ignore[assignment]
        self._plain_step = _ready(partial(step, penalised=False), *t)
        # Eigenvectors can't be recorded.
        self._penalised_step = partial(step, *t, penalised=True)
        evaluate_all = partial(_evaluate_all, evaluation=evaluation)
        self._evaluate = _ready(evaluate_all, self.columns, t.flat, t.questions, t.answers, masks)

    def advance(self, steps: int) -> None:
        """Train so many steps; on CUDA the host only draws batches and launches."""
        rows = np.zeros((steps, *self.tensors.rows.shape), dtype=np.int64)
        for member, sampler in enumerate(self.samplers):
            rows[:, member, : sampler.batch_size] = sampler.take(steps)
        for batch in torch.from_numpy(rows).to(self.device):
            self.steps += 1
            self.tensors.step.add_(1)
            self.tensors.rows.copy_(batch)
            if is_penalised(self.shared, self.steps):
                for member, seed in enumerate(self.seeds if self.tensors.random.numel() else []):
                    own = self.tensors.random[member]
                    own.copy_(random_directions(seed, self.steps, (own.shape[0], own.shape[1], own.shape[2])))
                self._penalised_step()
            else:
                self._plain_step()

    def evaluate(self) -> list[list[float]]:
        """A row for each member: loss and accuracy on training questions, then on the others."""
        self._evaluate()
        rows: list[list[float]] = self.columns.tolist()
        return rows


def is_penalised(configuration: Configuration, step: int) -> bool:
    """Whether a step, counted from 1, has the adversarial penalty."""
    c = configuration
    return c.adversarial_weight > 0 and step > c.adversarial_from and step % c.adversarial_every == 0


def _ready(function: Callable[..., None], *tensors: Tensor) -> Callable[[], None]:
    """A call of a function that works on these tensors in place; on CUDA recorded once and launched as one graph."""
    if tensors[0].device.type != "cuda":
        return partial(function, *tensors)
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):  # compiles, and lets libraries allocate what can't be recorded
            function(*(tensor.clone() for tensor in tensors))
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(*tensors)
    replay: Callable[[], None] = graph.replay
    return replay


def _evaluate_all(
    columns: Tensor,
    flat: Tensor,
    questions: Tensor,
    answers: Tensor,
    masks: Tensor,
    evaluation: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]],
) -> None:
    """Evaluate every question; writes ``columns`` [E, 4]: loss and accuracy where each of ``masks`` [2, E, n] is 1."""
    _, members, count = masks.shape
    losses, correct = [], []
    for start in range(0, count, EVALUATION_ROWS):
        rows = torch.arange(start, start + EVALUATION_ROWS, device=questions.device) % count  # the last wraps
        rows = rows.expand(members, -1)
        loss, right = evaluation(flat, questions[rows], answers[rows])
        losses.append(loss)
        correct.append(right)
    loss = torch.cat(losses, dim=1)[:, :count].double()
    right = torch.cat(correct, dim=1)[:, :count].double()
    averages = [(values * mask).sum(1) / mask.sum(1) for mask in masks for values in (loss, right)]
    columns.copy_(torch.stack(averages, dim=1))


def _record(state: State, rows: list[list[float]]) -> None:
    """Append an evaluation to the histories."""
    for history, row in zip(state.histories, rows, strict=True):
        history.step.append(state.step)
        history.train_loss.append(row[0])
        history.train_accuracy.append(_right(row[1], row[0]))
        history.validation_loss.append(row[2])
        history.validation_accuracy.append(_right(row[3], row[2]))


def _right(accuracy: float, loss: float) -> float:
    """Nothing is right of a model that has diverged: of what is no number, argmax is the first answer."""
    return accuracy if math.isfinite(loss) else 0.0


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
    step, after = history.step[-1], configuration.steps_after_grokking
    if step >= configuration.steps or not math.isfinite(history.train_loss[-1]):
        return True
    grokked = None if after is None else _grokked(configuration, history)
    return grokked is not None and after is not None and step >= grokked + after


def _after_evaluation(configurations: Sequence[Configuration], state: State) -> Evaluation:
    """Remember candidates for the grokking step and the last calm moment; hand out the moments just passed."""
    moments = []
    done = [_done(c, h) for c, h in zip(configurations, state.histories, strict=True)]
    for member, (c, history) in enumerate(zip(configurations, state.histories, strict=True)):
        step, accuracies = history.step[-1], history.validation_accuracy
        if accuracies[-1] >= c.grokking_accuracy and (len(accuracies) == 1 or accuracies[-2] < c.grokking_accuracy):
            state.candidate[member] = state.flat[member]
        if is_calm(accuracies, len(accuracies) - 2):
            state.calm[member] = state.before[member]
        ended_before = len(history.step) > 1 and _done(c, _without_last(history))
        if ended_before:  # a member of a stack that goes on for the others
            continue
        grokked = _grokked(c, history)
        just_known = grokked is not None and step == grokked + c.grokking_evaluations * c.evaluate_every
        if grokked is not None and just_known and 0 in c.moments_after_grokking:
            moments.append(Moment(member, grokked, state.candidate[member].cpu().clone()))
        on_grid = c.measure_every > 0 and step > 0 and step % c.measure_every == 0
        after = grokked is not None and step - grokked in c.moments_after_grokking and step > grokked
        if on_grid or after or done[member]:
            moments.append(Moment(member, step, state.flat[member].cpu().clone()))
        if done[member] and c.measure_last_calm:
            calm = [index for index in range(len(accuracies)) if is_calm(accuracies, index)]
            moments += [Moment(member, history.step[index], state.calm[member].cpu().clone()) for index in calm[-1:]]
    return Evaluation(state, moments, done)


def _without_last(history: History) -> History:
    return History(*(column[:-1] for column in vars(history).values()))
