"""Runs on a Ray cluster: Ray decides where and when, our worker process trains, the one store takes what it makes.

A task is a stack of runs, as in ``scheduler``; it declares its cores and GPUs to Ray, and Ray starts it elsewhere if
its process or its node dies. Requests and results are JSON and bytes (``elsewhere``); what Ray pickles of ours is the
name of the function ``make``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epistemics.declared.runs import Run
from epistemics.lab import elsewhere
from epistemics.lab.progress import Account, Overview, Progress
from epistemics.lab.scheduler import RunFailed
from epistemics.store.store import Store

RETRIES = 5
"""How often a task is started again after its process or node has died."""

POLL_SECONDS = 0.5
SECONDS_TO_STOP = 30.0
"""What a cancelled task has to write its checkpoint, before it is killed."""


class NoCluster(RuntimeError):
    """There is no Ray, no cluster at an address, or none with what a run needs."""


@dataclass(frozen=True)
class Needs:
    """What a task declares to Ray."""

    cpus: float = 1.0
    gpus: float = 0.0
    """A fraction lets several stacks share a GPU."""

    def __post_init__(self) -> None:
        if self.gpus < 0 or (self.gpus > 1 and self.gpus % 1):
            raise NoCluster(f"--gpu-share: {self.gpus:g} must be a fraction of a GPU, or a whole number of them")


@contextmanager
def joined(on: str, workers: int) -> Iterator[str]:
    """A Ray cluster for as long as the context lasts; yields what it is, for people.

    Args:
        on: ``ray`` for the cluster of RAY_ADDRESS or else a local one, or the address of one as ``ray://HOST:PORT``.
        workers: CPU cores of a local one.

    Raises:
        NoCluster: if Ray is not installed, or there is no cluster at the address.
    """
    if on != "ray" and not on.startswith("ray://"):
        raise NoCluster(f"--on: {on!r} is no cluster; write ray, or ray://HOST:PORT")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # of a local cluster: no less than a local run has
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a task without GPU sees what its node sees
    try:
        import ray
    except ImportError as error:
        raise NoCluster("--on needs Ray: pip install 'epistemics[cluster]'") from error
    address = on if on != "ray" else os.environ.get("RAY_ADDRESS") or "local"
    local = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": 200_000_000}
    try:
        ray.init(address, log_to_driver=False, logging_level="error", **(local if address == "local" else {}))
    except Exception as error:  # Ray raises that very class, too
        token = "" if address == "local" else " (does it want RAY_AUTH_MODE=token and RAY_AUTH_TOKEN?)"
        raise NoCluster(f"there is no Ray cluster at {address}{token}: {error}") from error
    try:
        there, nodes = ray.cluster_resources(), [node for node in ray.nodes() if node["Alive"]]
        what = "a local Ray cluster" if address == "local" else f"the Ray cluster at {address}"
        yield f"{what}: nodes {len(nodes)}, CPU cores {there.get('CPU', 0):g}, GPUs {there.get('GPU', 0):g}"
    finally:
        ray.shutdown()


def train_on_cluster(
    stacks: Sequence[tuple[Run, ...]],
    store: Store,
    workspace: Path,
    device: str,
    needs: Needs,
    report: Callable[[Overview], None],
) -> None:
    """Train stacks on the cluster that was joined, in this order where there is a choice, and store what they make.

    Results that a node made for a caller who died before they came are stored first. Ctrl-C ends our tasks, each with
    a checkpoint; the next call goes on from those that its nodes can read.

    Raises:
        NoCluster: if no node has what a task needs.
        RunFailed: when a run fails, or when a node has another version; our other tasks are ended.
        KeyboardInterrupt: after our tasks have ended.
    """
    import ray
    from ray.util.queue import Queue

    names = _names(needs)
    made = _held([run for stack in stacks for run in stack], workspace, device, names)
    elsewhere.receive(made, store)
    left = [stack for stack in stacks if not all(run.key in made for run in stack)]
    account = Account(
        [run for stack in left for run in stack], sum(len(stack) for stack in stacks if stack not in left)
    )
    reports = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": _on(ray.get_runtime_context().get_node_id())})
    task = ray.remote(
        num_cpus=needs.cpus, num_gpus=needs.gpus, max_retries=RETRIES, retry_exceptions=[ChildProcessError]
    )(make)
    pending: dict[Any, Progress] = {}
    try:
        for number, stack in enumerate(left):
            asked = elsewhere.request(stack, workspace, device)
            pending[task.options(name=stack[0].label).remote(asked, reports.actor, number)] = Progress(stack)
        progresses, polled = list(pending.values()), 0.0
        while pending:
            for ended in ray.wait(list(pending), num_returns=1, timeout=POLL_SECONDS)[0]:
                outcome = _outcome(ended, pending[ended], names)
                elsewhere.receive(outcome["made"], store)
                if "error" in outcome:
                    raise RunFailed(f"{_place(outcome, names)}: {outcome['error']}")
                account.finish(pending.pop(ended))
            if time.monotonic() - polled > POLL_SECONDS:
                for said in _taken(reports.actor):
                    progresses[said["stack"]].take(said["event"])
                    progresses[said["stack"]].place = _place(said, names)
                polled = time.monotonic()
            report(account.overview(progress for progress in pending.values() if progress.place))
    finally:
        _cancel(list(pending))
        ray.kill(reports.actor)


def make(asked: str, reports: Any, stack: int) -> dict[str, Any]:
    """The task: make what is asked for on the node where it finds itself.

    Returns:
        ``made``, the results as files; ``node`` and ``gpus``, where it was; ``error`` if the run failed, which is not
        tried again.

    Raises:
        ChildProcessError: as ``elsewhere.made``; Ray tries again, here or elsewhere.
    """
    import ray

    place = {"node": ray.get_runtime_context().get_node_id(), "gpus": ray.get_gpu_ids()}

    def report(event: Mapping[str, Any]) -> None:
        reports.put_nowait.remote(json.dumps({"stack": stack, "event": event} | place))

    report({"phase": "starts"})
    try:
        return {"made": elsewhere.made(asked, report)} | place
    except elsewhere.OtherVersion as error:
        return {"made": {}, "error": str(error)} | place
    except RunFailed as error:
        return {"made": elsewhere.held(asked), "error": str(error)} | place


def look(asked: str) -> dict[str, Any]:
    """Another task: what this node has of what is asked for; ``error`` if its version is another."""
    try:
        return {"made": elsewhere.held(asked)}
    except elsewhere.OtherVersion as error:
        return {"made": {}, "error": str(error)}


def _names(needs: Needs) -> dict[str, str]:
    """Identity → name of the nodes that could take a task."""
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"]]
    able = [
        node
        for node in nodes
        if node["Resources"].get("CPU", 0) >= needs.cpus and node["Resources"].get("GPU", 0) >= needs.gpus
    ]
    if not able:
        raise NoCluster(
            f"no node of the cluster has {needs.cpus:g} CPU cores and {needs.gpus:g} GPUs, which a task needs"
        )
    return {
        node["NodeID"]: node["NodeName"]
        if node["NodeName"] != node["NodeManagerAddress"]
        else node["NodeManagerHostname"]
        for node in able
    }


def _held(runs: Sequence[Run], workspace: Path, device: str, names: Mapping[str, str]) -> elsewhere.Made:
    """What the nodes have made before of these runs."""
    import ray

    asked = elsewhere.request(runs, workspace, device)
    task = ray.remote(look)
    looks = {node: task.options(num_cpus=0, scheduling_strategy=_on(node)).remote(asked) for node in names}
    made: elsewhere.Made = {}
    for node, found in looks.items():
        try:
            outcome = ray.get(found)
        except ray.exceptions.RayError as error:
            raise RunFailed(f"{names[node]}: {error}") from error
        if "error" in outcome:
            raise RunFailed(f"{names[node]}: {outcome['error']}")
        made |= outcome["made"]
    return made


def _on(node: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _outcome(task: Any, progress: Progress, names: Mapping[str, str]) -> dict[str, Any]:
    """What ``make`` returned."""
    import ray

    try:
        outcome: dict[str, Any] = ray.get(task)
    except ray.exceptions.RayError as error:
        place = progress.place or "the cluster"
        raise RunFailed(f"{place}: «{progress.runs[0].label}» was not made: {error}") from error
    return outcome


def _taken(reports: Any) -> list[dict[str, Any]]:
    """What tasks have reported since the last call."""
    import ray

    texts = ray.get(reports.get_nowait_batch.remote(ray.get(reports.qsize.remote())))
    return [json.loads(text) for text in texts]


def _place(said: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Node and device, for people; a node that joined later by its identity."""
    device = f"GPU {', '.join(map(str, said['gpus']))}" if said["gpus"] else "CPU"
    return f"{names.get(said['node'], said['node'][:8])} {device}"


def _cancel(tasks: list[Any]) -> None:
    """End tasks with a checkpoint each, those that take too long without."""
    import ray

    for task in tasks:
        ray.cancel(task)
    _, running = ray.wait(tasks, num_returns=len(tasks), timeout=SECONDS_TO_STOP) if tasks else ([], [])
    for task in running:
        ray.cancel(task, force=True)
