"""Runs that begin where another ends: its parameters, and whether these are still what they were.

A run that others continue keeps its parameters in the store. What a run began with is part of its provenance; if the
other run has since been made again and ended elsewhere, the one that continued it is stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epistemics.lab.parts import TRAINING
from epistemics.store.record import DamagedResult, Made, UnknownFormat
from epistemics.store.store import MissingResult, Store, packed
from epistemics.study import Configuration, continued

if TYPE_CHECKING:
    import torch  # takes seconds, and `status` asks only for digests

BEGAN_ELSEWHERE = "the run that it continues has been made again since, and ended with other parameters"


class NothingToContinue(LookupError):
    """The run that another continues is not stored with its parameters; the message names it."""


@dataclass(frozen=True)
class Beginning:
    """What a run begins with."""

    parameters: torch.Tensor
    """[N], float32."""
    provenance: dict[str, str]
    """The key of the run that it continues, and the digest of its parameters at its end."""


def beginning_of(configuration: Configuration, store: Store) -> Beginning | None:
    """What a run begins with; None if its parameters are drawn.

    Raises:
        NothingToContinue: if the run that it continues is not stored with its parameters, or is damaged.
    """
    if not (key := continued(configuration)):
        return None
    import torch

    try:
        part = store.read(key).parts[TRAINING]
    except (MissingResult, UnknownFormat, DamagedResult, KeyError):
        part = None
    if part is None or "parameters" not in part.weights:
        raise NothingToContinue(f"it continues {key}, which is not stored with its parameters")
    digest = _ended_with(part) or hashlib.sha256(packed(part.weights)).hexdigest()
    return Beginning(torch.from_numpy(part.weights["parameters"]), {"key": key, "digest": digest})


def began_elsewhere(configuration: Configuration, provenance: Mapping[str, Any], store: Store) -> bool:
    """Whether a stored run began with other parameters than the run that it continues has now, as far as is known."""
    if not (key := continued(configuration)):
        return False
    try:
        part = store.record(key).parts[TRAINING]
    except (MissingResult, UnknownFormat, DamagedResult, KeyError):
        return False
    weights = part.files.weights
    digest = _ended_with(part) or (weights.sha256 if weights else None)
    return digest is not None and provenance.get("began") != {"key": key, "digest": digest}


def _ended_with(part: Made) -> str | None:
    """The digest of a training's parameters at its end; None of one that was stored before there were any."""
    digests: list[str | None] = part.metrics.get("parameters") or [None]
    return digests[-1]
