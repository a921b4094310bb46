"""A result's canary: what its configuration's first steps give, to be given again by code that claims to be the same.

Losses and a digest of all parameters after 1, 2, 4, 8 and 16 steps speak for the training, the measures of the last of
them for each family of measures. It costs seconds, and its steps are those of the real training; a penalty that sets in
late is brought forward, or it would not be seen. Equal digests prove equal arithmetic on one device with the same
versions; elsewhere losses may differ by the rounding that ``study.tolerance`` allows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from epistemics.lab.parts import TRAINING, function_of, parts_of
from epistemics.lab.provenance import provenance_of
from epistemics.lab.status import current_code
from epistemics.study import LOSSES, PARTS, SETTINGS, Configuration, configuration_from_json, in_short, tolerance

STEPS = (1, 2, 4, 8, 16)

Canary = dict[str, dict[str, Any]]
"""Part of a result → its canary: ``steps``, or the name of a measure → its norm and digest."""


def canary_of(configuration: Configuration, device: str = "cpu", of: Iterable[str] = PARTS) -> Canary:
    """The canary of a configuration's training and of these parts under the present code: plain values, for JSON."""
    c = in_short(configuration, STEPS[-1])
    torch.compiler.reset()  # what is compiled for many configurations in one process meets a limit
    steps, moments = [], []
    for evaluation in function_of(TRAINING)([c], device):
        state, history = evaluation.state, evaluation.state.histories[0]
        moments += evaluation.moments
        if state.step in STEPS:
            losses = {name: _number(getattr(history, name)[-1]) for name in LOSSES}
            steps.append({"step": state.step, **losses, "digest": _digest(state.flat.cpu().numpy())})
    canary: Canary = {TRAINING: {"steps": steps}}
    for family in of:
        if family == TRAINING:
            continue
        diverged = not math.isfinite(getattr(history, LOSSES[0])[-1])
        values = measured(family, c, moments[-1].parameters, diverged)
        canary[family] = {
            name: {"norm": _number(float(np.sqrt((value**2).sum()))), "digest": _digest(value)}
            for name, value in values.items()
        }
    return canary


def _number(value: float) -> float | None:
    """None for what is no number, which JSON does not know."""
    return value if math.isfinite(value) else None


def measured(
    family: str, configuration: Configuration, parameters: torch.Tensor, diverged: bool
) -> dict[str, NDArray[np.float64]]:
    """What one family of measures gives for one moment's parameters [N], by name: ``add.about_mean``.

    Of a run that has diverged by then nothing can be measured: these are no numbers, in the shapes that others have.
    """
    if not diverged:
        return _measured(family, configuration, parameters)
    stand_in = torch.randn(parameters.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    shaped = _measured(family, configuration, stand_in.to(parameters.dtype))
    return {name: np.full_like(value, math.nan) for name, value in shaped.items()}


def _measured(family: str, configuration: Configuration, parameters: torch.Tensor) -> dict[str, NDArray[np.float64]]:
    found = function_of(family)(configuration, parameters, **SETTINGS.get(family, {}))
    values: dict[str, NDArray[np.float64]] = {}
    for name, value in found.items():
        fields = (
            {f"{name}.{f.name}": getattr(value, f.name) for f in dataclasses.fields(value)}
            if dataclasses.is_dataclass(value)
            else {name: value}
        )
        values |= {name: np.asarray(one, np.float64) for name, one in fields.items() if one is not None}
    return values


def _digest(values: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Comparison:
    """One part of two canaries of one configuration, held against each other."""

    first_difference: str | None
    """The first step, or measure, whose bits differ; None if all are equal."""
    parts_at: str | None
    """The first at which they differ by more than the tolerance; None if they do nowhere."""
    difference: float
    """The largest relative difference of a loss, or of a measure's norm."""


def compare(stored: Canary, repeated: Canary, tolerance: float) -> dict[str, Comparison]:
    """Hold two canaries against each other: what comes out for each part of the repeated one that the stored has.

    A family that takes over measures of another is held against these.
    """
    given = {part: stored[part] for part in repeated if part in stored}
    for family, former in taken_over(stored, repeated).items():
        given[family] = {name: stored[former][name] for name in repeated[family]}
    return {part: _compared(_values(one), _values(repeated[part]), tolerance) for part, one in given.items()}


def taken_over(stored: Mapping[str, Collection[str]], now: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Family of measures that is not stored → the stored one, which there is no more, that had all of its measures.

    Args:
        stored, now: part → the names of its measures.
    """
    new, gone = now.keys() - stored.keys(), stored.keys() - now.keys()
    found: dict[str, str] = {}
    for former in gone:
        heirs = [family for family in new if {*now[family]} <= {*stored[former]}]
        if {*stored[former]} == {name for family in heirs for name in now[family]}:  # or some would be lost
            found |= dict.fromkeys(heirs, former)
    return found


def _values(canary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Where something was taken, in order → what was taken there."""
    if "steps" in canary:
        return {f"step {step['step']}": step for step in canary["steps"]}
    return {f"measure {name}": canary[name] for name in sorted(canary)}


def _compared(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], tolerance: float) -> Comparison:
    if unshared := sorted(before.keys() ^ after.keys()):
        return Comparison(unshared[0], unshared[0], math.inf)
    first_difference = parts_at = None
    largest = 0.0
    for where, one in before.items():
        other = after[where]
        if one["digest"] != other["digest"]:
            first_difference = first_difference or where
        for name in one.keys() - {"digest", "step"}:
            difference = _difference(one[name], other[name])
            largest = max(largest, difference)
            if difference > tolerance:
                parts_at = parts_at or where
    return Comparison(first_difference, parts_at, largest)


def _difference(one: float | None, other: float | None) -> float:
    """Relative; no number is near none."""
    numbers = [value is not None and math.isfinite(value) for value in (one, other)]
    if one is None or other is None or not all(numbers):
        return math.inf if any(numbers) else 0.0
    return abs(one - other) / max(abs(one), abs(other), 1e-12)


def main() -> int:
    """For ``adoption``, with one thread as a worker: stored canaries in, a line of JSON out for each."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.set_flush_denormal(True)
    device = sys.argv[1]
    place: dict[str, Any] | None = None
    for asked in json.load(sys.stdin):
        configuration, stored = configuration_from_json(asked["configuration"]), asked["canary"]
        parts = parts_of(stored=stored)
        repeated = canary_of(configuration, device, parts)
        compared = compare(stored, repeated, tolerance(configuration))
        place = place or provenance_of([configuration], torch.device(device))
        found = {part: dataclasses.asdict(comparison) for part, comparison in compared.items()}
        made = {name: place[name] for name in ("device", "versions")}
        code = current_code(configuration, parts)
        print(json.dumps({"code": code, "canary": repeated, "compared": found, **made}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
