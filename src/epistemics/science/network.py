"""What every network here has in common: a stack of members, in one matrix of parameters.

Runs of one shape train as one stack; a single run is a stack of one. All parameters of a stack live in one matrix
``flat`` [E, N], so that the optimizer, a checkpoint and a copy are one operation each; every parameter has a leading
dimension E. A network is a class of its own module (``transformer``), which says what its parameters are and how it
comes to its final states, and a line of ``configuration.NETWORKS``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from epistemics.science.configuration import NETWORKS, Architecture
from epistemics.science.named import named

COMPUTE_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}

Shapes = dict[str, tuple[int, ...]]
Parameters = dict[str, Tensor]


@dataclass(frozen=True)
class Network(ABC):
    """A network of some shape.

    Measures read ``embedding`` [tokens, d], whose first rows are the numbers, ``unembedding.weight`` [d, answers] and
    ``unembedding.bias`` [answers] by these names. What a parameter is at step 0 its name says too; see
    ``initial_parameters``.
    """

    arch: Architecture

    @abstractmethod
    def shapes(self) -> Shapes:
        """Name → shape of one member's parameters, in the order in which they lie in ``flat``."""

    @abstractmethod
    def final_state(self, flat: Tensor, questions: Tensor, precision: str = "float32") -> Tensor:
        """What the read-out reads, [E, B, d].

        Args:
            flat: [E, N] parameters, float32 (or float64).
            questions: [E, B, 3] integers: a, operation, b; [E, B, 4] with the flag, where there are flags.
            precision: of the matrix products, a key of ``COMPUTE_DTYPES``; states keep flat's type.
        """

    def parameters(self, flat: Tensor) -> Parameters:
        """Views into ``flat`` [E, N]: name → [E, *shape]."""
        shapes = self.shapes()
        parts = flat.split([math.prod(shape) for shape in shapes.values()], dim=1)  # type: ignore[no-untyped-call]
        return {
            name: part.reshape(flat.shape[0], *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
        }

    def read_out(self, flat: Tensor, state: Tensor, precision: str = "float32") -> Tensor:
        """Logits [E, B, answers] of a final state [E, B, d]."""
        w = self.parameters(flat)
        return linear(state, w["unembedding.weight"], w["unembedding.bias"], COMPUTE_DTYPES[precision])


def network_of(arch: Architecture) -> Network:
    """The network of this shape."""
    network: Network = named(NETWORKS[arch.network])(arch)
    return network


def named_parameters(arch: Architecture, flat: Tensor) -> Parameters:
    """Views into ``flat`` [E, N]: name → [E, *shape]."""
    return network_of(arch).parameters(flat)


def parameter_count(arch: Architecture) -> int:
    """N, the parameters of one member."""
    return sum(math.prod(shape) for shape in network_of(arch).shapes().values())


def initial_parameters(arch: Architecture, seed: int, embedding_scale: float = 0.02) -> Tensor:
    """One member's parameters at step 0, [N] in float32, drawn on the CPU by ``seed``.

    By the names of a network's parameters: ``embedding`` and ``position`` are normal, of ``embedding_scale``;
    ``….gain`` is 1, what else has ``norm`` in its name is 0; ``….weight`` [inputs, outputs] and the ``….bias`` beside
    it are as ``torch.nn.Linear`` draws them, U(±1/√inputs), but the attention's as ``torch.nn.MultiheadAttention``
    does: ``attention.in.weight`` Xavier-uniform, and biases 0.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(shape: tuple[int, ...], bound: float) -> Tensor:
        return (torch.rand(shape, generator=generator) * 2 - 1) * bound

    shapes = network_of(arch).shapes()
    parts = []
    for name, shape in shapes.items():
        if name in ("embedding", "position"):
            part = torch.randn(shape, generator=generator) * embedding_scale
        elif name.endswith(".gain"):
            part = torch.ones(shape)
        elif name.endswith("attention.in.weight"):
            part = uniform(shape, math.sqrt(6 / (shape[0] + shape[1])))
        elif "norm" in name or (".attention." in name and name.endswith(".bias")):
            part = torch.zeros(shape)
        else:  # a linear layer's weight, or the bias beside it
            inputs = shapes[name.replace(".bias", ".weight")][0]
            part = uniform(shape, 1 / math.sqrt(inputs))
        parts.append(part.reshape(-1))
    return torch.cat(parts)


def normalise(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """LayerNorm of x [E, …, d] with a gain and a bias for each member, [E, d]."""
    spread = [gain.shape[0]] + [1] * (x.dim() - 2) + [gain.shape[1]]
    return F.layer_norm(x, (x.shape[-1],)) * gain.view(spread) + bias.view(spread)


def linear(x: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """x [E, …, i] times weight [E, i, o] plus bias [E, o], computed and returned in ``dtype``."""
    rows = x.reshape(x.shape[0], -1, x.shape[-1])
    product = matrix_product(rows.to(dtype), weight.to(dtype)) + bias.to(dtype)[:, None, :]
    return product.reshape(*x.shape[:-1], weight.shape[-1])


def matrix_product(a: Tensor, b: Tensor) -> Tensor:
    """[E, n, i] times [E, i, m]. A stack of one is a plain product: batched ones copy transposed bf16 operands."""
    if a.shape[0] == 1:
        return torch.mm(a[0], b[0])[None]
    return torch.bmm(a, b)
