"""The transformer: its parameters, its blocks, and its final states the fast way.

Notable choices (the setting that reproduces the log best):
- pre-LayerNorm with a final LayerNorm, GELU, bidirectional attention, biases everywhere, d_ff = 4 d;
- learned positions, untied unembedding, embeddings and positions from N(0, 0.02²) where a configuration names no
  other scale, otherwise torch's defaults;
- the last layer is computed at the answer position only, where it is read;
- what the first layer does before attention depends on (token, position) alone: it is computed once for each
  distinct pair and then selected by a product with a one-hot matrix, which is exact and, unlike a scatter-add in
  its gradient, deterministic on every device;
- with four positions, or five, attention is elementwise products and sums, which the compiler fuses.

``residual_stream`` joins the same blocks the plain way, every position of every layer.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from epistemics.science.network import COMPUTE_DTYPES, Network, Parameters, Shapes, linear, matrix_product, normalise


class Transformer(Network):
    """Of ``arch.layers`` blocks, each an attention and a feed-forward network that add to the residual stream."""

    def shapes(self) -> Shapes:
        """Name → shape of one member's parameters, in the order in which they lie in ``flat``.

        Weights are [inputs, outputs]. Queries, keys and values lie side by side in ``attention.in``.
        """
        arch, d = self.arch, self.arch.d_model
        shapes: Shapes = {"embedding": (sum(arch.tokens), d), "position": (len(arch.kinds), d)}
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
        shapes |= {"unembedding.weight": (d, arch.answers), "unembedding.bias": (arch.answers,)}
        return shapes

    def final_state(self, flat: Tensor, questions: Tensor, precision: str = "float32") -> Tensor:
        """The residual stream at the answer position after the final LayerNorm, [E, B, d]."""
        arch, d, dtype = self.arch, self.arch.d_model, COMPUTE_DTYPES[precision]
        w = self.parameters(flat)

        # The first layer up to attention, once for each distinct (token, position).
        distinct = self._distinct(w)
        x = self._selected(distinct, questions)  # [E, B, S, d], of S positions
        qkv = self._selected(attention_input(w, 0, distinct, dtype), questions)

        for layer in range(arch.layers):
            last = layer == arch.layers - 1
            if last and layer > 0:  # keys and values everywhere, the query where it is read
                normed = normalise(x, w[f"{layer}.norm1.gain"], w[f"{layer}.norm1.bias"])
                weight, bias = w[f"{layer}.attention.in.weight"], w[f"{layer}.attention.in.bias"]
                keys_values = linear(normed, weight[:, :, d:], bias[:, d:], dtype)
                query = linear(normed[:, :, -1:], weight[:, :, :d], bias[:, :d], dtype)
            else:
                if layer > 0:
                    qkv = attention_input(w, layer, x, dtype)
                query, keys_values = qkv[..., :d], qkv[..., d:]
            if last:
                query, x = query[:, :, -1:], x[:, :, -1:]
            x = after_attention(w, layer, x, query, keys_values, arch.heads, dtype)
            x = after_feed_forward(w, layer, x, dtype)

        return normalise(x[:, :, 0], w["norm.gain"], w["norm.bias"])

    def _distinct(self, w: Parameters) -> Tensor:
        """The stream before the first block for each distinct (token, position), [E, distinct, d]."""
        arch, position = self.arch, w["position"]
        tokens = w["embedding"].split(arch.tokens, dim=1)  # type: ignore[no-untyped-call]
        return torch.cat([tokens[kind] + position[:, at : at + 1] for at, kind in enumerate(arch.kinds)], dim=1)

    def _selected(self, per_input: Tensor, questions: Tensor) -> Tensor:
        """Rows of per_input [E, distinct, c] for questions [E, B, S − 1]: [E, B, S, c], the equals sign's last."""
        members, batch = questions.shape[:2]
        columns = per_input.split([self.arch.tokens[kind] for kind in self.arch.kinds], dim=1)  # type: ignore[no-untyped-call]
        chosen = []
        for place, column in enumerate(columns):
            count = column.shape[1]
            if count == 1:
                chosen.append(column.expand(members, batch, -1))
            else:
                numbered = torch.arange(count, device=questions.device)
                one_hot = (questions[:, :, place, None] == numbered).to(per_input.dtype)
                chosen.append(matrix_product(one_hot, column))
        return torch.stack(chosen, dim=2)


def attention_input(w: Parameters, layer: int, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Queries, keys and values side by side, [E, …, 3 d], of a stream [E, …, d]."""
    normed = normalise(x, w[f"{layer}.norm1.gain"], w[f"{layer}.norm1.bias"])
    return linear(normed, w[f"{layer}.attention.in.weight"], w[f"{layer}.attention.in.bias"], dtype)


def after_attention(
    w: Parameters, layer: int, x: Tensor, query: Tensor, keys_values: Tensor, heads: int, dtype: torch.dtype
) -> Tensor:
    """The stream [E, B, Q, d] with what its positions take from all: query [E, B, Q, d], keys_values [E, B, S, 2 d]."""
    d = x.shape[-1]
    mixed = attend(query, keys_values[..., :d], keys_values[..., d:], heads)
    return x + linear(mixed, w[f"{layer}.attention.out.weight"], w[f"{layer}.attention.out.bias"], dtype)


def after_feed_forward(w: Parameters, layer: int, x: Tensor, dtype: torch.dtype) -> Tensor:
    """The stream [E, …, d] with what each position makes of itself."""
    normed = normalise(x, w[f"{layer}.norm2.gain"], w[f"{layer}.norm2.bias"])
    hidden = F.gelu(linear(normed, w[f"{layer}.mlp.in.weight"], w[f"{layer}.mlp.in.bias"], dtype))
    return x + linear(hidden, w[f"{layer}.mlp.out.weight"], w[f"{layer}.mlp.out.bias"], dtype)


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
