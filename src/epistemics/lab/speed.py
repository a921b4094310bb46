"""What training costs on this machine: its speed, timed once and kept in the workspace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from epistemics.lab.parts import TRAINING, function_of
from epistemics.lab.scheduler import RunFailed, worker_environment
from epistemics.store.files import write_atomically
from epistemics.study import (
    Configuration,
    configuration_from_json,
    kind_of_step,
    shortened,
    smallest,
    training_operations,
)


@dataclass(frozen=True)
class Speed:
    """What one process on this machine was measured to do in training."""

    operations_per_second: float
    """Floating-point operations a second, in matrix products and all that goes with them."""
    overhead: float
    """Seconds of a step that do not depend on the size of the model."""

    def seconds(self, configuration: Configuration) -> float:
        """What a run takes at most: all of its steps, evaluations included, measures not."""
        c = configuration
        work = training_operations(c, c.steps, c.steps // c.evaluate_every + 1)
        return work / self.operations_per_second + c.steps * self.overhead


def measured_speed(workspace: Path, configuration: Configuration, announce: Callable[[str], None]) -> Speed:
    """This machine's speed at a configuration's kind of step: its own and a small one are timed once, and kept.

    Raises:
        RunFailed: if they can't be timed.
    """
    path = workspace / "speeds.json"
    name = kind_of_step(configuration)
    known: dict[str, dict[str, float]] = {}
    with suppress(OSError, ValueError):  # none yet, or damaged: timed again
        known = json.loads(path.read_text())
    if name not in known:
        announce(f"timing a training step in {name} on this machine, once")
        command = [sys.executable, "-m", "epistemics.lab.speed"]
        done = subprocess.run(
            command,
            input=json.dumps(asdict(configuration)),
            text=True,
            capture_output=True,
            env=worker_environment(workspace),
        )
        if done.returncode != 0:
            raise RunFailed(f"a training step in {name} could not be timed:\n{done.stderr.strip()}")
        known[name] = json.loads(done.stdout)
        workspace.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(known, indent=1, sort_keys=True).encode())
    return Speed(**known[name])


def training_speed(configuration: Configuration) -> Speed:
    """What this machine does in training, from the configuration and from the smallest model of its kind."""
    train, every = function_of(TRAINING), 20

    def timed(c: Configuration) -> float:
        """Seconds of ``every`` steps and an evaluation: the median of six goes."""
        moments = [time.monotonic() for _ in train([shortened(c, 7 * every, every)], "cpu")]
        return median(after - before for before, after in pairwise(moments[1:]))

    (large, large_work), (small, small_work) = (
        (timed(c), training_operations(c, every, 1)) for c in (configuration, smallest(configuration))
    )
    if large <= small or large_work <= small_work:  # nothing but overhead can be told apart
        return Speed(large_work / large, 0.0)
    speed = (large_work - small_work) / (large - small)
    return Speed(speed, max(0.0, small - small_work / speed) / every)


def main() -> None:
    """For ``measured_speed``, in a process like a worker's: a configuration in, its speed out."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    print(json.dumps(asdict(training_speed(configuration_from_json(json.loads(sys.stdin.read()))))))


if __name__ == "__main__":
    main()
