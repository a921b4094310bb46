"""What Ray and the driver cost, measured on this machine: writes src/epistemics/chapters/cluster/measured.py.

    python benchmarks/cluster.py

Tasks that sleep stand in for training, so that a worker needs no core of its own; all else is what `epistemics run --on
ray` does. It takes about three minutes on a machine with nothing else to do.
"""

from __future__ import annotations

import os
import pprint
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from typing import Any

from epistemics.declared.experiments import load_experiment
from epistemics.declared.project import find_project
from epistemics.declared.runs import Run
from epistemics.lab import elsewhere as remote
from epistemics.lab import ray_cluster as cluster
from epistemics.lab.provenance import processor
from epistemics.lab.status import status
from epistemics.store.store import Store

WORKERS = (1, 2, 4, 8)
TASKS = 8  # for each worker
SECONDS = 1.0  # of each task
HEADER = '''"""What Ray and the driver cost: written by `python benchmarks/cluster.py`, not by hand."""

from typing import Any

MEASURED: dict[str, Any] = '''


def slept(asked: str, reports: Any, stack: int) -> dict[str, Any]:
    """Stands in for ``cluster.make``: sleeps, and says when."""
    import ray

    begin = time.time()
    time.sleep(SECONDS)
    with (Path(asked) / str(stack)).open("w") as file:
        file.write(f"{begin} {time.time()}")
    return {"made": {}, "node": ray.get_runtime_context().get_node_id(), "gpus": []}


def row(workers: int, run: Run) -> dict[str, float]:
    """One cluster of so many logical cores, with tasks for each."""
    with tempfile.TemporaryDirectory() as folder:
        times, work = Path(folder) / "times", Path(folder) / "work"
        times.mkdir()
        stacks = [(replace_seed(run, seed),) for seed in range(TASKS * workers)]
        asked, made = remote.request, cluster.make
        called = time.time()
        try:
            with cluster.joined("ray", workers):
                joined = time.time()
                cluster.make = slept
                remote.request = lambda runs, *rest: str(times) if len(runs) == 1 else asked(runs, *rest)
                cluster.train_on_cluster(stacks, Store(work / "results"), work, "cpu", cluster.Needs(), lambda _: None)
        finally:
            remote.request, cluster.make = asked, made
        spans = [tuple(map(float, path.read_text().split())) for path in times.iterdir()]
    first, last = min(begin for begin, _ in spans), max(end for _, end in spans)
    return {
        "workers": workers,
        "tasks": len(spans),
        "cluster_seconds": round(joined - called, 2),
        "start_seconds": round(first - called, 2),
        "busy_seconds": round(last - first, 2),
        "overhead_seconds": round((last - first) / TASKS - SECONDS, 3),
    }


def replace_seed(run: Run, seed: int) -> Run:
    return replace(run, configuration=replace(run.configuration, seed=seed))


def timed(what: Any, times: int) -> float:
    """Seconds of a call, the median of some."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        what()
        found.append(time.perf_counter() - begin)
    return median(found)


def main() -> None:
    project = find_project("paper")
    run = load_experiment(project.experiments, "phase-1-2", "paper").runs[0]
    store = Store(project.results)
    keys = store.keys()
    load = os.getloadavg()[0]
    rows = [row(workers, run) for workers in WORKERS]
    short = replace(run.configuration, steps=20, evaluate_every=10, measure_every=0, stop_after_grokking=None)
    short = replace(short, measure_after_grokking=(), layers=1, d_model=8, heads=2, modulus=11, batch_size=16)
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        asked = [remote.request([replace_seed(Run("", "", "", short, False), s)], there, "cpu") for s in range(3)]
        process = timed(lambda: remote.made(asked.pop(), lambda _: None), 3)
        made = {run.key: store.files(run.key)}
        received = timed(lambda: remote.receive(made, Store(there / "received")), 30)
        checked = timed(lambda: status([run], store), 30)
    measured = {
        "machine": processor(),
        "cores": os.cpu_count(),
        "load": load,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: version(name) for name in ("ray", "torch")},
        "task_seconds": SECONDS,
        "rows": rows,
        "process_seconds": round(process, 2),
        "receive_seconds": round(received, 4),
        "check_seconds": round(checked, 4),
        "result_bytes": round(mean(sum(map(len, store.files(key).values())) for key in keys)),
    }
    target = project.folder / "src" / "epistemics" / "experiments" / "cluster_measured.py"
    target.write_text(HEADER + pprint.pformat(measured, sort_dicts=False) + "\n")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(target)], check=True)
    print(target.read_text())


if __name__ == "__main__":
    main()
