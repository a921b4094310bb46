"""What the log costs on a cluster: measured of Ray and the driver, computed of GPUs from named assumptions.

No H100 was measured. A stack of n members that trains for s steps is taken to last

    process + s · (overhead + n · operations of a step / speed) + n · measures

where the operations are counted (``arithmetic.training_operations``), steps and the seconds of a process and of
measures are those measured on a CPU, and overhead and speed are assumed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import median

from epistemics.analysis.provenance_line import published, traced
from epistemics.analysis.stored_runs import load_every
from epistemics.analysis.tables import Shown, Table, listed, number, percent, table_of
from epistemics.chapters.cluster.measured import MEASURED
from epistemics.chapters.contents import Share
from epistemics.declared.project import Project
from epistemics.declared.runs import Run
from epistemics.lab.scheduler import MEMBERS_AT_MOST, stacks
from epistemics.science.arithmetic import training_operations
from epistemics.science.configuration import Configuration

SEEDS = (8, 64, 512)
GPUS = (1, 8, 64)

PEAK = {"bfloat16": 989e12, "float32": 67e12, "float64": 67e12}
"""Operations a second of an H100 SXM in dense matrix products, of NVIDIA's data sheet; float32 without TF32."""


@dataclass(frozen=True)
class Assumption:
    """What an H100 is assumed to do in our training."""

    name: str
    share_of_peak: float
    """Of ``PEAK``, over the whole of a step."""
    step_seconds: float
    """Of a step whatever its size: the launch of a recorded graph, and what it waits for."""


ASSUMED = (Assumption("fast", 0.20, 0.2e-3), Assumption("slow", 0.02, 1e-3))


@dataclass(frozen=True)
class Cost:
    """What one configuration took, as the median of its stored seeds."""

    run: Run
    steps: int
    seconds: float
    """Of training, on one core."""
    measure_seconds: float
    """Of its measures, on one core."""


def costs(project: Project) -> list[Cost]:
    """Every configuration of every experiment, once, whichever experiments share it."""
    alike: dict[Configuration, dict[str, tuple[Run, int, float, float]]] = {}
    for results in load_every(project).values():
        for r in results:
            took = r.result.provenance
            found = (r.run, r.metrics["final_step"], took["seconds"], took.get("measure_seconds", 0.0))
            alike.setdefault(replace(r.configuration, seed=0), {})[r.run.key] = found
    return [
        Cost(
            next(iter(seeds.values()))[0],
            max(steps for _, steps, _, _ in seeds.values()),
            median(seconds for _, _, seconds, _ in seeds.values()),
            median(seconds for _, _, _, seconds in seeds.values()),
        )
        for seeds in alike.values()
    ]


@cache
def _planned(known: tuple[Cost, ...], seeds: int) -> list[list[Cost]]:
    """The stacks of so many seeds of every configuration, as the scheduler makes them."""
    by_configuration = {replace(cost.run.configuration, seed=0): cost for cost in known}
    runs = [
        replace(cost.run, configuration=replace(cost.run.configuration, seed=seed))
        for cost in known
        for seed in range(seeds)
    ]
    return [[by_configuration[replace(run.configuration, seed=0)] for run in stack] for stack in stacks(runs, "cuda")]


def training_seconds(stack: Sequence[Cost], assumed: Assumption) -> float:
    """Of one stack on one H100: every member is trained for as long as the longest needs."""
    steps = max(cost.steps for cost in stack)
    operations = sum(_operations(cost.run.configuration, steps) for cost in stack)
    speed = assumed.share_of_peak * PEAK[stack[0].run.configuration.precision]
    return steps * assumed.step_seconds + operations / speed


def measuring_seconds(stack: Iterable[Cost]) -> float:
    """Of one stack on the one core that its process has: the members' measures, one after the other."""
    return sum(cost.measure_seconds for cost in stack)


def makespan(lengths: Iterable[float], machines: int) -> float:
    """Seconds until all is done if whichever machine is free takes the next, in the order given."""
    busy = [0.0] * machines
    for length in lengths:
        heapq.heappush(busy, heapq.heappop(busy) + length)
    return max(busy)


def log_costs(known: Sequence[Cost]) -> Table:
    """The whole log at more seeds on more GPUs, under each assumption."""
    rows = []
    for seeds in SEEDS:
        planned = _planned(tuple(known), seeds)
        for assumed in ASSUMED:
            training = [training_seconds(stack, assumed) for stack in planned]
            whole = [
                MEASURED["process_seconds"] + t + measuring_seconds(s) for t, s in zip(training, planned, strict=True)
            ]
            for gpus in GPUS:
                rows.append(
                    {
                        "seeds": seeds,
                        "runs": seeds * len(known),
                        "stacks": len(planned),
                        "assumption": assumed.name,
                        "gpus": gpus,
                        "hours": makespan(whole, gpus) / 3600,
                        "hours_of_training_alone": makespan(training, gpus) / 3600,
                        "longest_stack_hours": max(whole) / 3600,
                        "core_hours": seeds * sum(cost.seconds + cost.measure_seconds for cost in known) / 3600,
                    }
                )
    return table_of(rows)


