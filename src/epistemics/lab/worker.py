"""One process that trains one stack of runs, measures it and stores the results.

Started by ``scheduler`` as ``python -m epistemics.lab.worker`` with a job as JSON on standard input; reports progress
as JSON lines on standard output. It keeps a checkpoint in the workspace and goes on from it after Ctrl-C or ``kill
-9``; the parameters at each measured moment stay there too, so that a change of what is measured costs no training. A
workspace can be deleted at any time: all that it holds can be computed again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from msgspec import structs

from epistemics.declared.experiments import configuration_key
from epistemics.lab.canary import canary_of
from epistemics.lab.checkpoint import (
    forget_moments,
    load_moments,
    load_state,
    locked,
    save_moment,
    save_state,
    state_code,
    until,
)
from epistemics.lab.provenance import provenance_of
from epistemics.lab.scheduler import DIVERGED, workspace_folder
from epistemics.lab.speed import Speed
from epistemics.lab.status import CODE, TRAINING, checked, current_seals, part_state
from epistemics.science.configuration import Configuration, configuration_from_json, training_operations
from epistemics.science.measures import Measures, measure
from epistemics.science.training import History, State, first_touch, grokking_step, train
from epistemics.store.fingerprint import reached
from epistemics.store.record import Arrays, DamagedResult, Part, Result
from epistemics.store.store import MissingResult, Seal, Store

CHECKPOINT_SECONDS = 30.0

MEASURED = ("device", "versions", "commit", "date")
"""What the provenance of a part that is measured says of where it was, besides the seconds that it took."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker is asked to do."""

    configurations: list[Configuration]
    """One for each member of the stack."""
    keep_weights: list[bool]
    """For each member, whether its parameters at the end are stored."""
    results: Path
    workspace: Path
    device: str
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Time between checkpoints; Ctrl-C writes one at once."""

    def to_json(self) -> str:
        """For the worker's standard input."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The inverse of ``to_json``."""
        content = json.loads(text)
        return cls(
            [configuration_from_json(c) for c in content["configurations"]],
            content["keep_weights"],
            Path(content["results"]),
            Path(content["workspace"]),
            content["device"],
            content.get("checkpoint_seconds", CHECKPOINT_SECONDS),
        )


@dataclasses.dataclass(frozen=True)
class Trained:
    """One member after its training."""

    part: Part
    """Of the result: metrics and history."""
    parameters: dict[int, torch.Tensor]
    """Step → parameters [N], at every moment that is measured."""
    stored: Result | None = None
    """What the store has, if this is its training."""


def work(job: Job) -> Generator[dict[str, Any], None, None]:
    """Train, measure and store one stack; yields progress.

    Raises:
        FloatingPointError: after the others are stored, if a member's training loss is no longer a number.
    """
    # Without weight decay logits grow until the other answers' probabilities are subnormal numbers, with which
    # processors compute ten times slower. They count as zero here; where there are none, this changes no bit.
    torch.set_flush_denormal(True)
    store = Store(job.results)
    seals = current_seals()
    keys = [configuration_key(c) for c in job.configurations]
    folder = workspace_folder(job.workspace, keys)
    with locked(folder):
        stored = [_stored(store, key, c) for key, c in zip(keys, job.configurations, strict=True)]
        if all(_is_fresh(*wanted, seals) for wanted in zip(stored, job.keep_weights, strict=True)):
            return  # another process was quicker
        code = seals[TRAINING].code
        members = [_kept(result, folder, member, code) for member, result in enumerate(stored)]
        if not all(members):
            members = list((yield from _trained(job, folder, seals[TRAINING])))
        diverged = []
        for member, (key, trained) in enumerate(zip(keys, members, strict=True)):
            assert trained is not None
            configuration = job.configurations[member]
            history = trained.part.arrays
            if lost := np.flatnonzero(~np.isfinite(history["history.train_loss"])).tolist():
                step = history["history.step"][lost[0]]
                diverged.append(f"seed {configuration.seed}: the training loss is no number at step {step}")
                continue
            yield {"phase": "measure", "member": member}
            store.keep_sources(reached(*CODE.values()).values())
            _store(store, key, job, member, trained, seals)
            yield {"phase": "stored", "member": member, "key": key}
        for path in folder.glob("checkpoint.safetensors"):
            path.unlink()
        if diverged:
            raise FloatingPointError("; ".join(diverged))


