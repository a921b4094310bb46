"""Milliseconds of a step: a plain trainer's, ours, and what nothing but its matrix products takes (the ceiling).

The plain trainer (``benchmarks/plain.py``) is float32 and trains one run at a time; task, model and batch are the same.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from epistemics.declared.experiments import load_experiment
from epistemics.declared.project import Project
from epistemics.lab.scheduler import worker_environment
from epistemics.science.configuration import NAMES, Configuration

BASELINE = "phase-1-2"
"""The experiment whose first run is the baseline: 2 layers, d 128, in the paper profile."""

PRECISIONS = ("float32", "bfloat16")
SECONDS = 4.0
"""For how long one thing is timed."""


@dataclass(frozen=True)
class Case:
    """What is timed: a stack of one configuration's seeds."""

    name: str
    configuration: Configuration
    members: int = 1


def cases_on(base: Configuration, device: str) -> list[Case]:
    """The cases around a baseline; the second is the one that is also profiled, and run on every core."""
    change = dataclasses.replace
    joint = change(base, operations=("add", "mul"))
    cases = [
        Case("single task", base),
        Case("joint", joint),
        Case("joint, adversarial", change(joint, adversarial_weight=0.1, adversarial_from=0)),
        Case("single task, 1 layer, d 64", change(base, layers=1, d_model=64)),
        Case("single task, stack of 16", base, 16),
    ]
    if device != "cpu":
        cases += [Case(f"single task, stack of {members}", base, members) for members in (64, 256)]
    return cases


Report = Callable[[str], None]


def training(project: Project, device: str, report: Report) -> dict[str, Any]:
    """Time every case in float32 and bfloat16; on a CPU, also as many processes as there are cores."""
    folder, workspace = project.folder, project.workspace
    planned = cases_on(load_experiment(project.experiments, BASELINE).runs[0].configuration, device)
    cases, joint = [], planned[1]
    for case in planned:
        report(f"{case.name}: plain")
        plain = _plain(folder, case, device)
        for precision, gradient in product(PRECISIONS, NAMES["gradient"]):
            report(f"{case.name}: ours, {precision}, gradient {gradient}")
            cases.append(_case(case, precision, gradient, plain, workspace, device))
    found: dict[str, Any] = {"cases": cases}
    if device == "cpu":
        found["cores"] = [_cores(joint, precision, workspace, report) for precision in PRECISIONS]
    found["profile"] = {}
    for precision, gradient in product(PRECISIONS, NAMES["gradient"]):
        report(f"profile, {precision}, gradient {gradient}")
        (spent,) = _timed("profile", [_stack(joint, precision, gradient)], workspace, device)
        found["profile"][f"{precision}, gradient {gradient}"] = {name: round(ms, 3) for name, ms in spent.items()}
    return found


def _stack(case: Case, precision: str, gradient: str = "autograd") -> list[Configuration]:
    made = dataclasses.replace(case.configuration, precision=precision, gradient=gradient)
    return [dataclasses.replace(made, seed=seed) for seed in range(case.members)]


def _plain(folder: Path, case: Case, device: str) -> float:
    """Milliseconds of a step of the plain trainer: the median."""
    done = subprocess.run(
        [sys.executable, str(folder / "benchmarks/plain.py"), "--seconds", str(SECONDS), "--device", device],
        input=json.dumps(asdict(case.configuration)),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    took: list[float] = json.loads(done.stdout)
    if case.configuration.adversarial_weight:  # a penalised step is another kind of step: the mean holds both
        return sum(took) / len(took)
    return median(took)


def _case(case: Case, precision: str, gradient: str, plain: float, workspace: Path, device: str) -> dict[str, Any]:
    stack = _stack(case, precision, gradient)
    (took,), (ready,) = _steps([stack], workspace, device)
    (ceiling,) = _timed("ceiling", [stack], workspace, device)
    ours = median(took)
    return {
        "name": case.name,
        "precision": precision,
        "gradient": gradient,
        "members": case.members,
        "plain_ms": round(plain, 3),
        "ours_ms": round(1000 * ours, 3),
        "ratio": round(plain * case.members / (1000 * ours), 2),
        "member_steps_per_second": round(case.members / ours, 1),
        "flop": ceiling["operations"],
        "ceiling_gflops": round(ceiling["operations"] / ceiling["seconds"] / 1e9, 1),
        "ceiling_share": round(ceiling["seconds"] / ours, 3),
        "compile_seconds": ready["compile_seconds"],
    }


def _cores(case: Case, precision: str, workspace: Path, report: Report) -> dict[str, Any]:
    """Steps a second of one process, and of one on each core at the same time."""
    cores = os.cpu_count() or 1
    report(f"{case.name}: {cores} processes at once, {precision}")
    speeds = []
    for count in (1, cores):
        took, _ = _steps([_stack(case, precision)] * count, workspace, "cpu")
        speeds.append(sum(1 / median(one) for one in took))
    return {
        "precision": precision,
        "processes": cores,
        "one": round(speeds[0], 1),
        "all": round(speeds[1], 1),
        "ratio": round(speeds[1] / speeds[0], 2),
    }


def _start(what: str, stack: Sequence[Configuration], workspace: Path, device: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "epistemics.benchmarks.timing", what, device, str(SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=worker_environment(workspace),
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps([asdict(c) for c in stack]) + "\n")
    process.stdin.flush()
    return process


def _timed(what: str, stacks: list[list[Configuration]], workspace: Path, device: str) -> list[Any]:
    """One answer of ``epistemics.benchmarks.timing`` for each stack, one after the other."""
    return [json.loads(_answer(_start(what, stack, workspace, device))) for stack in stacks]


def _steps(stacks: list[list[Configuration]], workspace: Path, device: str) -> tuple[list[list[float]], list[Any]]:
    """Seconds a step of each stack, all timed at the same moment, and what each said when it was ready."""
    processes = [_start("steps", stack, workspace, device) for stack in stacks]
    ready = [json.loads(_line(process)) for process in processes]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [json.loads(_answer(process)) for process in processes], ready


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _answer(process: subprocess.Popen[str]) -> str:
    line = _line(process)
    if process.wait() != 0:
        raise RuntimeError(f"{' '.join(map(str, process.args))} failed")  # type: ignore[arg-type]
    return line
