"""One process that trains one stack of runs, measures it and stores the results.

Started by ``scheduler`` as ``python -m epistemics.lab.worker`` with a job as JSON on standard input; reports progress
as JSON lines on standard output. It keeps a checkpoint in the workspace and goes on from it after Ctrl-C or ``kill
-9``. The parameters at each measured moment are kept, so that a change of what is measured costs no training.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from msgspec import UNSET, structs

from epistemics.declared.project import moments_folder
from epistemics.declared.runs import configuration_key
from epistemics.lab.canary import canary_of, measured
from epistemics.lab.checkpoint import (
    CHECKPOINT,
    FINISHED,
    Passed,
    State,
    load_state,
    locked,
    save_state,
    until,
)
from epistemics.lab.continuing import Beginning, NothingToContinue, began_elsewhere, beginning_of
from epistemics.lab.moments import Moments, parameters_at_hand
from epistemics.lab.parts import TRAINING, function_of, moments_of, parts_of
from epistemics.lab.provenance import provenance_of
from epistemics.lab.scheduler import Job, workspace_folder
from epistemics.lab.status import checked, current_seals, current_sources, part_state
from epistemics.store.record import Arrays, DamagedResult, Part, Result
from epistemics.store.store import ChangedMeanwhile, MissingResult, Seal, Store
from epistemics.study import LOSSES, ON_REQUEST, SETTINGS, Configuration, History, seen, summary

MEASURED = ("device", "versions", "commit", "date")
"""What the provenance of a part that is measured says of where it was, besides the seconds that it took."""


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
    """Train, measure and store one stack; yields progress. A run that diverges is a result like any other.

    Raises:
        NothingToContinue: if a run that one of the stack continues is not stored.
    """
    # Without weight decay logits grow until the other answers' probabilities are subnormal numbers, with which
    # processors compute ten times slower. They count as zero here; where there are none, this changes no bit.
    torch.set_flush_denormal(True)
    store, moments = Store(job.results), Moments(moments_folder(job.workspace))
    of_all = [current_seals(c, parts_of(ON_REQUEST)) for c in job.configurations]
    code = " ".join(dict.fromkeys(own[TRAINING].code for own in of_all))  # of the stack's checkpoints
    keys = [configuration_key(c) for c in job.configurations]
    folder = workspace_folder(job.workspace, keys)
    with locked(folder):
        beginnings = [beginning_of(c, store) for c in job.configurations]
        stored = [_of_this_beginning(store, key, c) for key, c in zip(keys, job.configurations, strict=True)]
        asked = job.measure or [[]] * len(keys)
        seals = [_wanted(*own) for own in zip(of_all, asked, stored, strict=True)]
        if all(_is_fresh(*wanted) for wanted in zip(stored, job.keep_weights, seals, strict=True)):
            return  # another process was quicker
        members = [_kept(result, moments, own) for result, own in zip(stored, seals, strict=True)]
        if not all(members):
            training = [own[TRAINING] for own in seals]
            members = list((yield from _trained(job, folder, moments, code, training, beginnings)))
        for member, (key, trained) in enumerate(zip(keys, members, strict=True)):
            assert trained is not None
            yield {"phase": "measure", "member": member}
            store.keep_sources(current_sources(job.configurations[member], seals[member]))
            _store(store, key, job, member, trained, seals[member])
            yield {"phase": "stored", "member": member, "key": key}
        (folder / CHECKPOINT).unlink(missing_ok=True)


def _store(store: Store, key: str, job: Job, member: int, trained: Trained, seals: dict[str, Seal]) -> None:
    """Measure what the present code has not measured, and store it; other stored parts stay as they are."""
    configuration, stored = job.configurations[member], trained.stored
    made: dict[str, Part] = {}
    if job.keep_weights[member] and not trained.part.weights:
        made[TRAINING] = structs.replace(trained.part, weights=_weights(trained))
    unmeasured = _unmeasured(stored, seals)
    canary = canary_of(configuration, job.device, unmeasured) if unmeasured else {}
    if stored is None:
        made[TRAINING] = structs.replace(made.get(TRAINING, trained.part), canary=canary[TRAINING])
    for name in unmeasured:
        made[name] = _family(name, configuration, trained, seals[name], canary[name], job.device)
    known = {name: part for name, part in stored.parts.items() if name in seals} if stored else {}
    _require_names_apart({**known, **made})
    if stored is not None and len(known) < len(stored.parts):  # of parts that there are no more
        with suppress(ChangedMeanwhile):  # another process was quicker
            store.write(
                structs.replace(stored, parts={name: {**known, **made}[name] for name in seals}), made_of=stored
            )
        return
    if stored is not None:
        for name, part in made.items():
            store.write_part(key, name, part)
        return
    if key in store and _stored(store, key, configuration) is None:
        with suppress(MissingResult):  # another process was quicker
            store.set_aside(key)
    as_json = json.loads(json.dumps(dataclasses.asdict(configuration)))
    store.write(Result(key=key, configuration=as_json, parts=made))


def _wanted(seals: dict[str, Seal], asked: Collection[str], stored: Result | None) -> dict[str, Seal]:
    """The seals of the parts that a result is to have: what it has on request it keeps, if nobody asks for it too."""
    return {name: seals[name] for name in parts_of(asked, stored.parts if stored else ())}


def _unmeasured(stored: Result | None, seals: Mapping[str, Seal]) -> list[str]:
    """The families that the present code has not measured."""
    return [
        name
        for name, seal in seals.items()
        if name != TRAINING and (stored is None or part_state(stored, name, seal.code) in ("missing", "stale"))
    ]


def _stored(store: Store, key: str, configuration: Configuration) -> Result | None:
    """What the store has; None if that is nothing, or damaged."""
    try:
        return checked(store, key, configuration)
    except (MissingResult, DamagedResult):
        return None


def _of_this_beginning(store: Store, key: str, configuration: Configuration) -> Result | None:
    """The same, and None if it began with other parameters than the run that it continues has now."""
    result = _stored(store, key, configuration)
    if result is None or TRAINING not in result.parts:
        return result
    other = began_elsewhere(configuration, result.parts[TRAINING].provenance, store)
    return None if other else result


def _kept(result: Result | None, moments: Moments, seals: Mapping[str, Seal]) -> Trained | None:
    """A stored result's training, if it still holds and the parameters of every moment that is to be measured are at
    hand: then only measures are missing or have changed, and they are taken of these.
    """
    if result is None or TRAINING not in result.parts:
        return None
    part = result.parts[TRAINING]
    if part.code != seals[TRAINING].code:
        return None
    parameters = parameters_at_hand(result, moments, _unmeasured(result, seals))
    return None if parameters is None else Trained(part, parameters, result)


def _trained(
    job: Job,
    folder: Path,
    moments: Moments,
    code: str,
    seals: Sequence[Seal],
    beginnings: Sequence[Beginning | None],
) -> Generator[dict[str, Any], None, list[Trained]]:
    """Train a stack to the end, from a finished training or a checkpoint where there is one."""
    histories, provenance, passed = yield from _histories(job, folder, moments, code, beginnings)
    own = [provenance | ({"began": began.provenance} if began else {}) for began in beginnings]
    members = zip(job.configurations, histories, seals, own, passed, strict=True)
    return [_with_metrics(*member, moments) for member in members]


def _histories(
    job: Job, folder: Path, moments: Moments, code: str, beginnings: Sequence[Beginning | None]
) -> Generator[dict[str, Any], None, tuple[list[History], dict[str, Any], Passed]]:
    """Train a stack; its histories, the training's part of the provenance, and the moments passed."""
    device = torch.device(job.device)
    inputs = [began.parameters if began else None for began in beginnings]
    # A checkpoint is gone on from only if it began with the same.
    code = " ".join([code, *(began.provenance["digest"] for began in beginnings if began)])
    if loaded := _saved(folder / FINISHED, code, device, moments):
        state, provenance, passed = loaded
        return state.histories, provenance, passed
    last: State | None = None
    if loaded := _saved(folder / CHECKPOINT, code, device, moments):
        last, provenance, passed = loaded
        provenance["resumed"] += 1
    else:
        provenance, passed = provenance_of(job.configurations, device), [{} for _ in job.configurations]
    before = provenance["seconds"]
    started = written = time.monotonic()
    try:
        given = {"inputs": inputs} if any(beginnings) else {}
        for evaluation in function_of(TRAINING)(job.configurations, device, last, **given):
            for moment in evaluation.moments:
                passed[moment.member][moment.step] = moments.keep(moment.parameters)
            last = evaluation.state  # only now: whoever goes on from it is not handed its moments again
            now = time.monotonic()
            provenance["seconds"] = round(before + now - started, 1)
            if now - written > job.checkpoint_seconds:
                save_state(folder / CHECKPOINT, last, code, provenance, passed)
                written = now
            _stop_if_orphaned()
            yield {"phase": "train", "step": last.step, "seen": seen(last.histories[0])}
    except (KeyboardInterrupt, GeneratorExit):  # the latter if the interrupt came while progress was reported
        if last is not None:
            save_state(folder / CHECKPOINT, last, code, provenance, passed)
        raise
    assert last is not None
    save_state(folder / FINISHED, last, code, provenance, passed)
    return last.histories, provenance, passed


