"""How far runs are that processes work on, here or elsewhere: what a display shows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from epistemics.declared.runs import Run
from epistemics.study import training_operations


@dataclass
class Progress:
    """One stack of runs that a process works on."""

    runs: tuple[Run, ...]
    phase: str = "starts"
    step: int = 0
    seen: str = ""
    """The last evaluation in a few words."""
    place: str = ""
    """Node and device, where there are several."""
    resumed_step: int = 0
    """Where this process went on from."""

    def take(self, event: Mapping[str, Any]) -> None:
        """Take over what a process reports; that it starts, too: it may be the second to work on this."""
        if event["phase"] == "starts":
            self.step = self.resumed_step = 0
        first = self.phase == "starts"
        for name in ("phase", "step", "seen"):
            setattr(self, name, event.get(name, getattr(self, name)))
        if first and self.step > 0:
            self.resumed_step = self.step

    @property
    def share(self) -> float:
        """How much of its longest possible training is done."""
        return self.step / self._longest

    @property
    def fresh_share(self) -> float:
        """How much of it this process did."""
        return (self.step - self.resumed_step) / self._longest

    @property
    def steps(self) -> int:
        """Steps trained by this process, of all members together."""
        return (self.step - self.resumed_step) * len(self.runs)

    @property
    def work(self) -> float:
        """Operations of its longest possible training, of all members together."""
        return sum(work(run) for run in self.runs)

    @property
    def _longest(self) -> int:
        return max(run.configuration.steps for run in self.runs)


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


class Account:
    """What one call has done of its runs; ``done`` more were done before it."""

    def __init__(self, runs: Sequence[Run], done: int = 0) -> None:
        self.total = done + len(runs)
        self.total_work = sum(work(run) for run in runs)
        self.started = time.monotonic()
        self.done, self.done_work, self.done_steps = done, 0.0, 0

    def finish(self, progress: Progress) -> None:
        """Count a stack as done."""
        self.done += len(progress.runs)
        self.done_work += progress.work
        self.done_steps += progress.steps

    def overview(self, working: Iterable[Progress]) -> Overview:
        """All runs now, those that are worked on among them."""
        working = tuple(working)
        progress = sum(p.share * p.work for p in working)
        fresh = self.done_work + sum(p.fresh_share * p.work for p in working)
        elapsed = time.monotonic() - self.started
        left = (self.total_work - self.done_work - progress) * elapsed / fresh if fresh > 0 and elapsed > 5 else None
        steps = self.done_steps + sum(p.steps for p in working)
        speed = steps / elapsed if steps and elapsed > 5 else None
        return Overview(self.done, self.total, working, left, speed)


def work(run: Run) -> float:
    """Operations of a run's longest possible training."""
    return training_operations(run.configuration, run.configuration.steps, 0)
