"""One process that trains one stack of runs, measures it and stores the results.

Started by ``runs`` as ``python -m epistemics.worker`` with a job as JSON on standard input; reports progress as JSON
lines on standard output. It keeps a checkpoint in the workspace and goes on from it after Ctrl-C or ``kill -9``;
the parameters at each measured moment stay there too, so that a change of what is measured costs no training. A
workspace can be deleted at any time: all that it holds can be computed again.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from epistemics import __version__
from epistemics.configuration import Configuration, training_operations
from epistemics.measures import Measures, measure
from epistemics.runs import current_code
from epistemics.specs import configuration_key
from epistemics.store import DamagedResult, MissingResult, Result, Store
from epistemics.training import History, State, first_touch, grokking_step, train

CHECKPOINT_SECONDS = 30.0

Trained = tuple[list[History], dict[str, Any]]


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


def configuration_from_json(content: dict[str, Any]) -> Configuration:
    """A stored configuration: JSON has lists where a configuration has tuples."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    return Configuration(**values)


def work(job: Job) -> Iterator[dict[str, Any]]:
    """Train, measure and store one stack; yields progress."""
    # Without weight decay logits grow until the other answers' probabilities are subnormal numbers, with which
    # processors compute ten times slower. They count as zero here; where there are none, this changes no bit.
    torch.set_flush_denormal(True)
    store = Store(job.results)
    code = current_code()
    keys = [configuration_key(c) for c in job.configurations]
    folder = job.workspace / "runs" / _folder_name(keys)
    with _locked(folder):
        kept = zip(keys, job.keep_weights, strict=True)
        if all(_is_fresh(store, key, code, weights) for key, weights in kept):  # another process was quicker
            return
        histories, training = yield from _trained(job, folder, code["training"])
        for member, (key, configuration) in enumerate(zip(keys, job.configurations, strict=True)):
            yield {"phase": "measure", "member": member}
            started = time.monotonic()
            parameters = _moments(folder, member)
            measured = {step: measure(configuration, flat) for step, flat in parameters.items()}
            end = max(parameters)  # this member's: its stack may have gone on for others
            metrics, arrays = _tabulated(configuration, _until(histories[member], end), measured)
            final = parameters[end].float().numpy()
            result = Result(
                key=key,
                configuration=json.loads(json.dumps(dataclasses.asdict(configuration))),
                metrics=metrics,
                provenance={**training, "measure_seconds": round(time.monotonic() - started, 1)},
                code=code,
                arrays=arrays,
                weights={"parameters": final} if job.keep_weights[member] else {},
            )
            if key in store and _is_damaged(store, key):
                with suppress(MissingResult):  # another process was quicker
                    store.set_aside(key)
            store.write(result)
            yield {"phase": "stored", "member": member, "key": key}
        for path in folder.glob("checkpoint.safetensors"):
            path.unlink()


def _trained(job: Job, folder: Path, code: str) -> Generator[dict[str, Any], None, Trained]:
    """Train to the end, from a finished training or a checkpoint where there is one.

    Returns the histories and the training's part of the provenance.
    """
    finished, checkpoint = folder / "finished.safetensors", folder / "checkpoint.safetensors"
    device = torch.device(job.device)
    if loaded := _load(finished, code, device):
        return loaded[0].histories, loaded[1]
    last: State | None = None
    if loaded := _load(checkpoint, code, device):
        last, provenance = loaded
        provenance["resumed"] += 1
    else:
        shutil.rmtree(folder / "moments", ignore_errors=True)
        provenance = _provenance(job)
    before = provenance["seconds"]
    started = written = time.monotonic()
    try:
        for evaluation in train(job.configurations, device, last):
            for moment in evaluation.moments:
                path = folder / "moments" / str(moment.member) / f"{moment.step}.safetensors"
                path.parent.mkdir(parents=True, exist_ok=True)
                _save(path, {"parameters": moment.parameters}, {})
            last = evaluation.state  # only now: whoever goes on from it is not handed its moments again
            now = time.monotonic()
            provenance["seconds"] = round(before + now - started, 1)
            if now - written > job.checkpoint_seconds:
                _save_state(checkpoint, last, code, provenance)
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
            _save_state(checkpoint, last, code, provenance)
        raise
    assert last is not None
    _save_state(finished, last, code, provenance)
    return last.histories, provenance


def _folder_name(keys: list[str]) -> str:
    """Where a stack has its checkpoint: another stack, even with the same first members, has another."""
    return keys[0] if len(keys) == 1 else hashlib.sha256("-".join(keys).encode()).hexdigest()[:16]


def _until(history: History, step: int) -> History:
    """The evaluations up to the one after ``step`` steps."""
    count = history.step.index(step) + 1
    return History(*(column[:count] for column in vars(history).values()))


