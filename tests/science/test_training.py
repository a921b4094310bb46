"""The training loop against plain torch, stacks against single runs, and what it hands out on the way."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_transformer import Plain
from torch import Tensor

from epistemics.science import grokking
from epistemics.science.configuration import Architecture, Configuration, steps_of_age
from epistemics.science.geometry import class_directions
from epistemics.science.grokking import History, first_touch, grokking_step
from epistemics.science.network import initial_parameters, named_parameters, network_of
from epistemics.science.penalty import random_directions
from epistemics.science.tasks import sampler_of, table_of, training_rows
from epistemics.science.train import train
from epistemics.science.training import (
    Batch,
    Moment,
    State,
    adamw,
    batch_loss,
    cross_entropy,
    initial_state,
    is_penalised,
)

Make = Callable[..., Configuration]


@dataclasses.dataclass(frozen=True)
class Trained:
    """A stack trained to its end."""

    state: State
    moments: list[Moment]
    states: list[State]
    """Copies of the state after each evaluation."""
    done: list[list[bool]]

    def parameters(self, member: int = 0) -> dict[int, Tensor]:
        """Step → parameters of one member at its moments."""
        return {moment.step: moment.parameters for moment in self.moments if moment.member == member}


@cache
def trained(*configurations: Configuration) -> Trained:
    """Train to the end; the same configurations are trained once for all tests."""
    moments, states, done = [], [], []
    for evaluation in train(configurations):
        moments += evaluation.moments
        states.append(copy.deepcopy(evaluation.state))
        done.append(list(evaluation.done))
    return Trained(states[-1], moments, states, done)


# AdamW


@pytest.mark.parametrize("betas", [(0.9, 0.98), (0.9, 0.999), (0.0, 0.5)])
def test_adamw_is_torch_s_for_each_member(betas: tuple[float, float]) -> None:
    rates, decays = [1e-3, 1e-2, 3e-1], [0.0, 1.0, 0.1]
    generator = torch.Generator().manual_seed(0)

    def draw() -> Tensor:
        return torch.randn(3, 50, generator=generator, dtype=torch.float64)

    flat, first, second = draw(), torch.zeros(3, 50).double(), torch.zeros(3, 50).double()
    members = [torch.nn.Parameter(row.clone()) for row in flat]
    optimizers = [
        torch.optim.AdamW([member], lr=rate, weight_decay=decay, betas=betas)
        for member, rate, decay in zip(members, rates, decays, strict=True)
    ]
    learning_rate = torch.tensor(rates, dtype=torch.float64)[:, None]
    weight_decay = torch.tensor(decays, dtype=torch.float64)[:, None]
    for step in range(1, 301):
        gradient = draw() * 10.0 ** (step % 5 - 3)
        number = torch.tensor(float(step), dtype=torch.float64)
        flat, first, second = adamw(flat, gradient, first, second, number, learning_rate, weight_decay, betas)
        for member, optimizer, row in zip(members, optimizers, gradient, strict=True):
            member.grad = row.clone()
            optimizer.step()
        torch.testing.assert_close(flat, torch.stack(list(members)), rtol=1e-12, atol=1e-12)


# The loop


JOINT = {"operations": ("add", "mul"), "weight_decay": 0.1, "seed": 3}
ADVERSARIAL = {
    "adversarial_weight": 0.5,
    "adversarial_every": 2,
    "adversarial_from": 3,
    "adversarial_directions": 3,
}
SHARES = {"operations": ("add", "mul"), "shares": (0.25, 0.75), "answer_classes": (2, 11)}
FLAGS = {"operations": ("add", "mul"), "flag": "refused"}


def penalised_loss(plain: Plain, questions: Tensor, answers: Tensor, c: Configuration) -> Tensor:
    """Cross-entropy, and λ times that of the states without their own directions, as log entry 13 describes it."""
    states = plain.states(questions)
    cut = states.clone()
    for operation in range(len(c.operations)):
        own = questions[:, 1] == operation
        fixed = states[own].detach().numpy()
        directions = torch.from_numpy(class_directions(fixed, answers[own].numpy(), c.architecture.answers)[0])
        removed = directions[: c.adversarial_directions]
        cut[own] = states[own] - (states[own] - torch.from_numpy(fixed.mean(0))) @ removed.T @ removed
    loss = F.cross_entropy(plain.unembedding(states), answers)
    return loss + c.adversarial_weight * F.cross_entropy(plain.unembedding(cut), answers)


@pytest.mark.parametrize(
    "changes", [{}, JOINT, {**JOINT, **ADVERSARIAL}, SHARES, FLAGS, {**FLAGS, **ADVERSARIAL, "batch_size": 60}], ids=str
)
def test_training_is_what_a_plain_loop_does(configuration: Make, changes: dict[str, object]) -> None:
    """nn.TransformerEncoderLayer, torch.optim.AdamW and a for loop, on the same batches."""
    c = configuration(precision="float64", steps=20, **changes)
    ours = trained(c)

    questions = table_of(c)
    training, seen = training_rows(questions, c.train_fraction, c.seed), (questions.questions[:, 3:] == 0).all(1)
    rows, answers = torch.from_numpy(questions.questions), torch.from_numpy(questions.answers)
    plain = Plain(c.architecture).double().load(initial_parameters(c.architecture, c.seed).double())
    optimizer = torch.optim.AdamW(
        plain.parameters(), lr=c.learning_rate, weight_decay=c.weight_decay, betas=(c.beta1, c.beta2)
    )
    history = History()
    for step, batch in enumerate(sampler_of(c, questions).take(21)):
        if step % c.evaluate_every == 0:
            with torch.no_grad():
                logits = plain(rows)
            losses = F.cross_entropy(logits, answers, reduction="none").numpy()
            correct = (logits.argmax(1) == answers).numpy()
            history.step.append(step)
            history.train_loss.append(losses[training & seen].mean())
            history.train_accuracy.append(correct[training & seen].mean())
            history.validation_loss.append(losses[~training & seen].mean())
            history.validation_accuracy.append(correct[~training & seen].mean())
        if step == 20:
            break
        optimizer.zero_grad()
        if is_penalised(c, step + 1):
            loss = penalised_loss(plain, rows[batch], answers[batch], c)
        else:
            loss = F.cross_entropy(plain(rows[batch]), answers[batch])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    for name, value in named_parameters(c.architecture, ours.state.flat).items():
        expected = plain.parameter_for(name).detach()
        turned = expected.T if expected.dim() == 2 and ".weight" in name else expected
        torch.testing.assert_close(value[0], turned, rtol=1e-9, atol=1e-9, msg=name)
    for name, column in vars(ours.state.histories[0]).items():
        np.testing.assert_allclose(column, getattr(history, name), rtol=1e-9, atol=1e-12, err_msg=name)


def test_training_goes_on_from_the_parameters_of_another_run(configuration: Make) -> None:
    """Step 0 is the other's end; its batches, its optimiser and its history are the run's own."""
    first = trained(configuration(flag="ignored"))
    c = configuration(flag="refused", continues="0" * 16)
    evaluations = train([c], inputs=[first.state.flat[0].clone()])
    began = next(evaluations).state
    assert torch.equal(began.flat, first.state.flat)
    assert began.first.abs().max() == 0
    assert began.histories[0].train_loss == first.state.histories[0].train_loss[-1:]  # of questions without a flag
    *_, last = evaluations
    assert not torch.equal(last.state.flat, trained(configuration(flag="refused")).state.flat)
    with pytest.raises(
        ValueError, match="continues is 0000000000000000, and the parameters of that run were not given"
    ):
        next(train([c]))


def test_the_control_s_directions_are_random_and_others_at_each_step(configuration: Make) -> None:
    control = configuration(operations=("add", "mul"), **ADVERSARIAL, adversarial_removes="random", precision="float64")
    other_seed = dataclasses.replace(control, seed=1)
    alone = trained(control)
    assert torch.equal(alone.state.flat, list(train([control]))[-1].state.flat)
    torch.testing.assert_close(trained(control, other_seed).state.flat[0], alone.state.flat[0], rtol=1e-9, atol=1e-9)
    others = [dataclasses.replace(control, adversarial_removes="contrasts"),
              dataclasses.replace(control, adversarial_weight=0.0)]  # fmt: skip
    assert all(not torch.equal(trained(other).state.flat, alone.state.flat) for other in others)
    drawn = torch.stack([random_directions(seed, step, (2, 16, 3)) for seed, step in ((0, 4), (0, 6), (1, 4))])
    torch.testing.assert_close(drawn.transpose(-1, -2) @ drawn, torch.eye(3).double().expand(3, 2, 3, 3))
    assert (drawn.flatten(0, 1).flatten(1).corrcoef() - torch.eye(6)).abs().max() < 0.6  # no two alike


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"learning_rate": -1.0}, "learning_rate: -1.0 must be above 0"),
        ({"d_model": 18}, "d_model: 18 must be divisible by heads, which is 4"),
        ({"shares": (0.5, 0.5)}, "shares: (0.5, 0.5) must have a value for each of the 1 operations, or none"),
    ],
)
def test_what_a_file_may_not_ask_for_python_may_not_either(
    configuration: Make, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        train([configuration(), configuration(**changes)])


def differing(make: Make, precision: str) -> list[Configuration]:
    """Three runs of one architecture that differ in everything in which members of a stack may."""
    return [
        make(precision=precision, seed=0),
        make(precision=precision, seed=1, weight_decay=0.0, learning_rate=3e-3, train_fraction=0.3),
        make(precision=precision, seed=2, batch_size=40, train_fraction=0.7, measure_every=10),
    ]


def test_a_stack_trains_as_its_members_do_alone(configuration: Make) -> None:
    configurations = differing(configuration, "float64")
    together = trained(*configurations)
    for member, c in enumerate(configurations):
        alone = trained(c)
        for name in ("flat", "first", "second"):
            torch.testing.assert_close(
                getattr(together.state, name)[member], getattr(alone.state, name)[0], rtol=1e-9, atol=1e-9
            )
        for name, column in vars(alone.state.histories[0]).items():
            np.testing.assert_allclose(getattr(together.state.histories[member], name), column, rtol=1e-9, atol=1e-12)
        assert together.parameters(member).keys() == alone.parameters().keys()


@pytest.mark.parametrize("members", [1, 3])
def test_the_same_configuration_gives_the_same_bits_twice(configuration: Make, members: int) -> None:
    configurations = differing(configuration, "float32")[:members]
    first = trained(*configurations)
    for evaluation in train(configurations):
        again = evaluation.state
    for name in ("flat", "first", "second", "candidate"):
        assert torch.equal(getattr(first.state, name), getattr(again, name)), name
    assert first.state.histories == again.histories


@pytest.mark.slow
def test_a_float32_stack_groks_when_its_members_do_alone(configuration: Make) -> None:
    """Rounding parts a stack from single runs, but not by what anyone would conclude from them."""
    base = configuration(
        modulus=31,
        layers=1,
        d_model=64,
        train_fraction=0.7,
        batch_size=256,
        learning_rate=3e-3,
        steps=600,
        stop_after_grokking=50,
    )
    configurations = [base, dataclasses.replace(base, seed=1, weight_decay=2.0)]

    def grokked(history: History) -> int | None:
        return grokking_step(history.step, history.validation_accuracy, 0.95, 5)

    together = [grokked(history) for history in trained(*configurations).state.histories]
    for c, in_stack in zip(configurations, together, strict=True):
        alone = grokked(trained(c).state.histories[0])
        assert alone is not None
        assert in_stack is not None
        assert abs(alone - in_stack) <= 50


@pytest.mark.slow
def test_the_compiled_step_computes_what_the_plain_one_does(configuration: Make) -> None:
    """In float64: in float32, gradients that are nothing but rounding move some biases either way."""
    c = configuration(modulus=7, d_model=8, heads=2, steps=20, batch_size=20, precision="float64")
    plain, compiled = trained(c), trained(dataclasses.replace(c, compiled=True))
    torch.testing.assert_close(compiled.state.flat, plain.state.flat, rtol=1e-9, atol=1e-9)
    for name, column in vars(plain.state.histories[0]).items():
        np.testing.assert_allclose(getattr(compiled.state.histories[0], name), column, rtol=1e-9, err_msg=name)


def test_runs_that_cannot_share_a_stack_are_refused(configuration: Make) -> None:
    for change in ({"d_model": 8}, {"beta2": 0.9}, {"evaluate_every": 5}, {"precision": "float64"}):
        with pytest.raises(ValueError, match="differ in what a stack must share"):
            next(train([configuration(), configuration(**change)]))


# Numbers that must not be trusted


def test_cross_entropy_is_never_computed_in_less_than_float32() -> None:
    logits = torch.tensor([[9.0, 0.0, 0.0], [0.5, 0.25, 3.0]], dtype=torch.bfloat16)
    answers = torch.tensor([0, 2])
    loss = cross_entropy(logits, answers)
    assert loss.dtype == torch.float32
    exact = F.cross_entropy(logits.double(), answers, reduction="none")
    torch.testing.assert_close(loss.double(), exact, rtol=1e-3, atol=1e-7)
    assert loss[0] > 0  # log(1 + 2 e⁻⁹) is 0 in bfloat16
    assert cross_entropy(logits.double(), answers).dtype == torch.float64


def test_the_loss_of_a_bfloat16_run_and_its_parameters_are_float32(configuration: Make) -> None:
    c = configuration(precision="bfloat16", steps=10)
    state = trained(c).state
    assert {t.dtype for t in (state.flat, state.first, state.second)} == {torch.float32}
    rows = torch.zeros(1, 4, 3, dtype=torch.int64)
    batch = Batch(rows, rows[..., 0], torch.full((1, 4), 0.25))
    loss = batch_loss(state.flat, batch, network_of(c.architecture), c.precision)
    assert loss.dtype == torch.float32


def test_a_member_whose_loss_is_no_number_ends_and_leaves_the_others_alone(configuration: Make) -> None:
    members = [configuration(), configuration(seed=1)]
    state = initial_state(members, torch.device("cpu"))
    state.flat[0, 0] = torch.nan
    evaluations = list(train(members, state=state))
    assert evaluations[0].done == [True, False]
    other = evaluations[-1].state.histories[1]
    assert evaluations[-1].state.step == members[1].steps
    assert np.isfinite(other.train_loss).all()
    assert other.train_loss[-1] < other.train_loss[0]


def test_a_model_that_has_diverged_has_nothing_right(configuration: Make) -> None:
    """Nor does the penalty fail of it: its directions are of no number then."""
    wild = configuration(learning_rate=100.0, weight_decay=1e6, steps=100, **ADVERSARIAL)
    history = trained(wild).state.histories[0]
    assert history.step[-1] < 100
    assert np.isnan(history.train_loss[-1])
    assert history.train_accuracy[-1] == history.validation_accuracy[-1] == 0


def test_penalised_steps_are_every_so_many_after_the_first(configuration: Make) -> None:
    c = configuration(adversarial_weight=0.1, adversarial_every=10, adversarial_from=25)
    assert [step for step in range(1, 61) if is_penalised(c, step)] == [30, 40, 50, 60]
    assert not any(is_penalised(dataclasses.replace(c, adversarial_weight=0.0), step) for step in range(1, 61))


# Grokking step


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.1, 0.96, 0.97, 0.98, 0.99, 0.99, 0.99], 10),  # held for exactly five more
        ([0.1, 0.96, 0.97, 0.98, 0.99, 0.99], None),  # training ends one evaluation too soon
        ([0.96, 0.5, 0.96, 0.96, 0.96, 0.96, 0.96, 0.96], 20),  # touched, fell, held
        ([0.1, 0.96, 0.96, 0.96, 0.96, 0.96, 0.94, 0.96, 0.96, 0.96, 0.96, 0.96, 0.96], 70),
        ([0.95] * 6, 0),  # the threshold itself counts, from the first evaluation on
        ([0.9499] * 20, None),
        ([0.96, 0.5] * 20, None),
        ([0.96] * 6 + [0.1] * 6 + [0.96] * 6, 0),  # the first time, though it is lost later
        ([], None),
    ],
)
def test_the_grokking_step_is_where_accuracy_begins_to_hold(accuracies: list[float], expected: int | None) -> None:
    steps = [10 * index for index in range(len(accuracies))]
    assert grokking_step(steps, accuracies, 0.95, 5) == expected


def test_without_further_evaluations_the_grokking_step_is_the_first_touch() -> None:
    steps, accuracies = [0, 10, 20, 30], [0.1, 0.96, 0.2, 0.96]
    assert grokking_step(steps, accuracies, 0.95, 0) == first_touch(steps, accuracies, 0.95) == 10


def test_first_touch() -> None:
    assert first_touch([0, 10, 20], [0.1, 0.95, 0.2], 0.95) == 10
    assert first_touch([0, 10, 20], [0.1, 0.2, 0.3], 0.95) is None


# Moments: which parameters are handed out, and when training ends


HELD = 2  # further evaluations for which the threshold must hold, in these tests


@pytest.fixture
def learns(configuration: Make) -> Make:
    """A run whose validation accuracy rises within 150 steps, with ups and downs."""

    def make(**changes: object) -> Configuration:
        values: dict[str, object] = {
            "modulus": 23, "layers": 1, "d_model": 32, "train_fraction": 0.7, "batch_size": 128,
            "learning_rate": 1e-2, "seed": 1, "steps": 150, "evaluate_every": 5, "measure_every": 5,
            "grokking_evaluations": HELD, "measure_after_grokking": (),
        }  # fmt: skip
        return configuration(**(values | changes))

    return make


def touched_before_held(history: History) -> tuple[float, int]:
    """A threshold that this run touches, loses and then holds, and the step from which it holds."""
    for threshold in sorted(set(history.validation_accuracy)):
        held = grokking_step(history.step, history.validation_accuracy, threshold, HELD)
        touched = first_touch(history.step, history.validation_accuracy, threshold)
        if held is not None and touched is not None and 0 < touched < held < 130:
            return threshold, held
    raise AssertionError("choose another run for these tests")


def test_the_parameters_of_the_grokking_step_are_those_of_that_step(learns: Make) -> None:
    """Known only later, and after a first touch that did not hold: yet the very bits of the step."""
    dense = trained(learns())
    threshold, held = touched_before_held(dense.state.histories[0])
    sparse = trained(learns(measure_every=0, grokking_accuracy=threshold, measure_after_grokking=(0,), steps=held + 20))
    assert sparse.parameters().keys() == {held, held + 20}
    assert torch.equal(sparse.parameters()[held], dense.parameters()[held])
    assert torch.equal(sparse.parameters()[held + 20], dense.parameters()[held + 20])


def test_moments_after_grokking_and_the_end_that_follows_it(learns: Make) -> None:
    dense = trained(learns())
    threshold, held = touched_before_held(dense.state.histories[0])
    c = learns(measure_every=0, grokking_accuracy=threshold, measure_after_grokking=(0, 10, 15), stop_after_grokking=20)
    stopped = trained(c)
    assert stopped.state.step == held + 20
    assert [moment.step for moment in stopped.moments] == [held, held + 10, held + 15, held + 20]
    for step, parameters in stopped.parameters().items():
        assert torch.equal(parameters, dense.parameters()[step]), step
    assert stopped.done == [[False]] * ((held + 20) // 5) + [[True]]


def test_moments_are_copies(learns: Make) -> None:
    """A moment in hand does not change as training goes on."""
    dense = trained(learns())
    for state in dense.states[1:]:
        assert torch.equal(dense.parameters()[state.step], state.flat[0])


def test_the_regular_grid_leaves_out_step_zero_and_includes_the_end(configuration: Make) -> None:
    run = trained(configuration(steps=50, measure_every=20))
    assert [moment.step for moment in run.moments] == [20, 40, 50]
    assert trained(configuration(steps=50, measure_every=0)).parameters().keys() == {50}


def test_a_run_without_grokking_ends_with_its_steps(configuration: Make) -> None:
    run = trained(configuration(steps=30, stop_after_grokking=50, grokking_accuracy=1.0))
    assert run.state.step == 30
    assert run.state.histories[0].step == [0, 10, 20, 30]


def test_a_member_that_is_done_hands_out_nothing_more(configuration: Make) -> None:
    """A stack goes on until its last member is done; the others' moments are those of their own runs."""
    short = configuration(steps=20, measure_every=10)
    long = configuration(steps=40, measure_every=10, seed=1)
    run = trained(short, long)
    assert run.parameters(0).keys() == {10, 20}
    assert run.parameters(1).keys() == {10, 20, 30, 40}
    assert run.done == [[False, False], [False, False], [True, False], [True, False], [True, True]]


