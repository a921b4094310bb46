"""Runs that begin where another ends: its parameters, and whether these are still what they were.

A run that others continue keeps its parameters in the store. What a run began with is part of its provenance; if the
other run has since been made again and ended elsewhere, the one that continued it is stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epistemics.lab.parts import TRAINING
from epistemics.store.record import DamagedResult, UnknownFormat
from epistemics.store.store import MissingResult, Store
from epistemics.study import Configuration, continued

if TYPE_CHECKING:
    import torch  # takes seconds, and `status` asks only for digests


class NothingToContinue(LookupError):
    """The run that another continues is not stored with its parameters; the message names it."""


@dataclass(frozen=True)
class Beginning:
    """What a run begins with."""

    parameters: torch.Tensor
    """[N], float32."""
    provenance: dict[str, str]
    """The key of the run that it continues, and the digest of the file of its parameters."""


def beginning_of(configuration: Configuration, store: Store) -> Beginning | None:
    """What a run begins with; None if its parameters are drawn.

    Raises:
        NothingToContinue: if the run that it continues is not stored with its parameters.
    """
    if not (key := continued(configuration)):
        return None
    import torch

    digest = _kept(key, store)
    if digest is None:
        raise NothingToContinue(f"it continues {key}, which is not stored with its parameters")
    return Beginning(torch.from_numpy(store.read(key).weights["parameters"]), {"key": key, "sha256": digest})


def began_elsewhere(configuration: Configuration, provenance: Mapping[str, Any], store: Store) -> bool:
    """Whether a stored run began with other parameters than the run that it continues has now, as far as is known."""
    if not (key := continued(configuration)):
        return False
    digest = _kept(key, store)
    return digest is not None and provenance.get("began") != {"key": key, "sha256": digest}


def _kept(key: str, store: Store) -> str | None:
    """Digest of the file of a run's parameters at its end; None if it is not stored with them."""
    try:
        record = store.record(key)
    except (MissingResult, DamagedResult, UnknownFormat):
        return None
    weights = record.parts[TRAINING].files.weights if TRAINING in record.parts else None
    return weights.sha256 if weights else None
