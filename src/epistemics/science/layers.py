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
from epistemics.science.network import COMPUTE_DTYPES, Network, Parameters, matrix_product
from epistemics.science.transformer import POSITIONS, Transformer

Back = Callable[[Tensor], Tensor]

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
    d = gradient(network, t.flat, batch, precision)
    moved = training.adamw(t.flat, d, t.first, t.second, t.step, t.learning_rate, t.weight_decay, betas)
    for own, new in zip((t.flat, t.first, t.second), moved, strict=True):
        own.copy_(new)


def gradient(network: Transformer, flat: Tensor, batch: training.Batch, precision: str) -> Tensor:
    """The gradient [E, N] of the sum over members of each one's mean cross-entropy, at parameters ``flat`` [E, N]."""
    arch = network.arch
    layers = Layers(network.parameters(flat), COMPUTE_DTYPES[precision])
    to_places, back_to_inputs = selection(arch.modulus, arch.operations, batch.questions)

    # Forward. The first layer up to its attention, once for each distinct (token, position).
    distinct, back_distinct = layers.embed(arch.modulus, arch.operations)
    normed, back_norm1 = layers.normalise("0.norm1", distinct)
    inputs, back_in = layers.linear("0.attention.in", normed)
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
    state, back_norm = layers.normalise("norm", x)
    logits, back_read_out = layers.linear("unembedding", state)

    # And back.
    dx = back_norm(back_read_out(cross_entropy_gradient(logits, batch.answers, batch.weights)))
    for back_block in reversed(back_blocks):
        dx, dquery, dkey, dvalue = back_block(dx)
        if back_inputs:  # of every layer but the first
            dx = back_inputs.pop()(dx, dquery, dkey, dvalue)
    dinputs = torch.cat([back_to_inputs(dquery), back_to_inputs(torch.cat([dkey, dvalue], -1))], -1)
    back_distinct(back_to_inputs(dx) + back_norm1(back_in(dinputs)))
    return torch.cat([layers.gradient(name).to(flat.dtype).flatten(1) for name in network.shapes()], 1)


