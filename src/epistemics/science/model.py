"""The transformer, stacked: every parameter has a leading ensemble dimension E.

Runs of one architecture train as one stack; a single run is a stack of one. All parameters of a stack live in one
matrix ``flat`` [E, N], so that the optimizer, a checkpoint and a copy are one operation each.

Notable choices (the setting that reproduces the log best):
- pre-LayerNorm with a final LayerNorm, GELU, bidirectional attention, biases everywhere, d_ff = 4 d;
- learned positions, untied unembedding, embeddings and positions from N(0, 0.02²) where a configuration names no
  other scale, otherwise torch's defaults;
- the last layer is computed at the answer position only, where it is read;
- what the first layer does before attention depends on (token, position) alone: it is computed once for each
  distinct pair and then selected by a product with a one-hot matrix, which is exact and, unlike a scatter-add in
  its gradient, deterministic on every device;
- with four positions, attention is elementwise products and sums, which the compiler fuses.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from epistemics.science.configuration import Architecture

POSITIONS = 4  # a, op, b, =
COMPUTE_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


Shapes = dict[str, tuple[int, ...]]
Parameters = dict[str, Tensor]


def parameter_shapes(arch: Architecture) -> Shapes:
    """Name → shape of one member's parameters, in the order in which they lie in ``flat``.

    Weights are [inputs, outputs]. Queries, keys and values lie side by side in ``attention.in``.
    """
    d = arch.d_model
    shapes: Shapes = {"embedding": (arch.modulus + arch.operations + 1, d), "position": (POSITIONS, d)}
    for layer in range(arch.layers):
        shapes |= {
            f"{layer}.norm1.gain": (d,),
            f"{layer}.norm1.bias": (d,),
            f"{layer}.attention.in.weight": (d, 3 * d),
            f"{layer}.attention.in.bias": (3 * d,),
            f"{layer}.attention.out.weight": (d, d),
            f"{layer}.attention.out.bias": (d,),
            f"{layer}.norm2.gain": (d,),
            f"{layer}.norm2.bias": (d,),
            f"{layer}.mlp.in.weight": (d, 4 * d),
            f"{layer}.mlp.in.bias": (4 * d,),
            f"{layer}.mlp.out.weight": (4 * d, d),
            f"{layer}.mlp.out.bias": (d,),
        }
    shapes |= {"norm.gain": (d,), "norm.bias": (d,)}
    shapes |= {"unembedding.weight": (d, arch.modulus), "unembedding.bias": (arch.modulus,)}
    return shapes


def parameter_count(arch: Architecture) -> int:
    """N, the parameters of one member."""
    return sum(math.prod(shape) for shape in parameter_shapes(arch).values())


def initial_parameters(arch: Architecture, seed: int, embedding_scale: float = 0.02) -> Tensor:
    """One member's parameters at step 0, [N] in float32, drawn on the CPU by ``seed``.

    Linear layers as ``torch.nn.Linear`` draws them, U(±1/√inputs); the attention's input projection as
    ``torch.nn.MultiheadAttention`` does, Xavier-uniform with bias 0 (and output bias 0).
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(shape: tuple[int, ...], bound: float) -> Tensor:
        return (torch.rand(shape, generator=generator) * 2 - 1) * bound

    shapes = parameter_shapes(arch)
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


