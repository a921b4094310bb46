"""What a worker keeps of a stack in the workspace: its state, to go on from, and which moments it passed.

A folder can be deleted at any time: all that it holds can be computed again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from epistemics.lab.moments import Moments
from epistemics.store.files import write_atomically
from epistemics.study import History, restored

CHECKPOINT, FINISHED = "checkpoint.safetensors", "finished.safetensors"


class State(Protocol):
    """What a training goes on from: besides these, tensors."""

    step: int
    histories: list[History]


class Moment(Protocol):
    """One member's parameters, [N] on the CPU, after ``step`` steps."""

    @property
    def member(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def parameters(self) -> torch.Tensor: ...


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder of the workspace; waits while another process works in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def save_state(path: Path, state: State, code: str, provenance: dict[str, Any]) -> None:
    """Write what ``load_state`` reads; ``code`` is the fingerprint of the training that made it."""
    tensors = {name: value for name, value in vars(state).items() if isinstance(value, torch.Tensor)}
    metadata = {
        "code": code,
        "step": str(state.step),
        # The loop goes on appending to the histories: an interrupt may find them ahead of the state.
        "histories": json.dumps([vars(until(history, state.step)) for history in state.histories]),
        "provenance": json.dumps(provenance),
    }
    _save(path, tensors, metadata)


def state_code(path: Path) -> str | None:
    """The fingerprint of the training that made a saved state; None if there is none."""
    try:
        with safe_open(path, framework="pt") as file:
            return str(file.metadata()["code"])
    except FileNotFoundError:
        return None


def load_state(path: Path, code: str, device: torch.device) -> tuple[State, dict[str, Any]] | None:
    """A saved state and its provenance; None if there is none that this code made."""
    if state_code(path) != code:
        return None
    with safe_open(path, framework="pt", device=str(device)) as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    state = restored(int(metadata["step"]), tensors, json.loads(metadata["histories"]))
    return state, json.loads(metadata["provenance"])


def save_moment(folder: Path, moments: Moments, moment: Moment) -> None:
    """Keep the parameters of one member at one step."""
    path = folder / "moments" / str(moment.member) / str(moment.step)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, moments.keep(moment.parameters).encode())


def forget_training(folder: Path) -> None:
    """Before a training from the start: another code's states and moments must not mix in."""
    shutil.rmtree(folder / "moments", ignore_errors=True)
    for name in (FINISHED, CHECKPOINT):
        (folder / name).unlink(missing_ok=True)


def saved_moments(folder: Path, member: int) -> dict[int, str]:
    """Step → digest of the parameters of one member, in ascending order."""
    found = (folder / "moments" / str(member)).glob("[0-9]*")
    return {int(path.name): path.read_text() for path in sorted(found, key=lambda path: int(path.name))}


def until(history: History, step: int) -> History:
    """The evaluations up to the one after ``step`` steps."""
    count = history.step.index(step) + 1
    return History(*(column[:count] for column in vars(history).values()))


def _save(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write tensors beside the file and move them into place."""
    temporary = path.with_suffix(".writing")
    save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)
    os.replace(temporary, path)