def _store(store: Store, key: str, job: Job, member: int, trained: Trained, seals: dict[str, Seal]) -> None:
    """Measure what the present code has not measured, and store it; other stored parts stay as they are."""
    configuration, stored = job.configurations[member], trained.stored
    made: dict[str, Part] = {}
    if job.keep_weights[member] and not trained.part.weights:
        made[TRAINING] = structs.replace(trained.part, weights=_weights(trained))
    unmeasured = [
        name
        for name, seal in seals.items()
        if name != TRAINING and (stored is None or part_state(stored, name, seal.code) in ("missing", "stale"))
    ]
    canary = canary_of(configuration, job.device) if unmeasured else {}
    if stored is None:
        made[TRAINING] = structs.replace(made.get(TRAINING, trained.part), canary=canary[TRAINING])
    for name in unmeasured:
        made[name] = _measured(configuration, trained.parameters, seals[name], canary[name], job.device)
    if stored is not None:
        for name, part in made.items():
            store.write_part(key, name, part)
        return
    if key in store and _stored(store, key, configuration) is None:
        with suppress(MissingResult):  # another process was quicker
            store.set_aside(key)
    as_json = json.loads(json.dumps(dataclasses.asdict(configuration)))
    store.write(Result(key=key, configuration=as_json, parts=made))


def _stored(store: Store, key: str, configuration: Configuration) -> Result | None:
    """What the store has; None if that is nothing, or damaged."""
    try:
        return checked(store, key, configuration)
    except (MissingResult, DamagedResult):
        return None


def _kept(result: Result | None, folder: Path, member: int, code: str) -> Trained | None:
    """A stored result's training, if it still holds and the parameters of every moment are kept: then only measures
    have changed, and they are taken again.

    Parameters are kept in the workspace where a run was trained and, of its end, in the store for some runs.
    """
    if result is None or TRAINING not in result.parts:
        return None
    part = result.parts[TRAINING]
    if part.code != code:
        return None
    parameters = {}
    if "parameters" in part.weights and result.configuration["precision"] != "float64":  # stored as float32
        parameters[part.metrics["final_step"]] = torch.from_numpy(part.weights["parameters"])
    adopted = [proof["from"] for proof in part.provenance.get("adopted", [])]
    migrated = [migration["from"]["code"] for migration in part.provenance.get("migrated", [])]
    if state_code(folder / "finished.safetensors") in [code, *adopted, *migrated]:
        parameters |= load_moments(folder, member)
    if set(parameters) != set(part.metrics["moments"]):
        return None
    return Trained(part, parameters, result)


def _trained(job: Job, folder: Path, seal: Seal) -> Generator[dict[str, Any], None, Iterator[Trained]]:
    """Train a stack to the end, from a finished training or a checkpoint where there is one."""
    histories, provenance = yield from _histories(job, folder, seal.code)
    return (
        _with_metrics(c, history, seal, provenance, load_moments(folder, member))
        for member, (c, history) in enumerate(zip(job.configurations, histories, strict=True))
    )


def _histories(
    job: Job, folder: Path, code: str
) -> Generator[dict[str, Any], None, tuple[list[History], dict[str, Any]]]:
    """Train a stack; its histories, and the training's part of the provenance. Moments are left in the folder."""
    finished, checkpoint = folder / "finished.safetensors", folder / "checkpoint.safetensors"
    device = torch.device(job.device)
    if loaded := load_state(finished, code, device):
        return loaded[0].histories, loaded[1]
    last: State | None = None
    if loaded := load_state(checkpoint, code, device):
        last, provenance = loaded
        provenance["resumed"] += 1
    else:
        forget_moments(folder)
        provenance = provenance_of(job.configurations, device)
    before = provenance["seconds"]
    started = written = time.monotonic()
    try:
        for evaluation in train(job.configurations, device, last):
            for moment in evaluation.moments:
                save_moment(folder, moment)
            last = evaluation.state  # only now: whoever goes on from it is not handed its moments again
            now = time.monotonic()
            provenance["seconds"] = round(before + now - started, 1)
            if now - written > job.checkpoint_seconds:
                save_state(checkpoint, last, code, provenance)
                written = now
            _stop_if_orphaned()
            history = last.histories[0]
            yield {
                "phase": "train",
                "step": last.step,
                "train_loss": history.train_loss[-1],
                "train_accuracy": history.train_accuracy[-1],
                "validation_loss": history.validation_loss[-1],
                "validation_accuracy": history.validation_accuracy[-1],
            }
    except (KeyboardInterrupt, GeneratorExit):  # the latter if the interrupt came while progress was reported
        if last is not None:
            save_state(checkpoint, last, code, provenance)
        raise
    assert last is not None
    save_state(finished, last, code, provenance)
    return last.histories, provenance


