"""A stored result as one that was trained, without the training."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from epistemics.declared.experiments import configuration_key
from epistemics.lab.status import current_seals
from epistemics.science.configuration import Configuration
from epistemics.store.record import Arrays, Part, Result

PROVENANCE: dict[str, Any] = {
    "device": "A <processor>", "threads": 1, "precision": "float32", "compiled": False,
    "subnormals": "flushed to zero", "stack": 1, "versions": {"torch": "2.13.0"}, "commit": "0123abc+changes",
    "date": "2026-01-02T03:04:05+00:00", "seconds": 1234.5, "resumed": 2,
}  # fmt: skip


def result(configuration: Configuration, weights: bool = False) -> Result:
    """Of 12,000 steps, measured at two moments, by the present code."""
    seals = current_seals()
    step = {"train_loss": 2.5, "validation_loss": 2.5, "digest": "aa"}
    steps = np.array([0, 20, 40, 8_000, 12_000])
    history = {
        f"history.{name}_{what}": np.ones(5, np.float32)
        for name in ("train", "validation")
        for what in ("loss", "accuracy")
    }
    measures = [f"{operation}.{name}" for operation in configuration.operations for name in ("mean_share", "spectrum")]
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
    measured = Part(
        code=seals["measures"].code,
        definitions=seals["measures"].definitions,
        canary={name: {"norm": 0.5, "digest": "bb"} for name in measures},
        provenance={"seconds": 6.7},
        arrays={name: np.ones((2, 3), np.float32) for name in measures},
    )
    as_json = json.loads(json.dumps(dataclasses.asdict(configuration)))
    return Result(
        key=configuration_key(configuration), configuration=as_json, parts={"training": training, "measures": measured}
    )


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
