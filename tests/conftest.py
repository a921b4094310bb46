"""What the tests share: small configurations that differ from one default by what a test is about."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from epistemics.configuration import Configuration


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def configuration() -> Callable[..., Configuration]:
    """A configuration that trains in a second; keyword arguments override."""

    def make(**changes: object) -> Configuration:
        values: dict[str, object] = {
            "operations": ("add",),
            "modulus": 11,
            "layers": 2,
            "d_model": 16,
            "heads": 4,
            "train_fraction": 0.6,
            "batch_size": 24,
            "learning_rate": 1e-3,
            "weight_decay": 1.0,
            "beta1": 0.9,
            "beta2": 0.98,
            "steps": 40,
            "stop_after_grokking": None,
            "evaluate_every": 10,
            "grokking_accuracy": 0.95,
            "grokking_evaluations": 5,
            "measure_every": 20,
            "measure_after_grokking": (0,),
            "precision": "float32",
            "compiled": False,
            "seed": 0,
        }
        return Configuration(**(values | changes))  # type: ignore[arg-type]

    return make
