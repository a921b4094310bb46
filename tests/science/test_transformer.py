"""The stacked model against plain ``torch.nn``, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from epistemics.science.configuration import Architecture
from epistemics.science.network import initial_parameters, named_parameters, network_of, parameter_count


class Plain(nn.Module):
    """The same network as people write it: every position of every layer, nn.TransformerEncoderLayer."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        d = arch.d_model
        self.arch = arch
        flags = 2 if arch.flag else 0
        self.embedding = nn.Embedding(arch.modulus + arch.operations + 1 + flags, d)
        self.position = nn.Parameter(torch.empty(5 if arch.flag else 4, d))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                d, arch.heads, 4 * d, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(arch.layers)
        )
        self.norm = nn.LayerNorm(d)
        self.unembedding = nn.Linear(d, arch.modulus + 1 if arch.flag else arch.modulus)

    def forward(self, questions: Tensor) -> Tensor:
        logits: Tensor = self.unembedding(self.states(questions))
        return logits

    def states(self, questions: Tensor) -> Tensor:
        """What the unembedding reads."""
        p = self.arch.modulus
        equals = torch.full_like(questions[:, 0], p + self.arch.operations)
        flags = [questions[:, 3] + p + self.arch.operations + 1] if self.arch.flag else []
        tokens = torch.stack([questions[:, 0], questions[:, 1] + p, questions[:, 2], *flags, equals], dim=1)
        x = self.embedding(tokens) + self.position
        for layer in self.layers:
            x = layer(x)
        normed: Tensor = self.norm(x[:, -1])
        return normed

    def load(self, flat: Tensor) -> Plain:
        """Take over one member's parameters [N]."""
        for name, value in named_parameters(self.arch, flat[None]).items():
            target = self.parameter_for(name)
            with torch.no_grad():
                target.copy_(value[0].T if target.dim() == 2 and ".weight" in name else value[0])
        return self

    def parameter_for(self, name: str) -> Tensor:
        outside = {
            "embedding": self.embedding.weight,
            "position": self.position,
            "norm.gain": self.norm.weight,
            "norm.bias": self.norm.bias,
            "unembedding.weight": self.unembedding.weight,
            "unembedding.bias": self.unembedding.bias,
        }
        if name in outside:
            return outside[name]
        layer, _, rest = name.partition(".")
        inside = {
            "norm1.gain": "norm1.weight",
            "norm1.bias": "norm1.bias",
            "attention.in.weight": "self_attn.in_proj_weight",
            "attention.in.bias": "self_attn.in_proj_bias",
            "attention.out.weight": "self_attn.out_proj.weight",
            "attention.out.bias": "self_attn.out_proj.bias",
            "norm2.gain": "norm2.weight",
            "norm2.bias": "norm2.bias",
            "mlp.in.weight": "linear1.weight",
            "mlp.in.bias": "linear1.bias",
            "mlp.out.weight": "linear2.weight",
            "mlp.out.bias": "linear2.bias",
        }
        return self.layers[int(layer)].get_parameter(inside[rest])


ARCHITECTURES = [
    Architecture(modulus=7, operations=1, layers=1, d_model=8, heads=2),
    Architecture(modulus=7, operations=1, layers=2, d_model=8, heads=2),
    Architecture(modulus=11, operations=2, layers=3, d_model=12, heads=4),
    Architecture(modulus=7, operations=2, layers=2, d_model=8, heads=2, flag=True),
]


def random_questions(arch: Architecture, members: int, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    sizes = (arch.modulus, arch.operations, arch.modulus, *([2] if arch.flag else []))
    columns = [torch.randint(0, size, (members, batch), generator=generator) for size in sizes]
    return torch.stack(columns, dim=-1)


def perturbed(arch: Architecture, seed: int) -> Tensor:
    """Initial parameters moved at random, so that gains and biases are no longer 1 and 0."""
    flat = initial_parameters(arch, seed).double()
    return flat + 0.1 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(seed)).double()


