"""The noise scale against the gradients of single questions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from epistemics.science import noise
from epistemics.science.configuration import Configuration
from epistemics.science.network import initial_parameters, network_of
from epistemics.science.noise import LARGE, SMALL, noise_scale, squared_gradients
from epistemics.science.tasks import table
from epistemics.science.training import Batch, batch_loss


def test_the_scale_is_that_of_the_gradient_and_the_noise_that_made_the_two_norms() -> None:
    signal, trace = 3.0, 120.0
    small, large = (signal + trace / size for size in (SMALL, LARGE))
    assert noise_scale(small, large) == pytest.approx(trace / signal)
    assert noise_scale(small=1.0, large=1.0) == 0
    assert noise_scale(small=8.0, large=0.5) == float("inf")


def test_the_scale_is_found_from_batches(
    configuration: Callable[..., Configuration], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against tr Σ and |G|² from the gradient of every single question."""
    c = configuration(precision="float64")
    questions = table(c.modulus, c.operations)
    parameters = initial_parameters(c.architecture, c.seed, embedding_scale=1.0).double()
    one = torch.ones(1, 1, dtype=torch.float64)
    single = torch.stack(
        [
            torch.func.grad(batch_loss)(
                parameters[None],
                Batch(torch.from_numpy(row)[None, None], torch.tensor([[answer]]), one),
                network_of(c.architecture),
                c.precision,
            )[0]
            for row, answer in zip(questions.questions, questions.answers, strict=True)
        ]
    ).numpy()
    mean = single.mean(0)
    trace = (single**2).sum(1).mean() - mean @ mean
    monkeypatch.setattr(noise, "DRAWS", 300)
    found = {
        size: squared_gradients(c, parameters, questions.questions, questions.answers, size) for size in (SMALL, LARGE)
    }
    for size, square in found.items():
        assert square == pytest.approx(mean @ mean + trace / size, rel=0.05)
    assert noise_scale(found[SMALL], found[LARGE]) == pytest.approx(trace / (mean @ mean), rel=0.15)
    assert np.isfinite(trace)
