"""How near training and rendering are to what this machine can do, every comparison a ratio within one run.

Training: the milliseconds of a step of a plain trainer (``benchmarks/plain.py``, float32, one run at a time), of ours
on the same task, model and batch, and of nothing but the step's matrix products, one by one (the ceiling).
Rendering: what a first render, an unchanged one, an edit of prose and an edit of an experiment file take.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from epistemics.declared.experiments import load_experiment
from epistemics.declared.project import Project
from epistemics.lab.scheduler import worker_environment
from epistemics.science.configuration import Configuration

BASELINE = "phase-1-2"
"""The experiment whose first run is the baseline: 2 layers, d 128, in the paper profile."""

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


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = ""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = " ".join(lines[0].partition(":")[2].split()) if lines else ""
    return {
        "processor": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def training(project: Project, device: str, report: Report) -> dict[str, Any]:
    """Time every case in float32 and bfloat16; on a CPU, also as many processes as there are cores."""
    folder, workspace = project.folder, project.workspace
    planned = cases_on(load_experiment(project.experiments, BASELINE).runs[0].configuration, device)
    cases, joint = [], planned[1]
    for case in planned:
        report(f"{case.name}: plain")
        plain = _plain(folder, case, device)
        for precision in ("float32", "bfloat16"):
            report(f"{case.name}: ours, {precision}")
            cases.append(_case(case, precision, plain, workspace, device))
    found: dict[str, Any] = {"cases": cases}
    if device == "cpu":
        found["cores"] = [_cores(joint, precision, workspace, report) for precision in ("float32", "bfloat16")]
    found["profile"] = {}
    for precision in ("float32", "bfloat16"):
        report(f"profile, {precision}")
        (spent,) = _timed("profile", [_stack(joint, precision)], workspace, device)
        found["profile"][precision] = {name: round(ms, 3) for name, ms in spent.items()}
    return found


def _stack(case: Case, precision: str) -> list[Configuration]:
    return [dataclasses.replace(case.configuration, precision=precision, seed=seed) for seed in range(case.members)]


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


def _case(case: Case, precision: str, plain: float, workspace: Path, device: str) -> dict[str, Any]:
    stack = _stack(case, precision)
    (took,), (ready,) = _steps([stack], workspace, device)
    (ceiling,) = _timed("ceiling", [stack], workspace, device)
    ours = median(took)
    return {
        "name": case.name,
        "precision": precision,
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
        [sys.executable, "-m", "epistemics.lab.timing", what, device, str(SECONDS)],
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
    """One answer of ``epistemics.lab.timing`` for each stack, one after the other."""
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


EDITS = {
    "first": "the first time",
    "unchanged": "nothing changed",
    "prose": "a sentence changed",
    "experiment": "an experiment file changed",
}
"""Before each render that is timed, in this order: its name, and what it is to a reader."""


def rendering(folder: Path, report: Report) -> list[dict[str, Any]]:
    """Seconds of each render on a copy of the project, by the embedded renderer and by Quarto where it is."""
    renderers = {"embedded": [sys.executable, "-m", "epistemics", "render"]}
    if quarto := shutil.which("quarto"):
        renderers["quarto"] = [quarto, "render"]
    found = []
    for name, command in renderers.items():
        with tempfile.TemporaryDirectory(prefix="epistemics-bench-") as temporary:
            copy = Path(temporary) / "book"
            shutil.copytree(
                folder, copy, ignore=shutil.ignore_patterns(".*", "_site", "_book", "data", "_variables.yml")
            )
            for edit in EDITS:
                report(f"rendering: {name}, {edit}")
                _edit(copy, edit)
                started = time.perf_counter()
                environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
                done = subprocess.run(command, cwd=copy, capture_output=True, text=True, env=environment)
                took = time.perf_counter() - started
                if done.returncode != 0:
                    raise RuntimeError(f"{name} failed after the edit «{edit}»:\n{done.stdout}{done.stderr}")
                found.append({"renderer": name, "edit": edit, "seconds": round(took, 2)})
    return found


def _edit(project: Path, edit: str) -> None:
    """Make one edit in the copy."""
    if edit == "prose":
        chapter = project / "chapters" / "phase-1-1.qmd"
        chapter.write_text(chapter.read_text(encoding="utf-8") + "\nA sentence more.\n", encoding="utf-8")
    if edit == "experiment":
        path = project / "experiments" / "phase-1-1.yaml"
        text = path.read_text(encoding="utf-8").replace('title: "', 'title: "Once more, ', 1)
        path.write_text(text, encoding="utf-8")


def shown(found: dict[str, Any]) -> str:
    """The figures for a terminal."""
    lines = [", ".join(str(value) for value in found["machine"].values())]
    if "cases" in found:
        head = ("", "precision", "plain ms", "ours ms", "ratio", "member-steps/s", "GFLOP", "ceiling GFLOP/s", "share")
        rows = [head]
        for c in found["cases"]:
            values = (c["plain_ms"], c["ours_ms"], c["ratio"], c["member_steps_per_second"])
            shares = (f"{c['flop'] / 1e9:.2f}", f"{c['ceiling_gflops']:.0f}", f"{c['ceiling_share']:.0%}")
            rows.append((c["name"], c["precision"], *(f"{value:.1f}" for value in values), *shares))
        lines += ["", *_columns(rows)]
        lines += [
            "",
            "ratio: member-steps a second, ours over plain. GFLOP: of the matrix products of one step, counted",
            "(the formula is configuration.step_operations). share: what the products alone take, of a step.",
        ]
    for c in found.get("cores", []):
        lines.append(
            f"{c['processes']} processes at once, {c['precision']}: {c['all']:.0f} steps a second "
            f"against {c['one']:.0f} of one alone, {c['ratio']:.2f} times"
        )
    for precision, spent in found.get("profile", {}).items():
        total = sum(spent.values())
        lines += ["", f"where a step goes (joint, {precision}, under the profiler):"]
        for name, ms in list(spent.items())[:12]:
            lines.append(f"  {ms:7.2f} ms  {ms / total:4.0%}  {name[:90]}")
    if "rendering" in found:
        lines += [
            "",
            *_columns([("renderer", "edit", "seconds"), *(tuple(map(str, r.values())) for r in found["rendering"])]),
        ]
    return "\n".join(lines)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