def logits(arch: Architecture, flat: Tensor, questions: Tensor) -> Tensor:
    """Of parameters [E, N] and questions [E, B, …], in float64: [E, B, answers]."""
    network = network_of(arch)
    return network.read_out(flat, network.final_state(flat, questions, "float64"), "float64")


@pytest.mark.parametrize("arch", ARCHITECTURES, ids=str)
def test_logits_and_gradients_are_those_of_the_plain_network(arch: Architecture) -> None:
    questions = random_questions(arch, 1, 20)
    plain = Plain(arch).double().load(perturbed(arch, 5))
    flat = perturbed(arch, 5)[None].requires_grad_()
    ours = logits(arch, flat, questions)[0]
    theirs = plain(questions[0])
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)

    ours.square().sum().backward()  # type: ignore[no-untyped-call]
    theirs.square().sum().backward()
    assert flat.grad is not None
    for name, gradient in named_parameters(arch, flat.grad).items():
        expected = plain.parameter_for(name).grad
        assert expected is not None
        turned = expected.T if expected.dim() == 2 and ".weight" in name else expected
        torch.testing.assert_close(gradient[0], turned, rtol=1e-8, atol=1e-9, msg=name)


@pytest.mark.parametrize("arch", ARCHITECTURES, ids=str)
def test_a_stack_computes_what_its_members_compute_alone(arch: Architecture) -> None:
    questions = random_questions(arch, 3, 10)
    stack = torch.stack([perturbed(arch, seed) for seed in range(3)])
    together = logits(arch, stack, questions)
    for member in range(3):
        one, own = stack[member : member + 1], questions[member : member + 1]
        alone = logits(arch, one, own)
        torch.testing.assert_close(together[member], alone[0], rtol=1e-12, atol=1e-12)


def test_the_log_s_model_has_about_420_thousand_parameters() -> None:
    arch = Architecture(modulus=97, operations=1, layers=2, d_model=128, heads=4)
    assert parameter_count(arch) == 422_497
    assert parameter_count(arch) == sum(parameter.numel() for parameter in Plain(arch).parameters())


def test_initial_parameters_are_drawn_as_torch_draws_them() -> None:
    """Same distributions as the plain network's own initialisation: bound by bound, by standard deviation."""
    arch = Architecture(modulus=97, operations=1, layers=1, d_model=128, heads=4)
    drawn = named_parameters(arch, initial_parameters(arch, 0)[None])
    torch.manual_seed(0)
    plain = Plain(arch)
    for name, value in drawn.items():
        if name in ("embedding", "position"):
            assert value.std().item() == pytest.approx(0.02, rel=0.1)
            continue
        theirs = plain.parameter_for(name)
        assert value.mean().item() == pytest.approx(theirs.mean().item(), abs=0.02), name
        assert value.std().item() == pytest.approx(theirs.std().item(), rel=0.2, abs=1e-6), name
        assert value.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.05), name


def test_the_scale_of_the_embeddings_changes_them_and_the_positions_alone() -> None:
    arch = ARCHITECTURES[0]
    small, large = (named_parameters(arch, initial_parameters(arch, 0, scale)[None]) for scale in (0.02, 1.0))
    for name in small:
        factor = 50 if name in ("embedding", "position") else 1
        torch.testing.assert_close(large[name], factor * small[name], rtol=1e-6, atol=0)


def test_bfloat16_differs_from_float32_by_rounding_only() -> None:
    arch = ARCHITECTURES[2]
    flat, questions = perturbed(arch, 1).float()[None], random_questions(arch, 1, 50)
    exact, rounded = (network_of(arch).final_state(flat, questions, precision) for precision in ("float32", "bfloat16"))
    assert rounded.dtype == torch.float32
    assert 1e-6 < (exact - rounded).abs().max().item() < 0.2
