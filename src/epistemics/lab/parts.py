"""What readers rely on in a stored result, whose parts the store takes for any: configuration, numbers, shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from epistemics.science.configuration import Configuration, configuration_from_json
from epistemics.store.record import InvalidContent, Part, Provenance, Result, Seconds, converted

HISTORY = ("step", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
"""The fields of ``training.History``, which to import takes torch."""

Step = Annotated[int, Meta(ge=0, le=2**53)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Metrics(Struct):
    """The numbers of a training."""

    grokking_step: Step | None
    first_touch: Step | None
    final_step: Step
    train_accuracy: Share
    validation_accuracy: Share
    moments: Annotated[list[Step], Meta(min_length=1)]


class TrainingProvenance(Provenance, kw_only=True):
    """Where, when and with what a run was trained."""

    device: str
    versions: dict[str, str]
    seconds: Seconds
    commit: str | None
    date: str
    seeds: list[int]
    threads: int
    precision: str
    compiled: bool
    subnormals: str | UnsetType = UNSET
    stack: int
    resumed: int


class CanaryStep(Struct, forbid_unknown_fields=True):
    """What a training gave after some steps."""

    step: Step
    train_loss: float
    validation_loss: float
    digest: str


class TrainingCanary(Struct, forbid_unknown_fields=True):
    """The canary of a training."""

    steps: list[CanaryStep]


class CanaryMeasure(Struct, forbid_unknown_fields=True):
    """What one measure gave in the canary."""

    norm: float
    digest: str


def check(result: Result, configuration: Configuration, training: str) -> None:
    """Raise what is wrong with the content of a stored result, by field; ``training`` is the name of that part.

    Raises:
        InvalidContent: with the first fault.
    """
    for fault in _faults(result, configuration, training):
        raise InvalidContent(fault)


def _faults(result: Result, configuration: Configuration, training: str) -> Iterator[str]:
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
    if training not in result.parts:  # nothing can be said of what was measured of it
        return
    metrics = converted(result.parts[training].metrics, Metrics, f"parts.{training}.metrics")
    for name, part in result.parts.items():
        where = f"parts.{name}"
        if name == training:
            converted(part.provenance, TrainingProvenance, f"{where}.provenance")
            converted(part.canary, TrainingCanary, f"{where}.canary")
            yield from (f"{where}.{fault}" for fault in _history_faults(part, metrics))
        else:
            converted(part.canary, dict[str, CanaryMeasure], f"{where}.canary")
            yield from (f"{where}.{fault}" for fault in _measure_faults(part, len(metrics.moments)))


def _history_faults(part: Part, metrics: Metrics) -> Iterator[str]:
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
    named = {"grokking_step": metrics.grokking_step, "first_touch": metrics.first_touch}
    for name, step in named.items():
        if step is not None and step not in taken:
            yield f"metrics.{name}: {step} is no step of the history"
    if metrics.final_step != steps[-1]:
        yield f"metrics.final_step: {metrics.final_step}, and the history ends at {steps[-1]}"
    if metrics.moments != sorted(taken & set(metrics.moments)):
        yield f"metrics.moments: {metrics.moments} are no steps of the history in ascending order"
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
            yield f"arrays.{name}: {_described(values)}, where floats for {moments} moments belong"


def _described(array: np.ndarray[Any, Any]) -> str:
    return f"{' × '.join(map(str, array.shape)) or 'one'} {array.dtype}"
