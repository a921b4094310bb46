"""The parts of a result as this study has them: what makes each, and what readers rely on in a stored one.

The store takes parts for any; here their configuration, numbers and shapes are checked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Annotated, Any

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct, structs

from epistemics.store.record import InvalidContent, Part, Provenance, Result, Seconds, converted
from epistemics.study import (
    LOSSES,
    ON_REQUEST,
    PARTS,
    Configuration,
    History,
    Metrics,
    Step,
    configuration_from_json,
)

TRAINING = next(iter(PARTS))
"""The first part, which all others are made from: the families of measures."""

HISTORY = tuple(field.name for field in dataclasses.fields(History))


def name_of_function(part: str) -> str:
    """``module.name`` of what makes a part."""
    return PARTS[part] if part in PARTS else ON_REQUEST[part]


def function_of(part: str) -> Callable[..., Any]:
    """What makes a part. Importing it may take torch."""
    module, _, name = name_of_function(part).rpartition(".")
    made_by: Callable[..., Any] = getattr(import_module(f"epistemics.{module}"), name)
    return made_by


def parts_of(asked: Collection[str] = (), stored: Collection[str] = ()) -> tuple[str, ...]:
    """The parts that a result is to have, in order: those of every result, and those on request that are asked for or
    that it has.

    Args:
        asked: the families that a run asks for.
        stored: the parts that its result has, if there is one.
    """
    return (*PARTS, *(family for family in ON_REQUEST if family in asked or family in stored))


def moments_of(families: Iterable[str], moments: Sequence[int]) -> Sequence[int]:
    """Of the moments of a training, in ascending order, those at which any of the families is measured: the end at
    least."""
    return moments[-1:] if all(family in ON_REQUEST for family in families) else moments


class Ended(Struct):
    """When a training ended and when it was measured: metrics of the training besides those of the study."""

    final_step: Step
    moments: Annotated[list[Step], Meta(min_length=1)]
    parameters: list[str] | UnsetType = UNSET
    """For each moment, the digest of its parameters; see ``moments``."""


class Began(Struct, forbid_unknown_fields=True):
    """The parameters that a run began with: those at the end of another."""

    key: str
    """Of the other run."""
    digest: str
    """Of these parameters."""


class TrainingProvenance(Provenance, kw_only=True):
    """Where, when and with what a run was trained."""

    device: str
    versions: dict[str, str]
    seconds: Seconds
    commit: str | None
    date: str
    seeds: list[int]
    threads: int
    subnormals: str | UnsetType = UNSET
    stack: int
    resumed: int
    began: Began | UnsetType = UNSET
    """Of a run that continues another."""


CanaryStep = defstruct(
    "CanaryStep",
    [("step", Step), *((name, float | None) for name in LOSSES), ("digest", str)],
    forbid_unknown_fields=True,
)
"""What a training gave after some steps; None is no number."""


class TrainingCanary(Struct, forbid_unknown_fields=True):
    """The canary of a training."""

    steps: list[CanaryStep]  # type: ignore[valid-type]  # made of the study's names


class CanaryMeasure(Struct, forbid_unknown_fields=True):
    """What one measure gave in the canary."""

    norm: float | None
    digest: str


def check(result: Result, configuration: Configuration) -> None:
    """Raise what is wrong with the content of a stored result, by field.

    Raises:
        InvalidContent: with the first fault.
    """
    for fault in _faults(result, configuration):
        raise InvalidContent(fault)


def _faults(result: Result, configuration: Configuration) -> Iterator[str]:
    # A later version may know more settings; this run's key says that they are at their defaults.
    known = {name: value for name, value in result.configuration.items() if name in vars(configuration)}
    try:
        stored = configuration_from_json(known)
    except TypeError as error:
        yield f"configuration: {str(error).removeprefix('Configuration.__init__() ')}"
        return
    if stored != configuration:
        names = (name for name in vars(configuration) if getattr(stored, name) != getattr(configuration, name))
        yield f"configuration.{next(names)}: not that of the run with this key"
    if TRAINING not in result.parts:  # nothing can be said of what was measured of it
        return
    said, where = result.parts[TRAINING].metrics, f"parts.{TRAINING}.metrics"
    ended, metrics = converted(said, Ended, where), converted(said, Metrics, where)
    owner: dict[str, str] = {}
    for name, part in result.parts.items():
        where = f"parts.{name}"
        for array in part.arrays:
            if (other := owner.setdefault(array, name)) != name:
                yield f"{where}.arrays.{array}: {other} has one of this name too"
        if name == TRAINING:
            converted(part.provenance, TrainingProvenance, f"{where}.provenance")
            converted(part.canary, TrainingCanary, f"{where}.canary")
            yield from (f"{where}.{fault}" for fault in _history_faults(part, ended, metrics))
        else:
            converted(part.canary, dict[str, CanaryMeasure], f"{where}.canary")
            yield from (f"{where}.{fault}" for fault in _measure_faults(part, len(moments_of([name], ended.moments))))


def _history_faults(part: Part, ended: Ended, metrics: Metrics) -> Iterator[str]:
    if lacking := [name for name in HISTORY if f"history.{name}" not in part.arrays]:
        yield f"arrays.history.{lacking[0]}: missing"
        return
    steps = part.arrays["history.step"]
    if steps.ndim != 1 or steps.dtype.kind != "i" or not steps.size or not (np.diff(steps) > 0).all():
        yield "arrays.history.step: no ascending list of whole numbers"
    for name in HISTORY[1:]:
        column = part.arrays[f"history.{name}"]
        if column.shape != steps.shape or column.dtype.kind != "f":
            yield f"arrays.history.{name}: {_described(column)}, where {len(steps)} floats belong"
    taken = set(steps.tolist())
    for name, step in structs.asdict(metrics).items():
        if isinstance(step, int) and step not in taken:
            yield f"metrics.{name}: {step} is no step of the history"
    if ended.final_step != steps[-1]:
        yield f"metrics.final_step: {ended.final_step}, and the history ends at {steps[-1]}"
    if ended.moments != sorted(taken & set(ended.moments)):
        yield f"metrics.moments: {ended.moments} are no steps of the history in ascending order"
    if ended.parameters is not UNSET and len(ended.parameters) != len(ended.moments):
        yield f"metrics.parameters: {len(ended.parameters)}, and there are {len(ended.moments)} moments"
    for name, values in part.weights.items():
        if values.ndim != 1 or values.dtype.kind != "f":
            yield f"weights.{name}: {_described(values)}, where floats in a row belong"
    if part.weights and "parameters" not in part.weights:
        yield "weights.parameters: missing"


def _measure_faults(part: Part, moments: int) -> Iterator[str]:
    """The canary names all that was measured."""
    if other := sorted(part.canary.keys() ^ part.arrays.keys()):
        yield f"arrays.{other[0]}: " + ("missing" if other[0] in part.canary else "not in the canary")
    if not part.arrays:
        yield "arrays: missing"
    for name, values in part.arrays.items():
        if values.ndim < 1 or len(values) != moments or values.dtype.kind != "f":
            yield f"arrays.{name}: {_described(values)}, where floats for {_moments(moments)} belong"


def _moments(count: int) -> str:
    return "1 moment" if count == 1 else f"{count} moments"


def _described(array: np.ndarray[Any, Any]) -> str:
    return f"{' × '.join(map(str, array.shape)) or 'one'} {array.dtype}"
