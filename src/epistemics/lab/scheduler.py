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
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from epistemics.declared.project import moments_folder
from epistemics.declared.runs import Run
from epistemics.lab.moments import Moments
from epistemics.lab.progress import Account, Overview, Progress, work
from epistemics.store.store import Store
from epistemics.study import Configuration, configuration_from_json, is_compiled, stack_key

CHECKPOINT_SECONDS = 30.0

MEMBERS_AT_MOST = 64
"""Members of one stack on a CUDA device."""

Event = dict[str, Any]
Events = queue.Queue[tuple["Worker", Event | None]]
"""What workers report; None when one has ended."""


def worker_environment(workspace: Path) -> dict[str, str]:
    """One thread a process, and this very package; compiled steps are kept in the workspace, for the next process.

    A step allocates and frees some tens of megabytes. glibc would give them back and fault them in again, page by
    page, at every step; kept, and in huge pages, they cost nothing (a quarter of a step on the CPU that was measured).
    """
    compiled = str((workspace / "compiled").resolve())
    memory = {"hugetlb": 1, "mmap_max": 0, "trim_threshold": 1 << 36, "top_pad": 1 << 28}
    tunables = ":".join(f"glibc.malloc.{name}={value}" for name, value in memory.items())
    settings = {"TORCHINDUCTOR_CACHE_DIR": compiled, "GLIBC_TUNABLES": tunables} | os.environ
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    return settings | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def workspace_folder(workspace: Path, keys: Sequence[str]) -> Path:
    """Where a stack has its checkpoint: another stack, even with the same first members, has another."""
    name = keys[0] if len(keys) == 1 else hashlib.sha256("-".join(keys).encode()).hexdigest()[:16]
    return workspace / "runs" / name


class RunFailed(RuntimeError):
    """A worker ended with an error; the message holds what it printed."""


class MissingCompiler(RuntimeError):
    """Compiled training steps need a C++ compiler, and there is none."""