def _tabulated(
    configuration: Configuration, history: History, measured: dict[int, dict[str, Measures]]
) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Metrics and arrays of a result. Arrays of measures have a leading dimension of moments."""
    c, steps = configuration, sorted(measured)
    settled = (history.step, history.validation_accuracy, c.grokking_accuracy)
    metrics = {
        "grokking_step": grokking_step(*settled, c.grokking_evaluations),
        "first_touch": first_touch(*settled),
        "final_step": history.step[-1],
        "train_accuracy": history.train_accuracy[-1],
        "validation_accuracy": history.validation_accuracy[-1],
        "moments": steps,
    }
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for name, column in vars(history).items():
        arrays[f"history.{name}"] = np.asarray(column, np.int64 if name == "step" else np.float32)
    for operation in c.operations:
        for field in dataclasses.fields(Measures):
            values = [getattr(measured[step][operation], field.name) for step in steps]
            arrays[f"{operation}.{field.name}"] = np.asarray(values, np.float32)
    return metrics, arrays


def _provenance(job: Job) -> dict[str, Any]:
    shared = job.configurations[0]
    cuda = torch.device(job.device).type == "cuda"
    return {
        "seeds": [c.seed for c in job.configurations],
        "device": torch.cuda.get_device_name() if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "precision": shared.precision,
        "compiled": shared.compiled,
        "subnormals": "flushed to zero",
        "stack": len(job.configurations),
        "versions": {
            "epistemics": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "resumed": 0,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit that the source is at, with ``+changes`` if it was edited since; None outside a repository."""
    source = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(source), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "*.py")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _is_fresh(store: Store, key: str, code: dict[str, str], weights: bool) -> bool:
    if key not in store or _is_damaged(store, key):
        return False
    return store.code(key) == code and (store.has_weights(key) or not weights)


def _is_damaged(store: Store, key: str) -> bool:
    try:
        store.code(key)
    except DamagedResult:
        return True
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder of the workspace; waits while another process works in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _save(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write tensors beside the file and move them into place."""
    temporary = path.with_suffix(".writing")
    save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)
    os.replace(temporary, path)


def _save_state(path: Path, state: State, code: str, provenance: dict[str, Any]) -> None:
    tensors = {
        "flat": state.flat,
        "first": state.first,
        "second": state.second,
        "candidate": state.candidate,
    }
    metadata = {
        "code": code,
        "step": str(state.step),
        # The loop goes on appending to the histories: an interrupt may find them ahead of the state.
        "histories": json.dumps([vars(_until(history, state.step)) for history in state.histories]),
        "provenance": json.dumps(provenance),
    }
    _save(path, tensors, metadata)


def _load(path: Path, code: str, device: torch.device) -> tuple[State, dict[str, Any]] | None:
    """A saved state and its provenance; None if there is none that this code made."""
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata()
            if metadata["code"] != code:
                return None
            tensors = {name: file.get_tensor(name) for name in ("flat", "first", "second", "candidate")}
    except FileNotFoundError:
        return None
    histories = [History(**columns) for columns in json.loads(metadata["histories"])]
    return State(step=int(metadata["step"]), **tensors, histories=histories), json.loads(metadata["provenance"])


def _moments(folder: Path, member: int) -> dict[int, torch.Tensor]:
    """Step → parameters of one member."""
    moments = {}
    for path in (folder / "moments" / str(member)).glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            moments[int(path.stem)] = file.get_tensor("parameters")
    return moments


PARENT = os.getppid()


def _stop_if_orphaned() -> None:
    """A worker whose parent was killed stops at its next evaluation, with a checkpoint."""
    if os.getppid() != PARENT:
        raise KeyboardInterrupt


def training_speed(configuration: Configuration) -> float:
    """Floating-point operations a second of this machine in training, evaluations included: the median of six goes."""
    every = 5
    shortened = dataclasses.replace(
        configuration, steps=7 * every, evaluate_every=every, measure_every=0, stop_after_grokking=None
    )
    seconds = []
    before = None
    for _ in train([shortened]):
        now = time.monotonic()
        if before is not None:
            seconds.append(now - before)
        before = now
    return training_operations(shortened, every, 1) / sorted(seconds[1:])[len(seconds[1:]) // 2]


def main() -> int:
    """Read a job, do it, report each step of it as a line of JSON; with ``--time``, time a configuration."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if sys.argv[1:] == ["--time"]:
        speed = training_speed(configuration_from_json(json.loads(sys.stdin.read())))
        print(json.dumps({"operations_per_second": speed}))
        return 0
    try:
        for progress in work(Job.from_json(sys.stdin.read())):
            print(json.dumps(progress), flush=True)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