# Resume


def test_runs_of_different_decay_end_and_are_measured_at_one_age(learns: Make) -> None:
    """Decay-time ηλ(t − t_grok): twice the decay, half the steps."""
    runs = [
        learns(weight_decay=decay, grokking_accuracy=0.3, measure_every=0, stop_at_age=0.8, measure_at_ages=(0.4, 0.61),
               measure_after_grokking=(0,), steps=1000)
        for decay in (1.0, 2.0)
    ]  # fmt: skip
    for c in runs:
        history = trained(c).state.histories[0]
        grokked = grokking_step(history.step, history.validation_accuracy, 0.3, HELD)
        assert grokked is not None
        ages = [round((step - grokked) * c.learning_rate * c.weight_decay, 9) for step in trained(c).parameters()]
        assert ages == [0, 0.4, {1.0: 0.65, 2.0: 0.7}[c.weight_decay], 0.8]  # at the next evaluation, all 5 steps
        assert history.step[-1] == grokked + 0.8 / (c.learning_rate * c.weight_decay)


def test_an_age_that_is_a_whole_number_of_steps_takes_no_step_more(configuration: Make) -> None:
    c = configuration(learning_rate=1e-3, weight_decay=0.1, evaluate_every=100)
    assert [steps_of_age(c, age) for age in (0.6, 1.2, 5.0, 0.601)] == [6000, 12000, 50000, 6100]


