"""The transformer's gradient with pen and paper: each layer forward, and its way back.

For a tensor y, ``dy`` is the gradient of the loss with respect to y. Every function here takes a layer's inputs and
returns its output with the way back: a function of dy that returns the inputs' gradients and notes those of the
parameters it meets. What runs is the same arithmetic as ``training_step``'s, whose gradient is torch's own, with less
to move and to launch: a bias's gradient is a product with a row of ones, where the network reads one position nothing
is computed at the others, and positions lie before the batch, so that what is read together lies together.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from epistemics.science import training
from epistemics.science.configuration import Architecture
from epistemics.science.network import COMPUTE_DTYPES, Network, Parameters, matrix_product
from epistemics.science.transformer import Transformer

Back = Callable[[Tensor], Tensor]
AffineBack = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]

NORM_EPSILON = 1e-5  # LayerNorm's, torch's default


def training_step(
    t: training.Tensors,
    network: Network,
    betas: tuple[float, float],
    precision: str,
    penalised: bool,
    directions: int,
) -> None:
    """One step, in place, as ``training.training_step``, which makes those with the penalty."""
    if penalised:
        training.training_step(t, network, betas, precision, penalised, directions)
        return
    assert isinstance(network, Transformer)
    batch = training.Batch(t.questions[t.rows], t.answers[t.rows], t.weights)
    training.move_on(t, gradient(network, t.flat, batch, precision), betas)


def gradient(network: Transformer, flat: Tensor, batch: training.Batch, precision: str) -> Tensor:
    """The gradient [E, N] of the sum over members of each one's mean cross-entropy, at parameters ``flat`` [E, N]."""
    arch = network.arch
    layers = Layers(network.parameters(flat), COMPUTE_DTYPES[precision], len(arch.kinds))
    to_places, back_to_inputs = selection(arch, batch.questions)

    # Forward. The first layer up to its attention, once for each distinct (token, position).
    distinct, back_distinct = layers.embed(arch)
    inputs, back_in = layers.normalised_linear("0.norm1", "0.attention.in", distinct)
    x, qkv = to_places(distinct), to_places(inputs)
    query, key, value = qkv.chunk(3, -1)

    back_inputs, back_blocks = [], []
    for layer in range(arch.layers):
        last = layer == arch.layers - 1
        if layer > 0:
            (query, key, value), back_input = layers.attention_input(layer, x, last)
            back_inputs.append(back_input)
        if last:  # it is read at the answer's position
            query, x = query[:, -1:], x[:, -1:]
        x, back_block = layers.block(layer, x, query, key, value, arch.heads)
        back_blocks.append(back_block)
    logits, back_read_out = layers.normalised_linear("norm", "unembedding", x)

    # And back.
    dx = back_read_out(cross_entropy_gradient(logits, batch.answers, batch.weights))
    for back_block in reversed(back_blocks):
        dx, dquery, dkey, dvalue = back_block(dx)
        if back_inputs:  # of every layer but the first
            dx = back_inputs.pop()(dx, dquery, dkey, dvalue)
    dinputs = torch.cat([back_to_inputs(dquery), back_to_inputs(torch.cat([dkey, dvalue], -1))], -1)
    back_distinct(back_to_inputs(dx) + back_in(dinputs))
    return torch.cat([layers.gradients[name].to(flat.dtype).flatten(1) for name in network.shapes()], 1)