class Layers:
    """Layers with parameters, which gather these parameters' gradients on the way back.

    Args:
        parameters: of a stack, name → [E, *shape].
        dtype: of the matrix products.
    """

    def __init__(self, parameters: Parameters, dtype: torch.dtype) -> None:
        self.parameters = parameters
        self.dtype = dtype
        self.gradients: dict[str, list[Tensor]] = {}
        """Name → the gradient, in parts side by side."""

    def gradient(self, name: str) -> Tensor:
        """Of one parameter, once all is gone back through: [E, …]."""
        parts = self.gradients[name]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def _note(self, name: str, gradient: Tensor) -> None:
        self.gradients.setdefault(name, []).append(gradient)

    def linear(self, name: str, x: Tensor, columns: slice = slice(None)) -> tuple[Tensor, Back]:
        """y = x W + b of x [E, …, i], or some columns of it. dW = xᵀ dy, db = Σ dy, dx = dy Wᵀ."""
        weight = self.parameters[f"{name}.weight"][..., columns].to(self.dtype)
        bias = self.parameters[f"{name}.bias"][:, None, columns].to(self.dtype)
        rows = x.flatten(1, -2).to(self.dtype)

        def back(dy: Tensor) -> Tensor:
            drows = dy.flatten(1, -2).to(self.dtype)
            self._note(f"{name}.weight", matrix_product(rows.transpose(1, 2), drows))
            self._note(f"{name}.bias", sum_of_rows(drows))
            return matrix_product(drows, weight.transpose(1, 2)).view(x.shape)

        return (matrix_product(rows, weight) + bias).view(*x.shape[:-1], -1), back

    def normalise(self, name: str, x: Tensor) -> tuple[Tensor, Back]:
        """LayerNorm, y = h g + b with h = (x − mean) / σ. dx = (dh − mean dh − h mean(dh h)) / σ with dh = dy g."""
        between = [1] * (x.dim() - 2)
        gain = self.parameters[f"{name}.gain"].view(len(x), *between, -1)
        bias = self.parameters[f"{name}.bias"].view(len(x), *between, -1)
        centred = x - x.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + NORM_EPSILON).rsqrt()
        h = centred * scale

        def back(dy: Tensor) -> Tensor:
            dy = dy.to(h.dtype)
            self._note(f"{name}.gain", sum_of_rows((dy * h).flatten(1, -2)))
            self._note(f"{name}.bias", sum_of_rows(dy.flatten(1, -2)))
            dh = dy * gain
            return (dh - dh.mean(-1, keepdim=True) - h * (dh * h).mean(-1, keepdim=True)) * scale

        return h * gain + bias, back

    def embed(self, modulus: int, operations: int) -> tuple[Tensor, Back]:
        """The stream before the first block for each distinct (token, position), [E, distinct, d]."""
        numbers, symbols, equals = self.parameters["embedding"].tensor_split([modulus, modulus + operations], 1)
        tokens = (numbers, symbols, numbers, equals)
        ends = [modulus, modulus + operations, 2 * modulus + operations]

        def back(dy: Tensor) -> Tensor:
            first, operation, second, last = places = dy.tensor_split(ends, 1)
            self._note("embedding", torch.cat([first + second, operation, last], 1))
            self._note("position", torch.cat([sum_of_rows(place) for place in places], 1))
            return dy

        positions = self.parameters["position"].chunk(POSITIONS, 1)
        return torch.cat([token + own for token, own in zip(tokens, positions, strict=True)], 1), back

    def attention_input(
        self, layer: int, x: Tensor, last: bool
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]]:
        """Queries, keys and values of a stream [E, 4, B, d]; in the last layer the query of the answer's position.

        The way back takes the stream's own gradient too, and adds to it.
        """
        d, name = x.shape[-1], f"{layer}.attention.in"
        normed, back_norm = self.normalise(f"{layer}.norm1", x)
        read = normed[:, -1:] if last else normed
        query, back_query = self.linear(name, read, slice(0, d))
        keys_values, back_keys_values = self.linear(name, normed, slice(d, 3 * d))
        key, value = keys_values.chunk(2, -1)

        def back(dx: Tensor, dquery: Tensor, dkey: Tensor, dvalue: Tensor) -> Tensor:
            dread = back_query(dquery)  # before the keys': its columns come first
            dnormed = back_keys_values(torch.cat([dkey, dvalue], -1))
            return at_all_places(dx) + back_norm(dnormed + at_all_places(dread))

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
        normed, back_norm = self.normalise(f"{layer}.norm2", x)
        hidden, back_hidden = self.linear(f"{layer}.mlp.in", normed)
        active, back_active = gelu(hidden)
        made, back_made = self.linear(f"{layer}.mlp.out", active)

        def back(dx: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            dx = dx + back_norm(back_hidden(back_active(back_made(dx))))
            return dx, *back_attend(back_out(dx))

        return x + made, back


def selection(modulus: int, operations: int, questions: Tensor) -> tuple[Back, Back]:
    """From what is computed for each distinct input [E, distinct, c] to the questions' places [E, 4, B, c], and back.

    Forward by index. Back rows are added up by a product with a one-hot matrix, which is deterministic on every device.
    """
    members, batch = questions.shape[:2]
    counts = [modulus, operations, modulus]
    starts = torch.tensor([0, modulus, modulus + operations], device=questions.device)
    last = questions.new_full((members, 1, batch), sum(counts))
    rows = torch.cat([(questions + starts).transpose(1, 2), last], 1)
    rows = rows + (sum(counts) + 1) * torch.arange(members, device=questions.device)[:, None, None]

    def to_places(inputs: Tensor) -> Tensor:
        return inputs.flatten(0, 1)[rows]

    def back_to_inputs(dy: Tensor) -> Tensor:
        """Of dy [E, P, B, c], at the last P places; nothing comes from the others."""
        absent = POSITIONS - dy.shape[1]
        found = [dy.new_zeros(members, count, dy.shape[-1]) for count in counts[:absent]]
        for place in range(absent, POSITIONS - 1):
            numbered = torch.arange(counts[place], device=questions.device)[:, None]
            one_hot = (questions[:, None, :, place] == numbered).to(dy.dtype)  # [E, count, B]
            found.append(matrix_product(one_hot, dy[:, place - absent]))
        return torch.cat([*found, sum_of_rows(dy[:, -1])], 1)

    return to_places, back_to_inputs


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]]:
    """Softmax attention of query [E, Q, B, d] to key and value [E, 4, B, d] → [E, Q, B, d], elementwise.

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

    def back(dy: Tensor) -> Tensor:
        precise = x.to(torch.promote_types(x.dtype, torch.float32))
        cumulative, density = normal_distribution(precise)
        return (dy * (cumulative + precise * density)).to(x.dtype)

    return F.gelu(x), back


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


def sum_of_rows(dy: Tensor) -> Tensor:
    """[E, n, c] → [E, 1, c], as a product with a row of ones."""
    return matrix_product(dy.new_ones(len(dy), 1, dy.shape[1]), dy)


def at_all_places(dy: Tensor) -> Tensor:
    """A gradient [E, P, B, d] at the last P places as one at all four."""
    return F.pad(dy, (0, 0, 0, 0, POSITIONS - dy.shape[1], 0))