def named_parameters(arch: Architecture, flat: Tensor) -> Parameters:
    """Views into ``flat`` [E, N]: name → [E, *shape]."""
    shapes = parameter_shapes(arch)
    parts = flat.split([math.prod(shape) for shape in shapes.values()], dim=1)  # type: ignore[no-untyped-call]
    return {
        name: part.reshape(flat.shape[0], *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


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


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Softmax attention without a mask. query [E, B, Q, d]; key, value [E, B, S, d] → [E, B, Q, d]."""
    members, batch, _, d = query.shape
    split = (heads, d // heads)
    q = query.reshape(members, batch, -1, 1, *split) * (1 / math.sqrt(split[1]))
    k = key.reshape(members, batch, 1, -1, *split)
    v = value.reshape(members, batch, 1, -1, *split)
    scores = (q * k).sum(-1, dtype=torch.promote_types(q.dtype, torch.float32))
    weights = scores.softmax(dim=3)[..., None]
    return (weights * v).sum(3).to(query.dtype).reshape(members, batch, -1, d)


def final_state(arch: Architecture, flat: Tensor, questions: Tensor, precision: str = "float32") -> Tensor:
    """The residual stream at the answer position after the final LayerNorm, [E, B, d].

    Args:
        flat: [E, N] parameters, float32 (or float64).
        questions: [E, B, 3] integers: a, operation, b.
        precision: of the matrix products, a key of ``COMPUTE_DTYPES``; the residual stream keeps flat's type.
    """
    p, d, dtype = arch.modulus, arch.d_model, COMPUTE_DTYPES[precision]
    w = named_parameters(arch, flat)
    members, batch = questions.shape[:2]

    # First layer up to attention, once for each distinct (token, position).
    numbers, symbols, position = w["embedding"][:, :p], w["embedding"][:, p:], w["position"]
    distinct = torch.cat(
        [
            numbers + position[:, 0:1],
            symbols[:, : arch.operations] + position[:, 1:2],
            numbers + position[:, 2:3],
            symbols[:, arch.operations :] + position[:, 3:4],
        ],
        dim=1,
    )

    def select(per_input: Tensor) -> Tensor:
        """Rows of per_input [E, distinct, c] for the batch's questions: [E, B, 4, c]."""
        columns = per_input.split([p, arch.operations, p, 1], dim=1)  # type: ignore[no-untyped-call]
        chosen = []
        for place in range(3):
            count = columns[place].shape[1]
            if count == 1:
                chosen.append(columns[place].expand(members, batch, -1))
            else:
                numbered = torch.arange(count, device=questions.device)
                one_hot = (questions[:, :, place, None] == numbered).to(per_input.dtype)
                chosen.append(matrix_product(one_hot, columns[place]))
        chosen.append(columns[3].expand(members, batch, -1))
        return torch.stack(chosen, dim=2)

    x = select(distinct)  # [E, B, 4, d]
    normed = normalise(distinct, w["0.norm1.gain"], w["0.norm1.bias"])
    qkv = select(linear(normed, w["0.attention.in.weight"], w["0.attention.in.bias"], dtype))

    for layer in range(arch.layers):
        last = layer == arch.layers - 1
        if layer > 0:
            normed = normalise(x, w[f"{layer}.norm1.gain"], w[f"{layer}.norm1.bias"])
            weight, bias = w[f"{layer}.attention.in.weight"], w[f"{layer}.attention.in.bias"]
            if last:  # keys and values everywhere, the query where it is read
                keys_values = linear(normed, weight[:, :, d:], bias[:, d:], dtype)
                query = linear(normed[:, :, -1:], weight[:, :, :d], bias[:, :d], dtype)
            else:
                qkv = linear(normed, weight, bias, dtype)
        if layer == 0 or not last:
            query, keys_values = qkv[..., :d], qkv[..., d:]
        if last:
            query, x = query[:, :, -1:], x[:, :, -1:]
        mixed = attend(query, keys_values[..., :d], keys_values[..., d:], arch.heads)
        x = x + linear(mixed, w[f"{layer}.attention.out.weight"], w[f"{layer}.attention.out.bias"], dtype)
        normed = normalise(x, w[f"{layer}.norm2.gain"], w[f"{layer}.norm2.bias"])
        hidden = F.gelu(linear(normed, w[f"{layer}.mlp.in.weight"], w[f"{layer}.mlp.in.bias"], dtype))
        x = x + linear(hidden, w[f"{layer}.mlp.out.weight"], w[f"{layer}.mlp.out.bias"], dtype)

    return normalise(x[:, :, 0], w["norm.gain"], w["norm.bias"])


def read_out(arch: Architecture, flat: Tensor, state: Tensor, precision: str = "float32") -> Tensor:
    """Logits [E, B, modulus] of a final state [E, B, d]."""
    w = named_parameters(arch, flat)
    return linear(state, w["unembedding.weight"], w["unembedding.bias"], COMPUTE_DTYPES[precision])