def _with_metrics(
    configuration: Configuration,
    history: History,
    seal: Seal,
    provenance: dict[str, Any],
    parameters: dict[int, torch.Tensor],
) -> Trained:
    """What a result holds of a training, up to the end of this member: its stack may have gone on for others."""
    c, steps = configuration, sorted(parameters)
    history = until(history, steps[-1])
    settled = (history.step, history.validation_accuracy, c.grokking_accuracy)
    metrics = {
        "grokking_step": grokking_step(*settled, c.grokking_evaluations),
        "first_touch": first_touch(*settled),
        "final_step": history.step[-1],
        "train_accuracy": history.train_accuracy[-1],
        "validation_accuracy": history.validation_accuracy[-1],
        "moments": steps,
    }
    columns = {
        f"history.{name}": np.asarray(column, np.int64 if name == "step" else np.float32)
        for name, column in vars(history).items()
    }
    part = Part(
        code=seal.code,
        definitions=seal.definitions,
        canary={},  # taken when it is stored
        provenance=provenance,
        metrics=metrics,
        arrays=columns,
    )
    return Trained(part, parameters)


def _measured(
    configuration: Configuration, parameters: dict[int, torch.Tensor], seal: Seal, canary: dict[str, Any], device: str
) -> Part:
    """The part of the measures: ``operation.measure`` → values, with a leading dimension of moments."""
    made = provenance_of([configuration], torch.device(device))
    started = time.monotonic()
    moments = [measure(configuration, parameters[step]) for step in sorted(parameters)]
    arrays = {
        f"{operation}.{field.name}": np.asarray([getattr(at[operation], field.name) for at in moments], np.float32)
        for operation in configuration.operations
        for field in dataclasses.fields(Measures)
        if getattr(moments[0][operation], field.name) is not None
    }
    return Part(
        code=seal.code,
        definitions=seal.definitions,
        canary=canary,
        provenance={name: made[name] for name in MEASURED} | {"seconds": round(time.monotonic() - started, 1)},
        arrays=arrays,
    )


def _weights(trained: Trained) -> Arrays:
    return {"parameters": trained.parameters[trained.part.metrics["moments"][-1]].float().numpy()}


def _is_fresh(result: Result | None, weights: bool, seals: dict[str, Seal]) -> bool:
    if result is None or (weights and not result.weights):
        return False
    return all(part_state(result, part, seal.code) in ("fresh", "adopted") for part, seal in seals.items())


PARENT = os.getppid()


def _stop_if_orphaned() -> None:
    """A worker whose parent was killed stops at its next evaluation, with a checkpoint."""
    if os.getppid() != PARENT:
        raise KeyboardInterrupt


def training_speed(configuration: Configuration) -> Speed:
    """What this machine does in training, from the configuration and from the smallest model of its kind."""
    smallest = dataclasses.replace(configuration, layers=1, d_model=2 * configuration.heads)
    every = 20

    def timed(c: Configuration) -> float:
        """Seconds of ``every`` steps and an evaluation: the median of six goes."""
        shortened = dataclasses.replace(
            c, steps=7 * every, evaluate_every=every, measure_every=0, stop_after_grokking=None
        )
        moments = [time.monotonic() for _ in train([shortened])]
        return median(after - before for before, after in pairwise(moments[1:]))

    (large, large_work), (small, small_work) = (
        (timed(c), training_operations(c, every, 1)) for c in (configuration, smallest)
    )
    if large <= small:  # nothing but overhead can be told apart
        return Speed(large_work / large, 0.0)
    speed = (large_work - small_work) / (large - small)
    return Speed(speed, max(0.0, small - small_work / speed) / every)


def main() -> int:
    """Read a job, do it, report each step of it as a line of JSON; with ``--time``, time a configuration."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if sys.argv[1:] == ["--time"]:
        print(json.dumps(dataclasses.asdict(training_speed(configuration_from_json(json.loads(sys.stdin.read()))))))
        return 0
    try:
        with closing(work(Job.from_json(sys.stdin.read()))) as progresses:
            for progress in progresses:
                print(json.dumps(progress), flush=True)
    except KeyboardInterrupt:
        return 130
    except FloatingPointError as error:
        print(error, file=sys.stderr)
        return DIVERGED
    except BrokenPipeError:  # whoever listened is gone; what is still to be said goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
