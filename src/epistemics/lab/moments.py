"""The parameters of the moments that were measured, kept by their content, so that a new measure needs no training.

They lie in one folder, ``.workspace/moments`` unless EPISTEMICS_MOMENTS names another, which may lie outside the
project, on a larger disk or one that several share. A file is named by a digest of the parameters, and a result lists
the digests of its own, so a file serves whichever results have these parameters, and one that does not hold what its
name says is not used. The folder can be deleted at any time: what is lost is trained again when it is needed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from epistemics.lab.parts import TRAINING
from epistemics.store.record import Result
from epistemics.study import configuration_from_json, fits_float32


class Moments:
    """The parameters kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, parameters: torch.Tensor) -> str:
        """Keep parameters [N]; returns their digest."""
        digest = digest_of(parameters)
        path = self._path(digest)
        if self.get(digest) is None:  # or damaged
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
            save_file({"parameters": parameters.contiguous()}, temporary)
            os.replace(temporary, path)
        return digest

    def get(self, digest: str) -> torch.Tensor | None:
        """Kept parameters; None if they are not there, or are not what they were."""
        try:
            with safe_open(self._path(digest), framework="pt") as file:
                parameters: torch.Tensor = file.get_tensor("parameters")
        except (OSError, SafetensorError):
            return None
        return parameters if digest_of(parameters) == digest else None

    def hold(self, digests: Iterable[str]) -> bool:
        """Whether all of these are there, without a look at what they hold."""
        return all(self._path(digest).is_file() for digest in digests)

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.safetensors"


def parameters_at_hand(result: Result, moments: Moments) -> dict[int, torch.Tensor] | None:
    """Step → parameters at every moment of a stored result; None if any are not at hand.

    Those at the end may also be stored with it, in float32.
    """
    part, configuration = result.parts[TRAINING], configuration_from_json(result.configuration)
    steps = part.metrics["moments"]
    found = {step: moments.get(digest) for step, digest in zip(steps, part.metrics.get("parameters", ()), strict=False)}
    if found.get(steps[-1]) is None and "parameters" in part.weights and fits_float32(configuration):
        found[steps[-1]] = torch.from_numpy(part.weights["parameters"])
    at_hand = {step: parameters for step, parameters in found.items() if parameters is not None}
    return at_hand if len(at_hand) == len(steps) else None


def digest_of(parameters: torch.Tensor) -> str:
    """32 hexadecimal digits of the type and the bits of parameters [N]."""
    bits = parameters.contiguous().view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(str(parameters.dtype).encode() + bits).hexdigest()[:32]