def overheads() -> Table:
    """What was measured of Ray, one row for each number of logical workers."""
    return table_of(MEASURED["rows"])


@traced
def shown_overheads(overheads: Table) -> Shown:
    """The same for reading."""
    rows = [
        [
            number(r["workers"]),
            number(r["tasks"]),
            number(r["cluster_seconds"], 1),
            number(r["start_seconds"], 1),
            number(r["busy_seconds"], 1),
            number(1000 * r["overhead_seconds"]),
        ]
        for r in overheads.records()
    ]
    return Shown(["Workers", "Tasks", "Cluster up, s", "First task, s", "All tasks, s", "Over a task, ms"], rows)


@traced
def shown_log_costs(table: Table) -> Shown:
    """Hours, as the range of the two assumptions."""
    rows = []
    for seeds in SEEDS:
        chosen = table.where(seeds=seeds)
        first = next(chosen.records())
        cells = [_range(chosen.where(gpus=gpus).column("hours")) for gpus in GPUS]
        rows.append([f"{seeds}", number(first["runs"]), number(first["stacks"]), number(first["core_hours"]), *cells])
    return Shown(["Seeds", "Runs", "Stacks", "Core hours", *(f"{gpus} H100" for gpus in GPUS)], rows)


def _range(hours: Sequence[float]) -> str:
    low, high = (number(h, 1 if h < 10 else 0) for h in (min(hours), max(hours)))
    return low if low == high else f"{low}–{high}"


def _operations(configuration: Configuration, steps: int) -> float:
    return training_operations(configuration, steps, steps // configuration.evaluate_every + 1)


def tables(known: Sequence[Cost]) -> dict[str, Table]:
    """What the chapter prints and draws, by name."""
    return published(__name__, {"overheads": overheads(), "log": log_costs(known)})


def numbers(known: Sequence[Cost]) -> dict[str, str]:
    """The numbers of the chapter's prose."""
    table, measuring = log_costs(known), sum(cost.measure_seconds for cost in known)
    few, most = (table.where(seeds=seeds, gpus=GPUS[-1]) for seeds in (SEEDS[0], SEEDS[-1]))
    runs, measured = most.column("runs")[0], MEASURED
    return {
        "gpus": listed([str(gpus) for gpus in GPUS]),
        "seeds": listed([str(seeds) for seeds in SEEDS]),
        "few_seeds": str(SEEDS[0]),
        "most_seeds": str(SEEDS[-1]),
        "most_gpus": str(GPUS[-1]),
        "peak_bfloat16": number(PEAK["bfloat16"] / 1e12),
        "peak_float32": number(PEAK["float32"] / 1e12),
        "machine": measured["machine"],
        "cores": str(measured["cores"]),
        "load": f"{measured['load']:.1f}",
        "date": measured["date"],
        "ray": measured["versions"]["ray"],
        "torch": measured["versions"]["torch"],
        "task_seconds": f"{measured['task_seconds']:g}",
        "process": f"{measured['process_seconds']:.1f}",
        "receive": f"{1000 * measured['receive_seconds']:.1f}",
        "check": f"{1000 * measured['check_seconds']:.1f}",
        "configurations": str(len(known)),
        "hours_of_a_seed": f"{sum(cost.seconds for cost in known) / 3600:.1f}",
        "measure_seconds": number(measuring / len(known)),
        "measure_minutes": number(MEMBERS_AT_MOST * measuring / len(known) / 60),
        "members": str(MEMBERS_AT_MOST),
        "assumed_fast": _said(ASSUMED[0]),
        "assumed_slow": _said(ASSUMED[1]),
        "few_stacks": str(few.column("stacks")[0]),
        "few_longest": _range(few.column("longest_stack_hours")),
        "most_runs": number(runs),
        "most_hours": _range(most.column("hours")),
        "most_alone": _range(most.column("hours_of_training_alone")),
        "arrive": f"{runs / 3600 / min(most.column('hours')):.1f}",
        "arrive_alone": f"{runs / 3600 / min(most.column('hours_of_training_alone')):.0f}",
        "driver": number(1 / measured["receive_seconds"]),
        "check_all": number(runs * measured["check_seconds"]),
        "kilobytes": number(measured["result_bytes"] / 1e3),
        "gigabytes": f"{runs * measured['result_bytes'] / 1e9:.1f}",
    }


def _said(assumed: Assumption) -> str:
    share, step = percent(assumed.share_of_peak), f"{1000 * assumed.step_seconds:g} ms"
    return f"{share} of the peak and {step} a step"


def share(project: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    known = costs(project)
    return numbers(known), tables(known)
