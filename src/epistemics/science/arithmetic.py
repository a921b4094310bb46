"""What training costs in arithmetic: the floating-point operations of its matrix products, counted. Needs no torch."""

from __future__ import annotations

from epistemics.science.configuration import Configuration
from epistemics.science.operations import question_count


def step_operations(configuration: Configuration) -> float:
    """Floating-point operations of one training step of one member, in matrix products, without the penalty's.

    They are a transformer's. Another network is taken for one: a guess, of which nothing but estimates of time is made.

    A product of [n, i] by [i, o] takes 2·n·i·o. A linear layer of n rows takes it three times: forward, for its
    inputs' gradient and for its weight's. Rows of the first layer (the residual stream, queries, keys and values) are
    selected, and added up again in the gradient, by a product with a one-hot matrix.
    """
    arch, batch = configuration.architecture, configuration.batch_size
    d, everywhere = arch.d_model, len(arch.kinds) * batch
    linear = [(arch.distinct_inputs, d, 3 * d), (batch, d, arch.answers)]  # rows, inputs, outputs
    for layer in range(arch.layers):
        rows = batch if layer == arch.layers - 1 else everywhere
        linear += [(rows, d, d), (rows, d, 4 * d), (rows, 4 * d, d)]
        if layer > 0:
            linear += [(everywhere, d, 2 * d), (rows, d, d)]
    one_hot = sum(arch.tokens[kind] for kind in arch.kinds if arch.tokens[kind] > 1)
    selected = 2 * one_hot * batch * 4 * d
    return 2.0 * (sum(3 * n * i * o for n, i, o in linear) + selected)


def training_operations(configuration: Configuration, steps: int, evaluations: int) -> float:
    """Floating-point operations of some steps and evaluations. An evaluation is a forward pass over all questions."""
    c = configuration
    asked = 1 if c.flag == "none" else 2
    questions = asked * sum(question_count(operation, c.modulus) for operation in c.operations)
    return (steps + evaluations * questions / c.batch_size / 3) * step_operations(c)
