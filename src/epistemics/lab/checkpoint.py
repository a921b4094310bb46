"""What a worker keeps of a stack in the workspace: its state, to go on from, and its moments, to measure.

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
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from epistemics.science.training import History, Moment, State


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder of the workspace; waits while another process works in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def save_state(path: Path, state: State, code: str, provenance: dict[str, Any]) -> None:
    """Write what ``load_state`` reads; ``code`` is the fingerprint of the training that made it."""
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
        tensors = {name: file.get_tensor(name) for name in ("flat", "first", "second", "candidate")}
    histories = [History(**columns) for columns in json.loads(metadata["histories"])]
    return State(step=int(metadata["step"]), **tensors, histories=histories), json.loads(metadata["provenance"])


def save_moment(folder: Path, moment: Moment) -> None:
    """Keep the parameters of one member at one step."""
    path = folder / "moments" / str(moment.member) / f"{moment.step}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(path, {"parameters": moment.parameters}, {})


def forget_moments(folder: Path) -> None:
    """Before a training from the start: another code's moments must not mix in."""
    shutil.rmtree(folder / "moments", ignore_errors=True)


def load_moments(folder: Path, member: int) -> dict[int, torch.Tensor]:
    """Step → parameters of one member."""
    moments = {}
    for path in (folder / "moments" / str(member)).glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            moments[int(path.stem)] = file.get_tensor("parameters")
    return moments


def until(history: History, step: int) -> History:
    """The evaluations up to the one after ``step`` steps."""
    count = history.step.index(step) + 1
    return History(*(column[:count] for column in vars(history).values()))


def _save(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write tensors beside the file and move them into place."""
    temporary = path.with_suffix(".writing")
    save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)
    os.replace(temporary, path)
