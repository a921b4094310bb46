"""The processes that make missing results: which runs train together, in which order, and how far they are.

A run is its own process with one thread (faster here than two threads on one run); as many work at once as asked.
On a CUDA device, runs of one architecture train as one stack in one process instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from epistemics.configuration import step_operations
from epistemics.specs import Run
from epistemics.store import Store

MEMBERS_AT_MOST = 64
"""Members of one stack on a CUDA device."""


def worker_environment(workspace: Path) -> dict[str, str]:
    """One thread a process; compiled steps are kept in the workspace, for the next process.

    A step allocates and frees some tens of megabytes. glibc would give them back and fault them in again, page by
    page, at every step; kept, and in huge pages, they cost nothing (a quarter of a step on the CPU that was measured).
    """
    compiled = str((workspace / "compiled").resolve())
    memory = {"hugetlb": 1, "mmap_max": 0, "trim_threshold": 1 << 36, "top_pad": 1 << 28}
    tunables = ":".join(f"glibc.malloc.{name}={value}" for name, value in memory.items())
    return {"TORCHINDUCTOR_CACHE_DIR": compiled, "GLIBC_TUNABLES": tunables} | os.environ | {"OMP_NUM_THREADS": "1"}


def workspace_folder(workspace: Path, keys: Sequence[str]) -> Path:
    """Where a stack has its checkpoint: another stack, even with the same first members, has another."""
    name = keys[0] if len(keys) == 1 else hashlib.sha256("-".join(keys).encode()).hexdigest()[:16]
    return workspace / "runs" / name


@dataclass
class Progress:
    """One stack of runs that a process works on."""

    runs: tuple[Run, ...]
    phase: str = "starts"
    step: int = 0
    train_loss: float = float("nan")
    validation_loss: float = float("nan")
    train_accuracy: float = float("nan")
    validation_accuracy: float = float("nan")

    @property
    def share(self) -> float:
        """How much of its longest possible training is done."""
        return self.step / max(run.configuration.steps for run in self.runs)


@dataclass(frozen=True)
class Overview:
    """All runs at one moment, for a display."""

    done: int
    total: int
    working: tuple[Progress, ...]
    seconds_left: float | None
    """From the speed of this very call; None until there is one."""
    steps_per_second: float | None
    """Of all members together, over this call; None until there is one."""


class RunFailed(RuntimeError):
    """A worker ended with an error; the message holds what it printed."""


class MissingCompiler(RuntimeError):
    """Compiled training steps need a C++ compiler, and there is none."""


def require_compiler(runs: Iterable[Run]) -> None:
    """Raise MissingCompiler if any of the runs has its step compiled and no C++ compiler is on the PATH."""
    compilers = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    if any(run.configuration.compiled for run in runs) and not any(c and shutil.which(c) for c in compilers):
        raise MissingCompiler(
            "these runs have `compiled: true`, which needs a C++ compiler and Python's headers "
            "(Debian: apt-get install g++ python3-dev)"
        )


def train_missing(
    runs: Sequence[Run],
    store: Store,
    workspace: Path,
    workers: int,
    device: str,
    report: Callable[[Overview], None],
) -> None:
    """Train every run of the list, longest first, ``workers`` at once, and store the results.

    A run that another process is working on is left to it for as long as there are others. Ctrl-C ends the workers
    with a checkpoint each; the next call goes on from there.

    Raises:
        MissingCompiler: before anything starts.
        RunFailed: when a worker fails; the others are ended with a checkpoint.
        KeyboardInterrupt: after the workers have ended.
    """
    require_compiler(runs)
    planned = stacks(runs, device)
    total_work = sum(_work(run) for run in runs)
    started = time.monotonic()
    waiting, done, done_work, done_steps = list(planned), 0, 0.0, 0
    working: dict[_Worker, Progress] = {}
    events: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = queue.Queue()
    try:
        while waiting or working:
            while waiting and len(working) < workers:
                free = (index for index, stack in enumerate(waiting) if not _is_taken(stack, workspace))
                worker = _Worker(waiting.pop(next(free, 0)), store, workspace, device, events)
                working[worker] = worker.progress
            worker, event = events.get()
            if event is None:
                del working[worker]
                worker.raise_if_failed()
                done += len(worker.progress.runs)
                done_work += sum(_work(run) for run in worker.progress.runs)
                done_steps += worker.steps
            else:
                worker.take(event)
            progress = sum(p.share * sum(_work(run) for run in p.runs) for p in working.values())
            resumed = sum(w.resumed_share * sum(_work(run) for run in p.runs) for w, p in working.items())
            fresh, elapsed = done_work + progress - resumed, time.monotonic() - started
            left = (total_work - done_work - progress) * elapsed / fresh if fresh > 0 and elapsed > 5 else None
            steps = done_steps + sum(worker.steps for worker in working)
            speed = steps / elapsed if steps and elapsed > 5 else None
            report(Overview(done, len(runs), tuple(working.values()), left, speed))
    finally:
        for worker in working:
            worker.end()


def _is_taken(stack: Sequence[Run], workspace: Path) -> bool:
    """Whether a worker, of this process or another, holds the stack's folder."""
    try:
        with (workspace_folder(workspace, [run.key for run in stack]) / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _work(run: Run) -> float:
    return run.configuration.steps * step_operations(run.configuration)


def stacks(runs: Sequence[Run], device: str) -> list[tuple[Run, ...]]:
    """What trains together, longest first: on a CPU each run alone, on CUDA all of one architecture."""
    if not device.startswith("cuda"):
        return sorted(((run,) for run in runs), key=lambda stack: -_work(stack[0]))
    from epistemics.training import stack_key

    alike: dict[tuple[object, ...], list[Run]] = {}
    for run in sorted(runs, key=_work, reverse=True):
        alike.setdefault(stack_key(run.configuration), []).append(run)
    return [
        tuple(members[start : start + MEMBERS_AT_MOST])
        for members in alike.values()
        for start in range(0, len(members), MEMBERS_AT_MOST)
    ]


class _Worker:
    """A worker process and the thread that reads what it reports."""

    def __init__(
        self,
        runs: tuple[Run, ...],
        store: Store,
        workspace: Path,
        device: str,
        events: queue.Queue[tuple[_Worker, dict[str, Any] | None]],
    ) -> None:
        self.progress = Progress(runs)
        self.resumed_share = 0.0
        self.resumed_step = 0
        self.errors = ""
        job = {
            "configurations": [asdict(run.configuration) for run in runs],
            "keep_weights": [run.keep_weights for run in runs],
            "results": str(store.folder),
            "workspace": str(workspace),
            "device": device,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "epistemics.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=worker_environment(workspace),
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job))
        self.process.stdin.close()
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()
        threading.Thread(target=self._collect_errors, daemon=True).start()

    def _listen(self, events: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            events.put((self, json.loads(line)))
        self.process.wait()
        events.put((self, None))

    def _collect_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def take(self, event: dict[str, Any]) -> None:
        """Take over what the process reported."""
        first = self.progress.phase == "starts"
        for name in (
            "phase",
            "step",
            "train_loss",
            "validation_loss",
            "train_accuracy",
            "validation_accuracy",
        ):
            setattr(self.progress, name, event.get(name, getattr(self.progress, name)))
        if first and self.progress.step > 0:
            self.resumed_share = self.progress.share
            self.resumed_step = self.progress.step

    @property
    def steps(self) -> int:
        """Steps trained by this process, of all members together."""
        return (self.progress.step - self.resumed_step) * len(self.progress.runs)

    def raise_if_failed(self) -> None:
        if self.process.returncode != 0:
            label = self.progress.runs[0].label
            raise RunFailed(f"the run «{label}» failed:\n{self.errors.strip()}")

    def end(self) -> None:
        """Ask the process to stop with a checkpoint, and wait for it."""
        self.process.terminate()
        self.process.wait()