def _saved(
    path: Path, code: str, device: torch.device, moments: Moments
) -> tuple[State, dict[str, Any], Passed] | None:
    """A saved state, if the parameters of every moment that it has passed are still kept."""
    loaded = load_state(path, code, device)
    if loaded is None or any(moments.get(digest) is None for own in loaded[2] for digest in own.values()):
        return None
    return loaded


def _with_metrics(
    configuration: Configuration,
    history: History,
    seal: Seal,
    provenance: dict[str, Any],
    digests: Mapping[int, str],
    moments: Moments,
) -> Trained:
    """What a result holds of a training, up to the end of this member: its stack may have gone on for others."""
    steps = sorted(digests)
    history = until(history, steps[-1])
    said = structs.asdict(summary(configuration, history))
    metrics = {name: value for name, value in said.items() if value is not UNSET} | {
        "final_step": history.step[-1],
        "moments": steps,
        "parameters": [digests[step] for step in steps],
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
    parameters = {step: moments.get(digest) for step, digest in digests.items()}
    return Trained(part, {step: found for step, found in parameters.items() if found is not None})


def _family(
    name: str,
    configuration: Configuration,
    trained: Trained,
    seal: Seal,
    canary: dict[str, Any],
    device: str,
) -> Part:
    """The part of a family of measures: name of a measure → values, with a leading dimension of moments."""
    made = provenance_of([configuration], torch.device(device))
    started = time.monotonic()
    history, parameters = trained.part.arrays, trained.parameters
    lost = set(history["history.step"][~np.isfinite(history[f"history.{LOSSES[0]}"])].tolist())  # it has diverged
    moments = [
        measured(name, configuration, parameters[step], step in lost) for step in moments_of([name], sorted(parameters))
    ]
    return Part(
        settings=dict(SETTINGS.get(name, {})),
        code=seal.code,
        definitions=seal.definitions,
        canary=canary,
        provenance={field: made[field] for field in MEASURED} | {"seconds": round(time.monotonic() - started, 1)},
        arrays={measure: np.asarray([at[measure] for at in moments], np.float32) for measure in moments[0]},
    )


def _require_names_apart(parts: Mapping[str, Part]) -> None:
    """Raise ValueError if two parts have an array of one name: readers ask for arrays by name alone."""
    owner: dict[str, str] = {}
    for part, content in parts.items():
        for array in content.arrays:
            if (other := owner.setdefault(array, part)) != part:
                raise ValueError(f"{other} and {part} both give {array!r}; a name of a measure belongs to one family")


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


def main() -> int:
    """Read a job, do it, report each step of it as a line of JSON."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    try:
        with closing(work(Job.from_json(sys.stdin.read()))) as progresses:
            for progress in progresses:
                print(json.dumps(progress), flush=True)
    except KeyboardInterrupt:
        return 130
    except NothingToContinue as error:
        print(error, file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:  # torch has no class for a CPU's memory
        if not isinstance(error, MemoryError) and "allocate" not in str(error):
            raise
        said, *_ = str(error).splitlines() or ["it can't be had"]
        print(f"it does not fit into memory: {said}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever listened is gone; what is still to be said goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
