"""What a worker keeps of a stack in the workspace: its state, to go on from, and which moments it passed.

A folder can be deleted at any time: all that it holds can be computed again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from epistemics.study import History, restored

CHECKPOINT, FINISHED = "checkpoint.safetensors", "finished.safetensors"


class State(Protocol):
    """What a training goes on from: besides these, tensors."""

    step: int
    histories: list[History]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder of the workspace; waits while another process works in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


Passed = list[dict[int, str]]
"""For each member, step → digest of its parameters, of the moments that it has passed."""


def save_state(path: Path, state: State, code: str, provenance: dict[str, Any], passed: Passed) -> None:
    """Write what ``load_state`` reads; ``code`` says which code made it."""
    tensors = {name: value for name, value in vars(state).items() if isinstance(value, torch.Tensor)}
    metadata = {
        "code": code,
        "step": str(state.step),
        # The loop goes on appending to the histories: an interrupt may find them ahead of the state.
        "histories": json.dumps([vars(until(history, state.step)) for history in state.histories]),
        "provenance": json.dumps(provenance),
        "passed": json.dumps(passed),
    }
    temporary = path.with_suffix(".writing")
    save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)
    os.replace(temporary, path)


def load_state(path: Path, code: str, device: torch.device) -> tuple[State, dict[str, Any], Passed] | None:
    """A saved state, its provenance and the moments passed; None if there is none that this code made.

    Nor is one taken that can't be read: a machine that stopped may have left half of it.
    """
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata()
            if metadata["code"] != code:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        passed = [{int(step): digest for step, digest in own.items()} for own in json.loads(metadata["passed"])]
    except (OSError, SafetensorError, KeyError):
        return None
    state = restored(int(metadata["step"]), tensors, json.loads(metadata["histories"]))
    return state, json.loads(metadata["provenance"]), passed


def until(history: History, step: int) -> History:
    """The evaluations up to the one after ``step`` steps."""
    count = history.step.index(step) + 1
    return History(*(column[:count] for column in vars(history).values()))
