"""Runs on a Ray cluster of three simulated nodes: the results of a local run, whatever dies on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from small_project import EXPERIMENT

from epistemics.declared.runs import Run
from epistemics.lab import elsewhere as remote
from epistemics.lab.progress import Overview
from epistemics.lab.ray_cluster import Needs, NoCluster, joined, train_on_cluster
from epistemics.lab.scheduler import Job, RunFailed
from epistemics.lab.verification import compared
from epistemics.lab.worker import work
from epistemics.science.configuration import Configuration
from epistemics.store.record import Result
from epistemics.store.store import Store

pytestmark = pytest.mark.slow

Make = Callable[..., Configuration]
Stacks = list[tuple[Run, ...]]

LONG = {"steps": 2000, "evaluate_every": 50, "measure_every": 0, "measure_after_grokking": ()}
"""Some seconds of training, with time to kill something."""


@dataclass
class Nodes:
    """Three nodes on this machine; two have a GPU in the eyes of Ray. What trains there trains on the CPU."""

    cluster: Cluster
    gpus: list[Any]
    storage: Path
    """The storage that they share."""

    def workers(self) -> list[int]:
        """Processes that train on any of the nodes."""
        marks = [b"epistemics.lab.worker", f"{remote.WORKSPACE_VARIABLE}={self.storage}".encode()]
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue
            if all(mark in said for mark in marks):
                found.append(int(process.name))
        return found


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    storage = tmp_path_factory.mktemp("storage") / "workspace"
    shared: dict[str, Any] = {
        "object_store_memory": 100_000_000,
        "env_vars": {remote.WORKSPACE_VARIABLE: str(storage), "RAY_USAGE_STATS_ENABLED": "0"},
    }
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 4, "worker_niceness": 0}
    head = {"num_cpus": 2, "node_name": "head", "include_dashboard": False, "_system_config": quick}
    made = Cluster(initialize_head=True, head_node_args=head | shared)
    gpus = [made.add_node(num_cpus=1, num_gpus=1, node_name=f"gpu-{i}", **shared) for i in (1, 2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", made.address)
        with joined("ray", workers=1) as said:
            assert said.endswith("nodes 3, CPU cores 4, GPUs 2")
            yield Nodes(made, gpus, storage)
    made.shutdown()


@dataclass
class Log:
    """What a display was shown; ``then`` may do something about it."""

    then: Callable[[Overview], None] = lambda _: None
    places: set[str] = field(default_factory=set)

    def __call__(self, overview: Overview) -> None:
        self.places |= {progress.place for progress in overview.working}
        self.then(overview)


@dataclass
class Once:
    """Does something when a training has come to a step, once."""

    do: Callable[[], object]
    step: int = 1
    done: bool = False

    def __call__(self, overview: Overview) -> None:
        if not self.done and any(progress.step >= self.step for progress in overview.working):
            self.done = True
            self.do()


def runs(*configurations: Configuration) -> tuple[Run, ...]:
    return tuple(Run("two", "smoke", "seeds", c, keep_weights=True) for c in configurations)


def train(
    stacks: Sequence[tuple[Run, ...]], folder: Path, report: Callable[[Overview], None], gpus: float = 0
) -> list[Result]:
    """On the cluster, into a store in the folder; the results in order. What trains, trains on the CPU."""
    store = Store(folder / "results")
    train_on_cluster(stacks, store, folder / "workspace", "cpu", Needs(gpus=gpus), report)
    return [store.read(run.key) for stack in stacks for run in stack]


def assert_local(stacks: Sequence[tuple[Run, ...]], results: Sequence[Result], folder: Path) -> None:
    """The results are those of a local run, bit for bit."""
    store = Store(folder / "local")
    for stack in stacks:
        job = Job([run.configuration for run in stack], [True] * len(stack), store.folder, folder / "locally", "cpu")
        for _ in work(job):
            pass
    for result in results:
        local = store.read(result.key)
        agrees, said = compared(local, result)
        assert agrees, said
        assert said.endswith("bit for bit")
        assert local.metrics == result.metrics
        assert (local.weights["parameters"] == result.weights["parameters"]).all()


def test_stacks_on_nodes_with_gpus_make_what_a_local_run_makes(
    nodes: Nodes, configuration: Make, tmp_path: Path
) -> None:
    """Two stacks that need a GPU each, on two nodes that have one."""
    stacks = [
        runs(configuration(steps=400, measure_every=200), configuration(steps=200, measure_every=200, seed=1)),
        runs(configuration(steps=20, d_model=8), configuration(steps=20, d_model=8, seed=1)),
    ]
    log = Log()
    results = train(stacks, tmp_path, log, gpus=1)
    assert log.places == {"gpu-1 GPU 0", "gpu-2 GPU 0"}
    assert [result.provenance["stack"] for result in results] == [2, 2, 2, 2]
    assert_local(stacks, results, tmp_path)


def test_a_run_that_diverges_comes_back_with_the_others_of_its_stack(
    nodes: Nodes, configuration: Make, tmp_path: Path
) -> None:
    stack = runs(configuration(steps=30), configuration(steps=30, seed=7, learning_rate=100.0, weight_decay=1e6))
    good, bad = train([stack], tmp_path, Log())
    assert "diverged" not in good.metrics
    assert bad.metrics["diverged"] == bad.metrics["final_step"]


def test_a_run_that_fails_is_not_tried_again_elsewhere(nodes: Nodes, configuration: Make, tmp_path: Path) -> None:
    fault = r"(?s)^(head|gpu-\d) CPU: .*it continues 0000000000000000, which is not stored with its parameters"
    with pytest.raises(RunFailed, match=fault) as failed:
        train([runs(configuration(continues="0" * 16))], tmp_path, Log())
    assert str(failed.value).count("it continues 0") == 1


def test_a_killed_worker_is_replaced_and_goes_on(nodes: Nodes, configuration: Make, tmp_path: Path) -> None:
    stacks: Stacks = [runs(configuration(seed=2, **LONG))]

    def terminate() -> None:
        for process in nodes.workers():
            os.kill(process, signal.SIGTERM)

    kill = Once(terminate)
    (result,) = train(stacks, tmp_path, Log(kill))
    assert kill.done
    assert result.provenance["resumed"] == 1
    assert_local(stacks, [result], tmp_path)


def test_ctrl_c_leaves_no_task_behind(nodes: Nodes, configuration: Make, tmp_path: Path) -> None:
    stacks: Stacks = [runs(configuration(seed=seed, **LONG)) for seed in (3, 4)]

    with pytest.raises(KeyboardInterrupt):
        train(stacks, tmp_path, Log(Once(interrupt)), gpus=1)
    assert not nodes.workers()
    assert list(nodes.storage.glob("runs/*/checkpoint.safetensors"))
    within(300, lambda: ray.available_resources().get("CPU") == 4)


def test_a_worker_of_another_version_is_refused_by_name(
    nodes: Nodes, configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver is the other one here: what a node says of itself is its own."""
    ours = remote.versions(runs(configuration()))
    monkeypatch.setattr(remote, "versions", lambda _: ours | {"epistemics": "9.9"})
    with pytest.raises(RunFailed, match=r"gpu-\d: .*epistemics is 0\.1\.0, asked for is 9\.9; install the same there"):
        train([runs(configuration())], tmp_path, Log(), gpus=1)
    assert not Store(tmp_path / "results").keys()


