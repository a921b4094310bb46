"""The parameters of the moments that were measured, kept by their content, so that a new measure needs no training.

They lie in one folder, ``.workspace/moments`` unless EPISTEMICS_MOMENTS names another, which may lie outside the
project, on a larger disk or one that several share. A file is named by a digest of the parameters, and a result lists
the digests of its own, so a file serves whichever results have these parameters, and one that does not hold what its
name says is not used. The folder can be deleted at any time: what is lost is trained again when it is needed.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from epistemics.declared.project import MOMENTS_VARIABLE
from epistemics.declared.sections import SpecificationError
from epistemics.lab.parts import TRAINING, moments_of
from epistemics.store.files import write_atomically
from epistemics.store.record import Made, Record, Result
from epistemics.study import configuration_from_json, fits_float32

if TYPE_CHECKING:
    import torch  # takes seconds, and `status` asks only what is there


class Moments:
    """The parameters kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, parameters: torch.Tensor) -> str:
        """Keep parameters [N]; returns their digest."""
        from safetensors.torch import save

        digest = digest_of(parameters)
        path = self._path(digest)
        if self.get(digest) is None:  # or damaged
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, save({"parameters": parameters.contiguous()}))
        return digest

    def get(self, digest: str) -> torch.Tensor | None:
        """Kept parameters; None if they are not there, or are not what they were."""
        try:
            with safe_open(self._path(digest), framework="pt") as file:
                parameters: torch.Tensor = file.get_tensor("parameters")
        except (OSError, SafetensorError):
            return None
        return parameters if digest_of(parameters) == digest else None

    def require(self) -> None:
        """See that the folder can be written to.

        Raises:
            SpecificationError: if not.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            said = f"{self.folder}, where parameters of moments are kept ({MOMENTS_VARIABLE} names another place)"
            raise SpecificationError(f"{said}: {error.strerror}") from error

    def holds(self, digest: str) -> bool:
        """Whether there is a file of these, without a look at what it holds."""
        return self._path(digest).is_file()

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.safetensors"


def parameters_at_hand(result: Result, moments: Moments, families: Collection[str]) -> dict[int, torch.Tensor] | None:
    """Step → parameters at every moment of a stored result at which any of the families is measured, the end at least;
    None if any are not at hand.

    Those at the end may also be stored with it, in float32.
    """
    import torch

    part = result.parts[TRAINING]
    digests = _digests(part, families)
    found = {step: moments.get(digest) if digest else None for step, digest in digests.items()}
    last = part.metrics["final_step"]
    fits = fits_float32(configuration_from_json(result.configuration))
    if found.get(last) is None and fits and "parameters" in part.weights:
        found[last] = torch.from_numpy(part.weights["parameters"])
    at_hand = {step: parameters for step, parameters in found.items() if parameters is not None}
    return at_hand if len(at_hand) == len(digests) else None


def are_at_hand(record: Record, moments: Moments, families: Collection[str]) -> bool:
    """Whether the files of ``parameters_at_hand`` are there, without a look at what they hold."""
    part = record.parts[TRAINING]
    needed = _digests(part, families)
    if part.files.weights and fits_float32(configuration_from_json(record.configuration)):
        needed.pop(part.metrics["final_step"], None)
    return all(digest is not None and moments.holds(digest) for digest in needed.values())


def _digests(part: Made, families: Collection[str]) -> dict[int, str | None]:
    """Step of every moment at which any of the families is measured → digest of its parameters, if it is listed."""
    steps = part.metrics["moments"]
    digests = dict(zip(steps, part.metrics.get("parameters", [None] * len(steps)), strict=True))
    return {step: digests[step] for step in moments_of(families, steps)}


def digest_of(parameters: torch.Tensor) -> str:
    """32 hexadecimal digits of the type and the bits of parameters [N]."""
    import torch

    bits = parameters.contiguous().view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(str(parameters.dtype).encode() + bits).hexdigest()[:32]
