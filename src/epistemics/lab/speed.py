"""What training costs on this machine: its speed, timed once and kept in the workspace."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from epistemics.lab.scheduler import worker_environment
from epistemics.science.configuration import Configuration, training_operations


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
    """This machine's speed at a configuration's precision: its own step and a small one are timed once, and kept in the
    workspace.
    """
    path = workspace / "speeds.json"
    name = f"{configuration.precision}{' compiled' if configuration.compiled else ''}"
    known: dict[str, dict[str, float]] = {}
    if path.is_file():
        known = json.loads(path.read_text())
    if name not in known:
        announce(f"timing a training step in {name} on this machine, once")
        command = [sys.executable, "-m", "epistemics.lab.worker", "--time"]
        done = subprocess.run(
            command,
            input=json.dumps(asdict(configuration)),
            text=True,
            capture_output=True,
            check=True,
            env=worker_environment(workspace),
        )
        known[name] = json.loads(done.stdout)
        workspace.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1, sort_keys=True))
    return Speed(**known[name])