def test_what_no_node_has_is_said(nodes: Nodes, configuration: Make, tmp_path: Path) -> None:
    with pytest.raises(NoCluster, match="no node of the cluster has 1 CPU cores and 4 GPUs"):
        train([runs(configuration())], tmp_path, Log(), gpus=4)


def test_a_driver_killed_in_mid_run_loses_no_finished_run(nodes: Nodes, configuration: Make, tmp_path: Path) -> None:
    """Not even one that finished while there was no store to take it: it is found where it was made."""
    (tmp_path / "_quarto.yml").touch()
    (tmp_path / "experiments").mkdir()
    longer = EXPERIMENT.replace("steps: 200", "steps: 60000, measure_every: 0")
    (tmp_path / "experiments" / "sizes.yaml").write_text(longer.replace("evaluate_every: 10", "evaluate_every: 20"))
    results = tmp_path / "results"
    command = [sys.executable, "-m", "epistemics", "run", "sizes", "--on", "ray"]
    driver = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    within(300, lambda: list(results.glob("*/result.json")))
    driver.kill()
    driver.communicate()
    (key,) = Store(results).keys()
    before = Store(results).read(key)
    within(300, lambda: not nodes.workers())  # Ray ends the tasks of a driver that is gone
    results.rename(tmp_path / "gone")

    again = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    within(300, lambda: list(results.glob("*/result.json")))
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=300)
    assert again.returncode == 130
    after = Store(results).read(key)
    assert after.provenance == before.provenance  # not trained again
    assert not nodes.workers()


def test_a_run_on_a_node_that_dies_goes_on_elsewhere(nodes: Nodes, configuration: Make, tmp_path: Path) -> None:
    """From its checkpoint, which an interrupt has left. The last test on the nodes, for it leaves one fewer."""
    stacks: Stacks = [runs(configuration(seed=5, **LONG))]
    with pytest.raises(KeyboardInterrupt):
        train(stacks, tmp_path, Log(Once(interrupt)), gpus=1)
    log = Log()

    def kill() -> None:
        (place,) = (p for p in log.places)
        (node,) = [node for node in nodes.gpus if place.startswith(node._ray_params.node_name)]
        nodes.cluster.remove_node(node, allow_graceful=False)

    log.then = Once(kill)
    (result,) = train(stacks, tmp_path, log, gpus=1)
    assert log.places == {"gpu-1 GPU 0", "gpu-2 GPU 0"}
    assert result.provenance["resumed"] == 1
    assert_local(stacks, [result], tmp_path)


def interrupt() -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt


def within(seconds: float, holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.1)


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(NoCluster, match=re.escape("pip install 'epistemics[cluster]'")), joined("ray", 1):
        pass


def test_a_cluster_of_another_kind_is_refused() -> None:
    with (
        pytest.raises(NoCluster, match="--on: 'slurm' is no cluster; write ray, or ray://HOST:PORT"),
        joined("slurm", 1),
    ):
        pass


def test_a_machine_without_the_storage_of_the_driver_keeps_its_own(
    tmp_path: Path, configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(remote.WORKSPACE_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    elsewhere = Path("/nowhere/project/.workspace")
    assert remote._asked(remote.request(runs(configuration()), elsewhere, "cpu"))[1] == tmp_path / ".cache/epistemics"
    shared = tmp_path / "project" / ".workspace"
    shared.parent.mkdir()
    assert remote._asked(remote.request(runs(configuration()), shared, "cpu"))[1] == shared