def test_the_last_calm_moment_is_measured_at_the_end(learns: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation accuracy is high at it, before and after; of the end nobody knows yet."""
    monkeypatch.setattr(grokking, "CALM", 0.2)  # which this small run is again and again
    everything = trained(learns(measure_every=5))
    history = everything.state.histories[0]
    accuracies = history.validation_accuracy
    calm = [i for i in range(1, len(accuracies) - 1) if min(accuracies[i - 1 : i + 2]) >= 0.2]
    assert len(calm) > 1
    moments = [m for e in train([learns(measure_every=0, measure_last_calm=True)]) for m in e.moments]
    assert [moment.step for moment in moments] == [150, history.step[calm[-1]]]
    assert torch.equal(moments[1].parameters, everything.parameters()[moments[1].step])


def test_a_run_without_a_calm_moment_has_none_measured(configuration: Make) -> None:
    assert list(trained(configuration(measure_every=0, measure_last_calm=True)).parameters()) == [40]


@pytest.mark.parametrize("stack", [1, 3])
def test_a_training_goes_on_from_any_state_to_the_same_bits(configuration: Make, stack: int) -> None:
    configurations = [
        dataclasses.replace(c, grokking_accuracy=0.08, grokking_evaluations=1)  # so that candidates come and go
        for c in differing(configuration, "float32")[:stack]
    ]
    whole = trained(*configurations)
    for index in (0, 1, 3):
        saved = copy.deepcopy(whole.states[index])
        moments = []
        for evaluation in train(configurations, state=saved):
            moments += evaluation.moments
        state = evaluation.state
        for name in ("flat", "first", "second", "candidate", "before", "calm"):
            assert torch.equal(getattr(state, name), getattr(whole.state, name)), (index, name)
        assert state.histories == whole.state.histories
        expected = [moment for moment in whole.moments if moment.step > saved.step]
        later = [moment for moment in moments if moment.step > saved.step]
        assert [(m.member, m.step) for m in later] == [(m.member, m.step) for m in expected]
        assert all(torch.equal(a.parameters, b.parameters) for a, b in zip(later, expected, strict=True))


def test_a_grokking_step_seen_before_a_break_is_handed_out_after_it(learns: Make) -> None:
    threshold, held = touched_before_held(trained(learns()).state.histories[0])
    c = learns(measure_every=0, grokking_accuracy=threshold, measure_after_grokking=(0,), steps=held + 20)
    whole = trained(c)
    before_known = next(state for state in whole.states if state.step == held + 5)
    moments = [m for e in train([c], state=copy.deepcopy(before_known)) for m in e.moments]
    assert moments[0].step == held
    assert torch.equal(moments[0].parameters, whole.parameters()[held])


def test_the_end_is_not_trained_again(configuration: Make) -> None:
    c = configuration(steps=20)
    assert list(train([c], state=copy.deepcopy(trained(c).state))) == []


def test_initial_states_are_those_of_the_seeds() -> None:
    arch = Architecture(modulus=7, operations=1, layers=1, d_model=8, heads=2)
    assert torch.equal(initial_parameters(arch, 4), initial_parameters(arch, 4))
    assert not torch.equal(initial_parameters(arch, 4), initial_parameters(arch, 5))
