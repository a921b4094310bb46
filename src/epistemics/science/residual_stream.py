"""The residual stream of one model, open between its blocks: what is left of accuracy when it is cut there.

The blocks of ``transformer`` joined the plain way, one addition to the stream after the other and every position of
every layer; slower, and the same to rounding. A cut is that of ``abliteration``, made at one place of the stream, and
the rest of the model computes with what is left (the stream: Elhage et al. 2021,
transformer-circuits.pub/2021/framework).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from epistemics.science.configuration import Configuration
from epistemics.science.geometry import Array, class_directions
from epistemics.science.network import Parameters, named_parameters, normalise
from epistemics.science.tasks import table_of, training_rows
from epistemics.science.transformer import after_attention, after_feed_forward, attention_input

SAMPLE = 1000
"""Validation questions of which accuracy is taken, at most; drawn by the seed."""

Block = Callable[[Tensor], Tensor]
"""What comes next in the stream: [n, S, d] → [n, S, d], of S positions."""


def embedded(configuration: Configuration, parameters: Tensor, questions: NDArray[np.int64]) -> Tensor:
    """The stream before the first block, [n, S, d], of questions [n, S − 1]; the answer's position is the last."""
    arch, w = configuration.architecture, _of_member(configuration, parameters)
    starts = np.cumsum([0, *arch.tokens])[list(arch.kinds)]
    tokens = np.column_stack([questions, np.zeros(len(questions), np.int64)]) + starts
    return w["embedding"][0][torch.from_numpy(tokens)] + w["position"][0]


def blocks(configuration: Configuration, parameters: Tensor) -> list[tuple[str, Block]]:
    """What is added to the stream, in order, and the last LayerNorm; each named for the place that follows it."""
    c, w = configuration, _of_member(configuration, parameters)

    def attention(layer: int) -> Block:
        def add(x: Tensor) -> Tensor:
            query, keys_values = attention_input(w, layer, x[None], x.dtype).tensor_split([c.d_model], -1)
            return after_attention(w, layer, x[None], query, keys_values, c.heads, x.dtype)[0]

        return add

    def feed_forward(layer: int) -> Block:
        def add(x: Tensor) -> Tensor:
            return after_feed_forward(w, layer, x[None], x.dtype)[0]

        return add

    def norm(x: Tensor) -> Tensor:
        return normalise(x[None], w["norm.gain"], w["norm.bias"])[0]

    inner = [
        (f"after {kind} {layer + 1}", block(layer))
        for layer in range(c.layers)
        for kind, block in (("attention", attention), ("feed-forward", feed_forward))
    ]
    return [*inner, ("final state", norm)]


def accuracy_by_place(
    configuration: Configuration, parameters: Tensor, removed: Sequence[int], everywhere: bool = False
) -> dict[str, Array]:
    """Place → validation accuracy after k directions are cut there about the mean, for every k of ``removed``.

    At each place the directions are those of the stream at the answer's position there.

    Args:
        configuration: of a model of one operation.
        parameters: [N] of one member, on the CPU.
        removed: how many directions; more than there are count as all.
        everywhere: cut the same directions at all positions, each about its own mean, and not at the answer's
            alone. From the last attention on nothing reads the others, and these places are left out.
    """
    c = configuration
    questions = table_of(c)
    held_out = np.flatnonzero(~training_rows(questions, c.train_fraction, c.seed))
    sample = np.random.default_rng([c.seed, 5]).permutation(held_out)[:SAMPLE]
    answers = torch.from_numpy(questions.answers[sample])
    curves = {}
    with torch.no_grad():
        stream = embedded(c, parameters, questions.questions)
        left = blocks(c, parameters)
        for place, block in list(left):
            stream = torch.cat([block(part) for part in stream.split(1024)])  # type: ignore[no-untyped-call]
            left = left[1:]
            if place == f"after attention {c.layers}":
                stream = stream[:, -1:]
            if everywhere and stream.shape[1] == 1:
                break
            states = stream[:, -1].double().numpy()
            found, _ = class_directions(states, questions.answers, c.architecture.answers)
            directions = torch.from_numpy(found).to(stream.dtype)
            kept = 0 if everywhere else stream.shape[1] - 1
            centred = (stream - stream.mean(0))[torch.from_numpy(sample), kept:]
            curve = []
            for k in removed:
                cut = stream[torch.from_numpy(sample)].clone()
                cut[:, kept:] -= centred @ directions[:k].T @ directions[:k]
                curve.append(_accuracy(c, parameters, cut, left, answers))
            curves[place] = np.asarray(curve)
    return curves


def _accuracy(
    configuration: Configuration, parameters: Tensor, stream: Tensor, left: list[tuple[str, Block]], answers: Tensor
) -> float:
    """Accuracy of what the blocks that are left make of a stream."""
    for _, block in left:
        stream = block(stream)
    w = _of_member(configuration, parameters)
    logits = stream[:, -1] @ w["unembedding.weight"][0] + w["unembedding.bias"][0]
    return float((logits.argmax(-1) == answers).float().mean())


def _of_member(configuration: Configuration, parameters: Tensor) -> Parameters:
    return named_parameters(configuration.architecture, parameters[None])
