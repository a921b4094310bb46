"""A stored result as one that was trained, without the training."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from epistemics.declared.runs import configuration_key
from epistemics.lab.status import current_seals
from epistemics.science.configuration import Configuration
from epistemics.science.grokking import first_touch, grokking_step
from epistemics.science.measures import measure_abliteration, measure_geometry, measure_noise
from epistemics.science.network import initial_parameters
from epistemics.store.record import Arrays, Part, Result

PROVENANCE: dict[str, Any] = {
    "device": "A <processor>", "threads": 1, "precision": "float32", "compiled": False,
    "subnormals": "flushed to zero", "stack": 1, "versions": {"torch": "2.13.0"}, "commit": "0123abc+changes",
    "date": "2026-01-02T03:04:05+00:00", "seconds": 1234.5, "resumed": 2,
}  # fmt: skip


def result(configuration: Configuration, weights: bool = False) -> Result:
    """Of 12,000 steps, measured at two moments, by the present code."""
    seals = current_seals(configuration)
    step = {"train_loss": 2.5, "validation_loss": 2.5, "digest": "aa"}
    steps = np.array([0, 20, 40, 8_000, 12_000])
    history = {
        f"history.{name}_{what}": np.ones(5, np.float32)
        for name in ("train", "validation")
        for what in ("loss", "accuracy")
    }
    measures = {"geometry": ("mean_share", "spectrum"), "abliteration": ("about_mean",), "noise": ("gradient_small",)}
    training = Part(
        code=seals["training"].code,
        definitions=seals["training"].definitions,
        canary={"steps": [{"step": 1, **step}, {"step": 16, **step}]},
        provenance={"seeds": [configuration.seed], **PROVENANCE},
        metrics={
            "final_step": 12_000, "grokking_step": None, "first_touch": 20, "train_accuracy": 1.0,
            "validation_accuracy": 0.5, "moments": [20, 40],
        },
        arrays={"history.step": steps, **history},
        weights={"parameters": np.zeros(6, np.float32)} if weights else {},
    )  # fmt: skip
    parts = {"training": training}
    for family, names in measures.items():
        own = [f"{operation}.{name}" for operation in configuration.operations for name in names]
        parts[family] = Part(
            code=seals[family].code,
            definitions=seals[family].definitions,
            canary={name: {"norm": 0.5, "digest": "bb"} for name in own},
            provenance={"seconds": 2.3},
            arrays={name: np.ones((2, 3), np.float32) for name in own},
        )
    as_json = json.loads(json.dumps(dataclasses.asdict(configuration)))
    return Result(key=configuration_key(configuration), configuration=as_json, parts=parts)


def learned(configuration: Configuration, accuracies: Sequence[float | None], weights: bool = False) -> Result:
    """Of a run with these validation accuracies, one an evaluation; from one on it stays at the last. None diverges.

    Measured is a model with random parameters. Where accuracy was high, its curves of accuracy start as high.
    """
    c = configuration
    steps = np.arange(0, c.steps + 1, c.evaluate_every)
    diverged = None in accuracies
    if diverged:
        steps = steps[: accuracies.index(None) + 1]
    numbers = [0.1 if accuracy is None else accuracy for accuracy in accuracies]
    validation = np.array([numbers[min(index, len(numbers) - 1)] for index in range(len(steps))], np.float32)
    settled = (steps.tolist(), validation.tolist(), c.grokking_accuracy)
    grokked = grokking_step(*settled, c.grokking_evaluations)
    wanted = {*range(0, c.steps + 1, c.measure_every or c.steps + 1)} - {0} | {int(steps[-1])}
    wanted |= set() if grokked is None else {grokked + after for after in c.measure_after_grokking}
    moments = sorted(wanted & set(steps.tolist()))
    metrics = {
        "grokking_step": grokked, "first_touch": first_touch(*settled), "final_step": int(steps[-1]),
        "train_accuracy": 1.0, "validation_accuracy": float(validation[-1]), "moments": moments,
        **({"diverged": int(steps[-1])} if diverged else {}),
    }  # fmt: skip
    history = {
        "step": steps, "train_loss": np.exp(-steps / c.steps), "validation_loss": 1 - validation,
        "train_accuracy": np.minimum(1, 2 * steps / c.steps), "validation_accuracy": validation,
    }  # fmt: skip
    if diverged:
        history["train_loss"][-1] = history["validation_loss"][-1] = np.nan
    at = [float(validation[step // c.evaluate_every]) for step in moments]
    made = result(configuration)
    training, *_ = made.parts.values()
    parts = {
        "training": msgspec.structs.replace(
            training,
            metrics=metrics,
            arrays={f"history.{n}": v if n == "step" else np.float32(v) for n, v in history.items()},
            weights={"parameters": initial_parameters(c.architecture, c.seed, c.embedding_scale).float().numpy()}
            if weights
            else {},
        )
    }
    for family, measures in _of_random_parameters(_alike(c)).items():
        measured = {
            f"{operation}.{name}": np.stack([_raised(name, values, accuracy) for accuracy in at]).astype(np.float32)
            for operation, own in measures.items()
            for name, values in vars(own).items()
            if values is not None
        }
        for values in measured.values() if diverged else ():
            values[-1] = np.nan
        canary = {name: {"norm": 0.5, "digest": "bb"} for name in measured}
        parts[family] = msgspec.structs.replace(made.parts[family], canary=canary, arrays=measured)
    return msgspec.structs.replace(made, parts=parts)


def _alike(c: Configuration) -> Configuration:
    """A configuration whose measures have the same shapes, one for many."""
    return dataclasses.replace(
        c, layers=1, seed=c.seed % 2, train_fraction=0.5, batch_size=1, steps=1, evaluate_every=1, measure_every=0,
        measure_after_grokking=(), weight_decay=1.0, learning_rate=1.0, shuffled_answers=False, adversarial_weight=0.0,
        precision="float32", embedding_scale=1.0, stop_after_grokking=None, grokking_evaluations=0,
        adversarial_directions=1, adversarial_from=0, grokking_accuracy=1.0,
    )  # fmt: skip


@cache
def _of_random_parameters(configuration: Configuration) -> Mapping[str, Mapping[str, Any]]:
    """Family → operation → its measures."""
    c = configuration
    parameters = initial_parameters(c.architecture, c.seed, c.embedding_scale).to(torch.float32)
    return {
        "geometry": measure_geometry(c, parameters),
        "abliteration": measure_abliteration(c, parameters),
        "noise": measure_noise(c, parameters),
    }


def _raised(name: str, values: Any, accuracy: float) -> Any:
    if name == "validation_accuracy":
        return np.asarray(accuracy)
    if name.endswith(("about_mean", "about_zero")):
        return np.clip(values - values[0] + accuracy, 0, 1)
    return np.asarray(values)


def made_up(key: str, metrics: dict[str, Any], arrays: Arrays) -> Result:
    """A result that no store has, for what is computed of its numbers."""
    part = Part(code="", definitions={}, canary={}, provenance={}, metrics=metrics, arrays=arrays)
    return Result(key=key, configuration={}, parts={"training": part})


def resealed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a record and give it the checksum of what it says then."""
    record = json.loads(path.read_text())
    change(record)
    before, _, after = (json.dumps(record | {"checksum": ""}, indent=1) + "\n").rpartition('""')
    path.write_text(f'{before}"{hashlib.sha256((before + after).encode()).hexdigest()}"{after}')
