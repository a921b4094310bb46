"""The gradient by hand against torch's, and a run that is trained with it against the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from epistemics.declared.runs import configuration_key
from epistemics.science.configuration import Architecture, Configuration, faults
from epistemics.science.layers import gelu, gradient, normal_distribution
from epistemics.science.network import initial_parameters, network_of
from epistemics.science.train import train
from epistemics.science.training import Batch, batch_loss
from epistemics.science.transformer import Transformer

Make = Callable[..., Configuration]

ARCHITECTURES = [
    Architecture(modulus=7, operations=1, layers=1, d_model=8, heads=2),
    Architecture(modulus=7, operations=3, layers=1, d_model=8, heads=1),
    Architecture(modulus=7, operations=1, layers=2, d_model=8, heads=2),
    Architecture(modulus=11, operations=2, layers=3, d_model=12, heads=4),
    Architecture(modulus=7, operations=2, layers=1, d_model=8, heads=2, flag=True),
    Architecture(modulus=7, operations=1, layers=2, d_model=8, heads=2, flag=True),
]


def batch_of(arch: Architecture, members: int, count: int = 20) -> Batch:
    """Random questions, the last three of which are padding."""
    generator = torch.Generator().manual_seed(3)

    def drawn(size: int) -> Tensor:
        return torch.randint(0, size, (members, count), generator=generator)

    sizes = (arch.modulus, arch.operations, arch.modulus, *([2] if arch.flag else []))
    questions = torch.stack([drawn(size) for size in sizes], dim=-1)
    weights = torch.full((members, count), 1 / (count - 3), dtype=torch.float64)
    weights[:, -3:] = 0
    return Batch(questions, drawn(arch.answers), weights)


def stack_of(arch: Architecture, members: int) -> Tensor:
    """Parameters away from where they begin, so that gains and biases are no longer 1 and 0."""
    flat = torch.stack([initial_parameters(arch, seed) for seed in range(members)]).double()
    return flat + 0.1 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("arch", ARCHITECTURES, ids=str)
def test_every_gradient_is_torchs(arch: Architecture, members: int) -> None:
    network, flat, batch = network_of(arch), stack_of(arch, members), batch_of(arch, members)
    assert isinstance(network, Transformer)
    ours = gradient(network, flat, batch, "float64")
    theirs = torch.func.grad(batch_loss)(flat, batch, network, "float64")
    for name, expected in network.parameters(theirs).items():
        assert expected.abs().max() > 1e-4, name  # there is something to compare
        torch.testing.assert_close(network.parameters(ours)[name], expected, rtol=1e-10, atol=1e-10, msg=name)


@pytest.mark.parametrize(("precision", "apart"), [("float32", 1e-4), ("bfloat16", 0.05)])
def test_in_other_precisions_it_is_torchs_to_rounding(precision: str, apart: float) -> None:
    arch = ARCHITECTURES[3]
    network, flat, batch = network_of(arch), stack_of(arch, 2), batch_of(arch, 2)
    assert isinstance(network, Transformer)
    exact = torch.func.grad(batch_loss)(flat, batch, network, "float64")
    batch = dataclasses.replace(batch, weights=batch.weights.float())
    ours = gradient(network, flat.float(), batch, precision).double()
    theirs = torch.func.grad(batch_loss)(flat.float(), batch, network, precision).double()
    assert (ours - exact).norm() < apart * exact.norm()
    assert (ours - exact).norm() < 1.5 * (theirs - exact).norm()  # no coarser than torch's own


def trained(c: Configuration) -> Any:
    for evaluation in train([c]):
        last = evaluation.state
    return last


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"operations": ("add", "mul"), "layers": 1},
        {"adversarial_weight": 0.1, "adversarial_from": 0, "adversarial_every": 3, "adversarial_directions": 2},
        {"flag": "refused", "operations": ("add", "mul"), "shares": (0.75, 0.25)},
    ],
    ids=["two layers", "two operations", "with the penalty", "with flags"],
)
def test_a_hundred_steps_are_those_of_the_reference(configuration: Make, settings: dict[str, Any]) -> None:
    c = configuration(precision="float64", steps=100, measure_every=0, learning_rate=3e-3, **settings)
    reference, by_hand = trained(c), trained(dataclasses.replace(c, gradient="by hand"))
    torch.testing.assert_close(by_hand.flat, reference.flat, rtol=1e-7, atol=1e-9)
    assert by_hand.histories[0].train_loss == pytest.approx(reference.histories[0].train_loss, rel=1e-8)
    assert reference.histories[0].train_loss[-1] < 0.9 * reference.histories[0].train_loss[0]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compiled_it_learns_what_the_reference_learns(configuration: Make, precision: str) -> None:
    c = configuration(
        modulus=23, d_model=32, layers=2, train_fraction=0.8, batch_size=128, learning_rate=2e-3, steps=300,
        evaluate_every=100, measure_every=0, compiled=True, precision=precision,
    )  # fmt: skip
    reference, by_hand = (trained(dataclasses.replace(c, gradient=g)).histories[0] for g in ("autograd", "by hand"))
    assert reference.train_accuracy[-1] > 0.9
    assert by_hand.train_accuracy[-1] == pytest.approx(reference.train_accuracy[-1], abs=0.1)
    assert by_hand.train_loss[1] == pytest.approx(reference.train_loss[1], rel=0.1)


def test_a_run_with_it_is_another_run_and_the_others_are_what_they_were(configuration: Make) -> None:
    reference, by_hand = configuration(), configuration(gradient="by hand")
    assert configuration_key(reference) != configuration_key(by_hand)
    assert not list(faults(by_hand))
    fault = dict(faults(configuration(gradient="by hand", network="perceptron")))
    assert fault["gradient"] == "must be autograd for 'perceptron': by hand there is the transformer's alone"


def test_the_normal_distribution_is_exact_to_float32() -> None:
    x = torch.linspace(-8, 8, 4001)
    cumulative, density = normal_distribution(x)
    exact = normal_distribution(x.double())
    assert (cumulative - exact[0]).abs().max() < 3e-7
    assert (density - exact[1]).abs().max() < 1e-7
    torch.testing.assert_close(exact[0], torch.special.ndtr(x.double()), rtol=1e-12, atol=1e-15)
    y, back = gelu(x)
    slope = torch.func.vmap(torch.func.grad(torch.nn.functional.gelu))(x)
    torch.testing.assert_close(y, torch.nn.functional.gelu(x))
    torch.testing.assert_close(back(torch.ones_like(x)), slope, rtol=1e-5, atol=2e-6)