def require_compiler(runs: Iterable[Run]) -> None:
    """Raise MissingCompiler if any of the runs has its step compiled and no C++ compiler is on the PATH."""
    compilers = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    if any(is_compiled(run.configuration) for run in runs) and not any(c and shutil.which(c) for c in compilers):
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

    A run that continues another waits for it. One that another process is working on is left to it for as long as there
    are others. Ctrl-C ends the workers with a checkpoint each; the next call goes on from there.

    Raises:
        MissingCompiler, SpecificationError: before anything starts; the latter if moments can't be kept.
        RunFailed: after all others are trained, if some fail: which, and why. Where the first ones all fail, two or as
            many as work at once, the fault is hardly theirs, and nothing more is begun.
        KeyboardInterrupt: after the workers have ended.
    """
    require_compiler(runs)
    Moments(moments_folder(workspace)).require()
    waiting, account = stacks(runs, device), Account(runs)
    failures: list[str] = []
    ended = failed = 0
    working: list[Worker] = []
    events: Events = queue.Queue()
    try:
        while waiting or working:
            while waiting and len(working) < workers:
                unmade = {run.key for stack in (*waiting, *(w.progress.runs for w in working)) for run in stack}
                ready = [i for i, stack in enumerate(waiting) if not any(needed(run) in unmade for run in stack)]
                if not ready:  # all that is left continues what is being trained
                    break
                free = (index for index in ready if not _is_taken(waiting[index], workspace))
                working.append(Worker(waiting.pop(next(free, ready[0])), store, workspace, device, events))
            worker, event = events.get()
            if event is None:
                working.remove(worker)
                ended += 1
                account.finish(worker.progress)
                if worker.process.returncode != 0:
                    failed += 1
                    failures += [worker.failure(), *_without(waiting, worker.progress.runs)]
                    if failed == ended == max(2, workers):
                        break
            else:
                worker.progress.take(event)
            report(account.overview(worker.progress for worker in working))
    finally:
        for worker in working:
            worker.end()
    if failures:
        raise RunFailed("\n".join(failures))


def needed(run: Run) -> str | None:
    """Key of the run that has to be stored before this one can begin."""
    return run.continues.key if run.continues else None


def _without(waiting: list[tuple[Run, ...]], failed: Iterable[Run]) -> list[str]:
    """Take out of what waits all that continues a run that failed; what there is to say of each."""
    lost, said = {run.key for run in failed}, []
    while found := next((s for s in waiting if any(needed(run) in lost for run in s)), None):
        waiting.remove(found)
        lost |= {run.key for run in found}
        said += [f"the run «{run.label}» was not trained, for it continues one that failed" for run in found]
    return said


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


def stacks(runs: Sequence[Run], device: str) -> list[tuple[Run, ...]]:
    """What trains together, longest first: on a CPU each run alone, on CUDA all of one architecture."""
    if not device.startswith("cuda"):
        return sorted(((run,) for run in runs), key=lambda stack: -work(stack[0]))
    alike: dict[tuple[object, ...], list[Run]] = {}
    for run in sorted(runs, key=work, reverse=True):
        # Not together with what it continues.
        alike.setdefault((stack_key(run.configuration), _depth(run)), []).append(run)
    return [
        tuple(members[start : start + MEMBERS_AT_MOST])
        for members in alike.values()
        for start in range(0, len(members), MEMBERS_AT_MOST)
    ]


def _depth(run: Run) -> int:
    """How many runs have to be trained one after the other before this one."""
    return 0 if run.continues is None else 1 + _depth(run.continues)


@dataclass(frozen=True)
class Job:
    """What a worker is asked to do."""

    configurations: list[Configuration]
    """One for each member of the stack."""
    keep_weights: list[bool]
    """For each member, whether its parameters at the end are stored."""
    results: Path
    workspace: Path
    device: str
    measure: list[list[str]] = field(default_factory=list)
    """For each member, the families of measures that it asks for; empty if none does."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Time between checkpoints; Ctrl-C writes one at once."""

    def to_json(self) -> str:
        """For the worker's standard input."""
        return json.dumps(asdict(self), default=str)

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
            content["measure"],
            content["checkpoint_seconds"],
        )


class Worker:
    """A worker process and the thread that reads what it reports."""

    def __init__(self, runs: tuple[Run, ...], store: Store, workspace: Path, device: str, events: Events) -> None:
        self.progress = Progress(runs)
        self.errors = ""
        job = Job(
            configurations=[run.configuration for run in runs],
            keep_weights=[run.keep_weights for run in runs],
            measure=[list(run.measure) for run in runs],
            results=store.folder,
            workspace=workspace,
            device=device,
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "epistemics.lab.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=worker_environment(workspace),
        )
        assert self.process.stdin is not None
        self.process.stdin.write(job.to_json())
        self.process.stdin.close()
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()
        self._collector = threading.Thread(target=self._collect_errors, daemon=True)
        self._collector.start()

    def _listen(self, events: Events) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            events.put((self, json.loads(line)))
        self.process.wait()
        events.put((self, None))

    def _collect_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def raise_if_failed(self) -> None:
        if self.process.returncode != 0:
            raise RunFailed(self.failure())

    def failure(self) -> str:
        """Which run it was that failed, and why."""
        self._collector.join()
        parts = [f"the run «{self.progress.runs[0].label}» failed:"]
        if self.process.returncode < 0:  # it had no time for words of its own
            name = signal.Signals(-self.process.returncode).name
            memory = ", as when the memory of the machine runs out" if name == "SIGKILL" else ""
            parts.append(f"it was killed by {name}{memory}")
        return "\n".join(filter(None, [*parts, self.errors.strip()]))

    def end(self) -> None:
        """Ask the process to stop with a checkpoint, and wait for it."""
        self.process.terminate()
        self.process.wait()