class Layers:
    """Layers with parameters, which gather these parameters' gradients on the way back.

    Args:
        parameters: of a stack, name → [E, *shape].
        dtype: of the matrix products.
        positions: S, how many tokens a question has.
    """

    def __init__(self, parameters: Parameters, dtype: torch.dtype, positions: int) -> None:
        self.parameters = parameters
        self.dtype = dtype
        self.positions = positions
        self.gradients: Parameters = {}

    def linear(self, name: str, x: Tensor) -> tuple[Tensor, Back]:
        """y = x W + b of x [E, …, i]."""
        y, back_affine = self.affine(x, self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

        def back(dy: Tensor) -> Tensor:
            dx, self.gradients[f"{name}.weight"], self.gradients[f"{name}.bias"] = back_affine(dy)
            return dx

        return y, back

    def normalised_linear(self, norm: str, name: str, x: Tensor) -> tuple[Tensor, Back]:
        """y = LayerNorm(x) W + b of x [E, …, i]."""
        h, back_norm = self.layer_norm(norm, x)
        y, back_linear = self.linear(name, h)
        return y, lambda dy: back_norm(back_linear(dy))

    def affine(self, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, AffineBack]:
        """y = x W + b of x [E, …, i]. dx = dy Wᵀ, dW = xᵀ dy, db = Σ dy."""
        rows, weight = x.flatten(1, -2).to(self.dtype), weight.to(self.dtype)

        def back(dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            drows = dy.flatten(1, -2).to(self.dtype)
            dx = product(drows, weight.transpose(1, 2)).view(x.shape)
            return dx, product(rows.transpose(1, 2), drows), sum_of_rows(drows)[:, 0]

        return (product(rows, weight) + bias[:, None].to(self.dtype)).view(*x.shape[:-1], -1), back

    def layer_norm(self, name: str, x: Tensor) -> tuple[Tensor, Back]:
        """y = h g + c with h = (x − mean) / σ along the last axis of x [E, …, d], the gain g and the bias c.

        dg = Σ dy h, dc = Σ dy; with dh = dy g, dx = (dh − mean dh − h mean(dh h)) / σ.
        """
        gain, offset = (
            self.parameters[f"{name}.{which}"].view(len(x), *[1] * (x.dim() - 2), -1) for which in ("gain", "bias")
        )
        centred = x - x.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + NORM_EPSILON).rsqrt()
        h = centred * scale

        def back(dy: Tensor) -> Tensor:
            dy = dy.to(h.dtype)
            self.gradients[f"{name}.gain"] = (dy * h).flatten(1, -2).sum(1)
            self.gradients[f"{name}.bias"] = dy.flatten(1, -2).sum(1)
            dh = dy * gain
            return (dh - dh.mean(-1, keepdim=True) - h * (dh * h).mean(-1, keepdim=True)) * scale

        return h * gain + offset, back

    def embed(self, arch: Architecture) -> tuple[Tensor, Back]:
        """The stream before the first block for each distinct (token, position), [E, distinct, d]."""
        tokens = self.parameters["embedding"].split(arch.tokens, 1)  # type: ignore[no-untyped-call]
        positions = self.parameters["position"].chunk(len(arch.kinds), 1)

        def back(dy: Tensor) -> Tensor:
            places = dy.split([arch.tokens[kind] for kind in arch.kinds], 1)  # type: ignore[no-untyped-call]
            of_kind = [[p for kind, p in zip(arch.kinds, places, strict=True) if kind == k] for k in range(len(tokens))]
            self.gradients["embedding"] = torch.cat([sum(own[1:], own[0]) for own in of_kind], 1)
            self.gradients["position"] = torch.cat([sum_of_rows(place) for place in places], 1)
            return dy

        return torch.cat([tokens[kind] + own for kind, own in zip(arch.kinds, positions, strict=True)], 1), back

    def attention_input(
        self, layer: int, x: Tensor, last: bool
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]]:
        """Queries, keys and values of a stream [E, S, B, d]; in the last layer the query of the answer's position.

        The way back takes the stream's own gradient too, and adds to it.
        """
        d = x.shape[-1]
        h, back_norm = self.layer_norm(f"{layer}.norm1", x)
        name = f"{layer}.attention.in"
        weight, bias = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        query, back_query = self.affine(h[:, -1:] if last else h, weight[..., :d], bias[..., :d])
        keys_values, back_keys_values = self.affine(h, weight[..., d:], bias[..., d:])
        key, value = keys_values.chunk(2, -1)

        def back(dx: Tensor, dquery: Tensor, dkey: Tensor, dvalue: Tensor) -> Tensor:
            dread, *dparameters = back_query(dquery)
            dh, *dothers = back_keys_values(torch.cat([dkey, dvalue], -1))
            joined = [torch.cat(parts, -1) for parts in zip(dparameters, dothers, strict=True)]
            self.gradients[f"{name}.weight"], self.gradients[f"{name}.bias"] = joined
            return self.at_all_places(dx) + back_norm(dh + self.at_all_places(dread))

        return (query, key, value), back

    def block(
        self, layer: int, x: Tensor, query: Tensor, key: Tensor, value: Tensor, heads: int
    ) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]]:
        """The stream [E, Q, B, d] after attention and feed-forward network.

        The way back leads to x, query, key and value.
        """
        mixed, back_attend = attend(query, key, value, heads)
        taken, back_out = self.linear(f"{layer}.attention.out", mixed)
        x = x + taken
        hidden, back_hidden = self.normalised_linear(f"{layer}.norm2", f"{layer}.mlp.in", x)
        active, back_active = gelu(hidden)
        made, back_made = self.linear(f"{layer}.mlp.out", active)

        def back(dx: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            dx = dx + back_hidden(back_active(back_made(dx)))
            return dx, *back_attend(back_out(dx))

        return x + made, back

    def at_all_places(self, dy: Tensor) -> Tensor:
        """A gradient [E, P, B, d] at the last P places as one at all."""
        return F.pad(dy, (0, 0, 0, 0, self.positions - dy.shape[1], 0))


def selection(arch: Architecture, questions: Tensor) -> tuple[Back, Back]:
    """From what is computed for each distinct input [E, distinct, c] to the questions' places [E, S, B, c], and back.

    Forward by index. Back rows are added up by a product with a one-hot matrix, which is deterministic on every device.
    """
    members, counts = len(questions), [arch.tokens[kind] for kind in arch.kinds]
    positions = len(counts)
    starts = torch.tensor([sum(counts[:place]) for place in range(positions)], device=questions.device)
    rows = F.pad(questions, (0, 1)) + starts  # the last token is the equals sign, and there is one
    rows = rows.transpose(1, 2) + sum(counts) * torch.arange(members, device=questions.device)[:, None, None]

    def to_places(inputs: Tensor) -> Tensor:
        return inputs.flatten(0, 1)[rows]

    def back_to_inputs(dy: Tensor) -> Tensor:
        """Of dy [E, P, B, c], at the last P places; nothing comes from the others."""
        absent = positions - dy.shape[1]
        found = [dy.new_zeros(members, count, dy.shape[-1]) for count in counts[:absent]]
        for place in range(absent, positions - 1):
            numbered = torch.arange(counts[place], device=questions.device)[:, None]
            one_hot = (questions[:, None, :, place] == numbered).to(dy.dtype)  # [E, count, B]
            found.append(product(one_hot, dy[:, place - absent]))
        return torch.cat([*found, sum_of_rows(dy[:, -1])], 1)

    return to_places, back_to_inputs


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]]:
    """Softmax attention of query [E, Q, B, d] to key and value [E, S, B, d] → [E, Q, B, d], elementwise.

    With a = softmax(s), s = q·k / √c: ds = a (da − Σ a da), where da = dy·v.
    """
    members, _, batch, d = query.shape
    root, precise = 1 / math.sqrt(d // heads), torch.promote_types(query.dtype, torch.float32)

    def by_head(x: Tensor, place: int) -> Tensor:
        return x.view(members, -1, batch, heads, d // heads).unsqueeze(place).to(precise)

    def merged(x: Tensor) -> Tensor:
        return x.flatten(-2).to(query.dtype)

    q, k, v = by_head(query, 2), by_head(key, 1), by_head(value, 1)  # [E, Q, S, B, heads, c]
    a = (q * k).sum(-1, keepdim=True).mul(root).softmax(2)

    def back(dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        dmixed = by_head(dy, 2)
        da = (dmixed * v).sum(-1, keepdim=True)
        ds = a * (da - (a * da).sum(2, keepdim=True)) * root
        return merged((ds * k).sum(2)), merged((ds * q).sum(1)), merged((a * dmixed).sum(1))

    return merged((a * v).sum(2)), back


def gelu(x: Tensor) -> tuple[Tensor, Back]:
    """x Φ(x), whose slope is Φ(x) + x φ(x) with the normal distribution's Φ and φ."""
    precise = x.to(torch.promote_types(x.dtype, torch.float32))
    cumulative, density = normal_distribution(precise)
    # In one tensor, so that the compiler works both out at once, from one exponential, and keeps the slope.
    y, slope = torch.stack([v.to(x.dtype) for v in (precise * cumulative, cumulative + precise * density)])
    return y, lambda dy: dy * slope


def normal_distribution(x: Tensor) -> tuple[Tensor, Tensor]:
    """Φ and φ. In float32 from one exponential, to 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26); in float64 exactly."""
    exponential = torch.exp(-x * x / 2)
    density = exponential / math.sqrt(2 * math.pi)
    if x.dtype == torch.float64:
        return (1 + torch.erf(x / math.sqrt(2))) / 2, density
    t = 1 / (1 + 0.3275911 / math.sqrt(2) * x.abs())
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    tail = series * exponential / 2
    return torch.where(x < 0, tail, 1 - tail), density


def cross_entropy_gradient(logits: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
    """Of the weighted sum of cross-entropies: (softmax − one-hot) weight.

    Args:
        logits: [E, 1, B, classes].
        answers, weights: [E, B].
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    classes = torch.arange(logits.shape[-1], device=logits.device)
    right = (answers[..., None] == classes).to(logits.dtype)[:, None]
    return (logits.softmax(-1) - right) * weights[:, None, :, None]


def product(a: Tensor, b: Tensor) -> Tensor:
    """[E, n, i] times [E, i, m]: of a single member in float32 on the CPU by oneDNN, otherwise as the network's."""
    if len(a) == 1 and a.shape[1] > 1 and a.dtype == torch.float32 and a.device.type == "cpu":
        own: Tensor = onednn_product(a[0], b[0])
        return own[None]
    return matrix_product(a, b)


@torch.library.custom_op("epistemics::onednn_product", mutates_args=())
def onednn_product(a: Tensor, b: Tensor) -> Tensor:
    """[n, i] times [i, m]. oneDNN uses all of a CPU's vector width; MKL, torch's own in float32, only Intel's.

    Torch has its products for linear layers alone, and not in every build: without it they are torch's own. What lies
    in memory neither by row nor by column is copied first: oneDNN is a thousand times slower on it.
    """
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return torch.mm(a, b)
    a, b = (x if x.is_contiguous() or x.t().is_contiguous() else x.contiguous() for x in (a, b))
    y: Tensor = torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], "")
    return y


@onednn_product.register_fake
def _(a: Tensor, b: Tensor) -> Tensor:
    return a.new_empty(a.shape[0], b.shape[1])


def sum_of_rows(dy: Tensor) -> Tensor:
    """[E, n, c] → [E, 1, c], as a product with a row of ones."""
    return product(dy.new_ones(len(dy), 1, dy.shape[1]), dy)
