"""Seconds in which a small model groks arithmetic modulo 97 from nothing, one seed after the other.

Counted is all from setting up the model to the grokking step, evaluations included: the first evaluation at which
validation accuracy is 95% and stays there for five more. What compiling takes, once for all seeds, stands beside it.

A process of its own, as a worker is: ``python -m epistemics.benchmarks.grokking`` with a configuration as JSON on
standard input.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from epistemics.lab.scheduler import RunFailed, worker_environment
from epistemics.science.configuration import BASELINE, Configuration, configuration_from_json
from epistemics.science.grokking import grokking_step
from epistemics.science.train import train

SEEDS = 5
SMALL = dataclasses.replace(
    BASELINE,
    layers=1,
    d_model=64,
    evaluate_every=50,
    stop_after_grokking=250,
    measure_every=0,
    measure_after_grokking=(),
    precision="bfloat16",
    gradient="by hand",
    compiled=True,
)
TASKS = {
    "addition, 30% of the questions": SMALL,
    "addition, half of the questions": dataclasses.replace(SMALL, train_fraction=0.5),
    "multiplication, half of the questions": dataclasses.replace(SMALL, operations=("mul",), train_fraction=0.5),
}
"""What is learned; the last is the task of cliptogrok (github.com/NiftyliuS/cliptogrok)."""


def grokking(report: Callable[[str], None]) -> list[dict[str, Any]]:
    """For each task, steps and seconds of every seed; None where one does not grok. All is compiled anew.

    Raises:
        RunFailed: if a task can't be timed.
    """
    found = []
    for name, configuration in TASKS.items():
        report(f"until it groks: {name}")
        with tempfile.TemporaryDirectory(prefix="epistemics-") as folder:
            done = subprocess.run(
                [sys.executable, "-m", "epistemics.benchmarks.grokking"],
                input=json.dumps(dataclasses.asdict(configuration)),
                capture_output=True,
                text=True,
                env=os.environ | worker_environment(Path(folder)),
            )
        if done.returncode != 0:
            raise RunFailed(f"{name} could not be timed:\n{done.stderr.strip()}")
        found.append({"name": name, **json.loads(done.stdout)})
    return found


def timed(configuration: Configuration) -> tuple[int | None, float | None]:
    """Steps and seconds of one seed."""
    seconds: dict[int, float] = {}
    started = time.perf_counter()
    for evaluation in train([configuration]):
        seconds[evaluation.state.step] = time.perf_counter() - started
    history = evaluation.state.histories[0]
    c = configuration
    grokked = grokking_step(history.step, history.validation_accuracy, c.grokking_accuracy, c.grokking_evaluations)
    return grokked, None if grokked is None else round(seconds[grokked], 2)


def main() -> int:
    """Answer with steps, seconds and what compiling took."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.set_flush_denormal(True)
    configuration = configuration_from_json(json.load(sys.stdin))
    started = time.perf_counter()
    for _ in train([dataclasses.replace(configuration, steps=50, stop_after_grokking=None)]):
        pass
    compiled = time.perf_counter() - started
    steps, seconds = zip(*(timed(dataclasses.replace(configuration, seed=s)) for s in range(SEEDS)), strict=True)
    print(json.dumps({"steps": steps, "seconds": seconds, "compile_seconds": round(compiled, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
