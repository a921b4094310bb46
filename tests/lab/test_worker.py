"""The worker: breaks of every kind end in the result of an uninterrupted run."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec import structs
from safetensors.torch import save_file

from epistemics.declared.runs import Run, configuration_key
from epistemics.declared.sections import SpecificationError
from epistemics.lab import canary, scheduler, worker
from epistemics.lab import parts as parts_module
from epistemics.lab import status as status_module
from epistemics.lab.moments import Moments, digest_of
from epistemics.lab.progress import Overview
from epistemics.lab.scheduler import Job, RunFailed, train_missing
from epistemics.lab.status import RunStatus, current_code, current_seals, status
from epistemics.lab.worker import work
from epistemics.science.attacks import measure_attacks
from epistemics.science.configuration import Configuration, configuration_from_json
from epistemics.science.measures import measure_abliteration
from epistemics.science.network import parameter_count
from epistemics.science.train import train
from epistemics.store.record import Result
from epistemics.store.store import Seal, Store
from epistemics.study import ON_REQUEST, PARTS

Make = Callable[..., Configuration]

_, *MEASURES = PARTS


@pytest.fixture
def job(tmp_path: Path, configuration: Make) -> Callable[..., Job]:
    """A job in folders of its own; ``place`` names them."""

    def make(*configurations: Configuration, place: str = "here", **changes: Any) -> Job:
        made = Job(
            configurations=list(configurations) or [configuration()],
            keep_weights=[True] * max(1, len(configurations)),
            results=tmp_path / place / "results",
            workspace=tmp_path / place / "workspace",
            device="cpu",
        )
        return dataclasses.replace(made, **changes)

    return make


def done(job: Job) -> list[Result]:
    """Work to the end; the results of the job's members."""
    for _ in work(job):
        pass
    return results(job)


def results(job: Job) -> list[Result]:
    return [Store(job.results).read(configuration_key(c)) for c in job.configurations]


def broken_off(job: Job, step: int) -> None:
    """Work until some step is reported, then stop as the worker does on Ctrl-C."""
    going = work(job)
    for progress in going:
        if progress.get("step") == step:
            going.close()
            return
    raise AssertionError("the training ended before")


def assert_same_result(one: Result, other: Result) -> None:
    """In everything but when and how it came about."""
    assert one.key == other.key
    assert one.configuration == other.configuration
    assert one.metrics == other.metrics
    for ours, theirs in ((one.arrays, other.arrays), (one.weights, other.weights)):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def checkpoints(job: Job) -> list[Path]:
    return list(job.workspace.rglob("checkpoint.safetensors"))


def other_code(monkeypatch: pytest.MonkeyPatch, configuration: Configuration, part: str) -> dict[str, str]:
    """As if the code of a part had changed; the fingerprints of a configuration then."""

    def changed(configuration: Configuration, of: Iterable[str] = PARTS) -> dict[str, Seal]:
        seals = current_seals(configuration, of)
        return seals | {part: Seal("changed", seals[part].definitions)}

    monkeypatch.setattr(worker, "current_seals", changed)
    return {name: seal.code for name, seal in changed(configuration).items()}


def never(*_: object, **__: object) -> Iterator[None]:
    raise AssertionError("nothing should be trained here")


# What a result holds


def test_a_result_holds_history_measures_and_where_it_came_from(job: Callable[..., Job], configuration: Make) -> None:
    c = configuration(grokking_accuracy=0.01, grokking_evaluations=1, measure_after_grokking=(0,), seed=4)
    asked = job(c)
    result = done(asked)[0]
    assert result.key == configuration_key(c)
    assert configuration_from_json(result.configuration) == c
    history = result.arrays["history.validation_accuracy"]
    assert result.arrays["history.step"].tolist() == [0, 10, 20, 30, 40]
    first = int(np.argmax((history[:-1] >= 0.01) & (history[1:] >= 0.01)))
    assert result.metrics["grokking_step"] == 10 * first
    assert result.metrics["moments"] == sorted({10 * first, 20, 40})
    assert result.metrics["final_step"] == 40
    for name, shape in {"about_mean": (11,), "spectrum": (16,), "random_about_zero": (17,)}.items():
        assert result.arrays[f"add.{name}"].shape == (len(result.metrics["moments"]), *shape)
    final = measure_abliteration(c, torch.from_numpy(result.weights["parameters"]))["add"]
    np.testing.assert_array_equal(result.arrays["add.about_mean"][-1], final.about_mean.astype(np.float32))
    assert {"seeds", "device", "threads", "versions", "commit", "date", "seconds"} <= result.provenance.keys()
    assert result.provenance["seeds"] == [4]
    assert result.provenance["resumed"] == 0
    assert result.code == current_code(c)
    assert checkpoints(asked) == []


def test_weights_are_stored_only_where_asked(job: Callable[..., Job], configuration: Make) -> None:
    first, second = done(job(configuration(), configuration(seed=1), keep_weights=[False, True]))
    assert first.weights == {}
    assert second.weights["parameters"].shape == (parameter_count(configuration().architecture),)


def test_a_job_survives_the_way_to_the_worker(job: Callable[..., Job], configuration: Make) -> None:
    sent = job(configuration(operations=("add", "mul"), stop_after_grokking=50), checkpoint_seconds=3.0)
    assert Job.from_json(sent.to_json()) == sent


def test_a_member_of_a_stack_has_the_result_of_its_own_run(job: Callable[..., Job], configuration: Make) -> None:
    """Though the stack goes on for others when it is done."""
    short, long = configuration(precision="float64", steps=20), configuration(precision="float64", seed=1)
    together = done(job(short, long))
    for member, c in enumerate((short, long)):
        alone = done(job(c, place=f"alone {member}"))[0]
        ours, theirs = (dict(result.metrics) for result in (together[member], alone))
        assert len(ours.pop("parameters")) == len(theirs.pop("parameters")) == len(ours["moments"])  # to rounding
        assert ours == theirs
        assert together[member].arrays.keys() == alone.arrays.keys()
        for name, array in alone.arrays.items():
            np.testing.assert_allclose(together[member].arrays[name], array, rtol=1e-5, atol=1e-5, err_msg=name)


# Breaks


def start(job: Job, configuration: Configuration | None = None) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "epistemics.lab.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdin is not None
    process.stdin.write(job.to_json())
    process.stdin.close()
    return process


def lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_a_killed_run_goes_on_to_the_same_result(
    job: Callable[..., Job], configuration: Make, how: signal.Signals
) -> None:
    """After kill -9 from the last checkpoint, after Ctrl-C from where it was."""
    c = configuration(steps=300, measure_every=50, grokking_accuracy=0.2, grokking_evaluations=1)
    asked = job(c, checkpoint_seconds=0.3 if how == signal.SIGKILL else 1000.0)
    process = start(asked)
    for progress in lines(process):
        if progress.get("step", 0) >= 150:
            process.send_signal(how)
            break
    process.stdout.close()  # type: ignore[union-attr]
    code = process.wait()
    assert code == (-9 if how == signal.SIGKILL else 130)
    assert len(checkpoints(asked)) == 1
    assert not Store(asked.results).keys()
    steps = [progress["step"] for progress in work(asked) if progress["phase"] == "train"]
    assert 0 < steps[0] <= 300
    resumed = results(asked)[0]
    assert resumed.provenance["resumed"] == 1
    assert_same_result(resumed, done(job(c, place="uninterrupted"))[0])


@pytest.mark.slow
def test_a_worker_that_nobody_listens_to_any_more_stops_with_a_checkpoint(
    job: Callable[..., Job], configuration: Make
) -> None:
    asked = job(configuration(steps=3000), checkpoint_seconds=1000.0)
    process = start(asked)
    next(lines(process))
    process.stdout.close()  # type: ignore[union-attr]
    assert process.wait() == 130
    assert len(checkpoints(asked)) == 1


@pytest.mark.parametrize("step", [0, 10, 40])
def test_a_run_broken_off_at_any_evaluation_goes_on_to_the_same_result(
    job: Callable[..., Job], configuration: Make, step: int
) -> None:
    """The last included: all is trained then, but not yet measured."""
    c = configuration(grokking_accuracy=0.05, grokking_evaluations=1)
    asked = job(c)
    broken_off(asked, step)
    assert len(checkpoints(asked)) == 1
    assert_same_result(done(asked)[0], done(job(c, place="uninterrupted"))[0])


def test_a_run_broken_off_while_a_moment_is_written_goes_on_to_the_same_result(
    job: Callable[..., Job], configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is then one evaluation ahead of what is saved."""
    asked, keep = job(configuration(measure_every=10)), Moments.keep
    kept: list[str] = []

    def interrupted(moments: Moments, parameters: torch.Tensor) -> str:
        if len(kept) == 1:
            raise KeyboardInterrupt
        kept.append(keep(moments, parameters))
        return kept[-1]

    monkeypatch.setattr(Moments, "keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        done(asked)
    monkeypatch.undo()
    assert_same_result(done(asked)[0], done(job(configuration(measure_every=10), place="uninterrupted"))[0])


def test_a_worker_whose_parent_is_gone_stops_with_a_checkpoint(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job()
    monkeypatch.setattr(worker, "PARENT", -1)
    with pytest.raises(KeyboardInterrupt):
        done(asked)
    assert len(checkpoints(asked)) == 1


def test_checkpoints_are_written_as_often_as_asked(job: Callable[..., Job], configuration: Make) -> None:
    """Without any warning, as kill -9 gives none."""
    often, seldom = job(checkpoint_seconds=0.0), job(place="seldom", checkpoint_seconds=1000.0)
    for asked, expected in ((often, 1), (seldom, 0)):
        going = work(asked)
        while next(going).get("step") != 20:
            pass
        assert len(checkpoints(asked)) == expected


def test_a_stack_does_not_go_on_from_the_checkpoint_of_another(job: Callable[..., Job], configuration: Make) -> None:
    """Even if all of its members but the last are the same."""
    members = [configuration(steps=20, d_model=8, seed=seed) for seed in range(5)]
    broken_off(job(*members), 10)
    others = [*members[:4], configuration(steps=20, d_model=8, seed=9)]
    for ours, theirs in zip(done(job(*others)), done(job(*others, place="uninterrupted")), strict=True):
        assert ours.provenance["resumed"] == 0
        assert_same_result(ours, theirs)


# Changed code, damage, company


def test_changed_measures_are_taken_again_without_training(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job()
    before = done(asked)[0]
    changed = other_code(monkeypatch, asked.configurations[0], "abliteration")
    monkeypatch.setattr(worker, "function_of", lambda _: never)
    after = done(asked)[0]
    assert after.code == changed
    assert after.provenance["date"] == before.provenance["date"]  # of the training
    assert_same_result(after, before)


def test_changed_measures_of_one_moment_are_taken_again_from_stored_weights(
    job: Callable[..., Job], configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job(configuration(measure_every=0, measure_after_grokking=()))
    before = done(asked)[0]
    changed = other_code(monkeypatch, asked.configurations[0], "abliteration")
    monkeypatch.setattr(worker, "function_of", lambda _: never)
    elsewhere = dataclasses.replace(asked, workspace=asked.workspace / "elsewhere")
    after = done(elsewhere)[0]
    assert after.code == changed
    assert after.metrics == before.metrics
    assert_same_result(after, before)


def test_parameters_that_are_not_what_was_kept_are_not_measured(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are they gone on from: the run is trained again."""
    asked = job()
    before = done(asked)[0]
    other_code(monkeypatch, asked.configurations[0], "abliteration")
    kept = sorted((asked.workspace / "moments").glob("*/*"))
    assert [path.stem for path in kept] == sorted(before.metrics["parameters"])
    save_file({"parameters": torch.zeros(3)}, kept[0])
    kept[1].unlink()
    steps = [progress["step"] for progress in work(asked) if progress["phase"] == "train"]
    assert steps == [0, 10, 20, 30, 40]
    assert_same_result(results(asked)[0], before)


def test_a_moment_that_is_no_longer_kept_is_not_left_out(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the workspace has the finished training."""
    asked = job()
    before = done(asked)[0]
    shutil.rmtree(asked.results)
    shutil.rmtree(asked.workspace / "moments")
    assert_same_result(done(asked)[0], before)


@pytest.mark.parametrize("file", ["checkpoint.safetensors", "finished.safetensors"])
def test_a_damaged_state_costs_a_training_and_nothing_more(job: Callable[..., Job], file: str) -> None:
    asked = job()
    if file == "finished.safetensors":
        before = done(asked)[0]
        shutil.rmtree(asked.results)
    else:
        broken_off(asked, 20)
        before = done(job(place="uninterrupted"))[0]
    path = next(asked.workspace.rglob(file))
    path.write_bytes(path.read_bytes()[:-3])
    assert_same_result(done(asked)[0], before)


def test_two_families_can_not_give_measures_of_one_name(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of which readers, who ask by name, would see one."""
    asked = job()
    done(asked)
    monkeypatch.setitem(PARTS, "second", "science.measures.measure_noise")
    with pytest.raises(ValueError, match=r"noise and second both give 'add\.\w+'"):
        done(asked)


def test_a_place_for_moments_that_can_not_be_written_to_is_said_before_training(
    job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EPISTEMICS_MOMENTS", str(tmp_path / "file" / "moments"))
    with pytest.raises(
        SpecificationError, match=r"file/moments, where .* \(EPISTEMICS_MOMENTS names .*: Not a directory"
    ):
        train_both(job())


def test_moments_are_kept_where_a_setting_says_and_serve_another_workspace(
    job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPISTEMICS_MOMENTS", str(tmp_path / "a large disk"))
    asked = job()
    before = done(asked)[0]
    assert {path.stem for path in (tmp_path / "a large disk").glob("*/*")} == set(before.metrics["parameters"])
    changed = other_code(monkeypatch, asked.configurations[0], "abliteration")
    monkeypatch.setattr(worker, "function_of", lambda _: never)
    after = done(dataclasses.replace(asked, workspace=tmp_path / "another"))[0]
    assert after.code == changed
    assert_same_result(after, before)


def test_a_family_that_is_added_is_missing_and_measured_without_training(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With settings of its own, of which others make it alone stale."""
    asked = job()
    before = done(asked)[0]
    run = Run("", "", "", asked.configurations[0], keep_weights=True)

    def state() -> RunStatus:
        return status([run], Store(asked.results))[0]

    monkeypatch.setitem(PARTS, "size", "science.network.parameter_count")  # the function is replaced below

    def function_of(part: str) -> Callable[..., Any]:
        return (lambda _, parameters, power: {"norm": (parameters**power).sum()}) if part == "size" else made_by(part)

    made_by = parts_module.function_of
    monkeypatch.setattr(canary, "function_of", function_of)
    monkeypatch.setattr(worker, "function_of", lambda _: never)
    monkeypatch.setattr("epistemics.study.SETTINGS", settings := {"size": {"power": 2}})
    for module in (canary, worker, status_module):
        monkeypatch.setattr(module, "SETTINGS", settings)
    assert (state().state, state().parts) == (
        "missing",
        {"training": "fresh", **dict.fromkeys(MEASURES, "fresh"), "size": "missing"},
    )
    after = done(asked)[0]
    assert state().state == "fresh"
    assert after.parts["size"].settings == {"power": 2}
    moments = Moments(asked.workspace / "moments")
    norms = [float((moments.get(digest) ** 2).sum()) for digest in after.metrics["parameters"]]  # type: ignore[operator]
    np.testing.assert_allclose(after.arrays["norm"], norms, rtol=1e-6)
    for name in ("training", *MEASURES):
        assert after.parts[name].provenance == before.parts[name].provenance
    settings["size"] = {"power": 3}
    assert state().changed == ("size",)


def test_changed_training_is_trained_again(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = job()
    before = done(asked)[0]
    changed = other_code(monkeypatch, asked.configurations[0], "training")
    steps = [progress["step"] for progress in work(asked) if progress["phase"] == "train"]
    assert steps == [0, 10, 20, 30, 40]
    after = results(asked)[0]
    assert after.code == changed
    assert_same_result(after, before)


def test_a_second_training_broken_off_is_not_taken_for_the_finished_first(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job()
    before = done(asked)[0]
    other_code(monkeypatch, asked.configurations[0], "training")
    broken_off(asked, 10)
    after = done(asked)[0]
    assert after.provenance["resumed"] == 1
    assert_same_result(after, before)


def test_a_checkpoint_of_other_code_is_not_used(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = job()
    broken_off(asked, 10)
    other_code(monkeypatch, asked.configurations[0], "training")
    assert done(asked)[0].provenance["resumed"] == 0


def test_a_stored_result_is_not_made_again(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = job()
    done(asked)
    monkeypatch.setattr(worker, "function_of", lambda _: never)
    monkeypatch.setattr(worker, "measured", never)
    assert list(work(dataclasses.replace(asked, workspace=asked.workspace / "new"))) == []


def test_a_damaged_result_is_set_aside_and_made_again(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = job()
    before = done(asked)[0]
    arrays = next((asked.results / before.key).glob("geometry-arrays-*"))
    arrays.write_bytes(arrays.read_bytes()[:-1])
    monkeypatch.setattr(worker, "function_of", lambda _: never)  # the workspace still has what was trained
    assert_same_result(done(asked)[0], before)
    assert [path.name for path in (asked.results / "set-aside").glob("*/geometry-arrays-*")] == [arrays.name]


@pytest.mark.slow
def test_two_calls_at_once_share_the_runs(job: Callable[..., Job], configuration: Make) -> None:
    asked = job(*[configuration(seed=seed, steps=300) for seed in range(4)])
    runs = [Run("two", "smoke", "seeds", c, keep_weights=False) for c in asked.configurations]
    keys = {run.key for run in runs}

    def call() -> set[str]:
        """Which runs were seen in training."""
        trained: set[str] = set()

        def report(seen: Overview) -> None:
            trained.update(p.runs[0].key for p in seen.working if p.phase == "train")

        train_missing(runs, Store(asked.results), asked.workspace, 1, "cpu", report)
        return trained

    with ThreadPoolExecutor() as pool:
        first, second = (made.result() for made in [pool.submit(call) for _ in range(2)])
    assert first | second == keys
    assert not first & second
    assert first
    assert second
    assert set(Store(asked.results).keys()) == keys


def train_both(asked: Job) -> None:
    runs = [Run("two", "smoke", "seeds", c, keep_weights=False) for c in asked.configurations]
    train_missing(runs, Store(asked.results), asked.workspace, 1, "cpu", lambda _: None)


@pytest.mark.slow
def test_a_run_that_diverges_is_a_result(job: Callable[..., Job], configuration: Make) -> None:
    """Of what is no number nothing is measured, in the shapes of what is; and it is not trained again."""
    wild, calm = configuration(learning_rate=100.0, weight_decay=1e6, steps=100), configuration()
    train_both(asked := job(wild, calm))
    diverged, other = results(asked)
    end = diverged.metrics["final_step"]
    assert 0 < end < 100
    assert diverged.metrics["diverged"] == diverged.metrics["moments"][-1] == end
    assert diverged.metrics["grokking_step"] is None
    assert np.isnan(diverged.arrays["history.train_loss"][-1])
    assert np.isfinite(diverged.arrays["history.train_loss"][0])
    for name, values in other.arrays.items():
        if not name.startswith("history."):
            assert diverged.arrays[name].shape[1:] == values.shape[1:], name
            assert np.isnan(diverged.arrays[name][-1]).all(), name
    assert "diverged" not in other.metrics
    store = Store(asked.results)
    runs = [Run("two", "smoke", "seeds", c, keep_weights=False) for c in asked.configurations]
    assert [found.state for found in status(runs, store)] == ["fresh", "fresh"]
    repeated = canary.canary_of(wild)
    compared = canary.compare({part: own.canary for part, own in diverged.parts.items()}, repeated, 1e-9)
    assert all(one.first_difference is None and one.parts_at is None for one in compared.values())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_fails_is_named_when_the_others_are_trained(
    job: Callable[..., Job], configuration: Make, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    good, bad = configuration(), configuration(continues="0" * 16)
    monkeypatch.setattr(scheduler, "work", lambda run: float(run.configuration == bad))  # it comes first
    with pytest.raises(RunFailed) as failed:
        train_missing(
            [Run("two", "smoke", "seeds", c, keep_weights=False) for c in (good, bad)],
            Store((asked := job()).results), asked.workspace, workers, "cpu", lambda _: None,
        )  # fmt: skip
    first, *said = str(failed.value).splitlines()
    assert re.fullmatch(r"the run «add continues 0{16} .* seed 0» failed:", first)
    assert said == ["it continues 0000000000000000, which is not stored with its parameters"]
    assert Store(asked.results).keys() == [configuration_key(good)]


@pytest.mark.slow
def test_what_does_not_fit_into_memory_says_so(
    job: Callable[..., Job], configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen

    def limited(command: list[str], **options: Any) -> subprocess.Popen[str]:
        return start(["bash", "-c", 'ulimit -v 4000000; exec "$@"', "bash", *command], **options)

    monkeypatch.setattr(subprocess, "Popen", limited)
    with pytest.raises(RunFailed, match=r"failed:\nit does not fit into memory: .*allocate"):
        train_both(job(configuration(d_model=4096, layers=1)))


# Runs that begin where another ends


def continuing(configuration: Make) -> tuple[Run, Run]:
    first = Run("two", "smoke", "first", configuration(flag="ignored"), keep_weights=True)
    c = configuration(flag="refused", continues=first.key)
    return first, Run("two", "smoke", "second", c, keep_weights=False, continues=first)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_begins_with_the_parameters_of_the_one_that_it_continues(
    job: Callable[..., Job], configuration: Make, workers: int
) -> None:
    first, second = continuing(configuration)
    asked = job()
    train_missing([second, first], Store(asked.results), asked.workspace, workers, "cpu", lambda _: None)
    store = Store(asked.results)
    ended, began = store.read(first.key), store.read(second.key)
    given = torch.from_numpy(ended.weights["parameters"])
    *_, last = train([second.configuration], inputs=[given])
    assert began.metrics["parameters"][-1] == digest_of(last.state.flat[0])
    assert began.provenance["began"]["key"] == first.key
    assert [found.state for found in status([first, second], store)] == ["fresh", "fresh"]


def test_a_run_that_continues_one_without_weights_is_held_against_its_digest(
    job: Callable[..., Job], configuration: Make
) -> None:
    """Whoever makes the first again need not know that another continues it."""
    first, second = continuing(configuration)
    done(asked := job(first.configuration))
    done(job(second.configuration))
    store = Store(asked.results)
    training = store.read(first.key).parts["training"]
    store.write_part(first.key, "training", structs.replace(training, weights={}))
    assert [found.state for found in status([second], store)] == ["fresh"]
    metrics = training.metrics | {"parameters": [*training.metrics["parameters"][:-1], "0" * 32]}
    store.write_part(first.key, "training", structs.replace(training, weights={}, metrics=metrics))
    assert [found.state for found in status([second], store)] == ["stale"]


@pytest.mark.slow
def test_what_continues_a_run_that_failed_is_not_begun(job: Callable[..., Job], configuration: Make) -> None:
    bad = Run("two", "smoke", "first", configuration(continues="0" * 16), keep_weights=True)
    c = configuration(continues=bad.key)
    after = Run("two", "smoke", "second", c, keep_weights=False, continues=bad)
    good = Run("two", "smoke", "third", configuration(), keep_weights=False)
    asked = job()
    with pytest.raises(RunFailed) as failed:
        train_missing([after, bad, good], Store(asked.results), asked.workspace, 3, "cpu", lambda _: None)
    assert str(failed.value).splitlines()[1:] == [
        "it continues 0000000000000000, which is not stored with its parameters",
        f"the run «{after.label}» was not trained, for it continues one that failed",
    ]
    assert Store(asked.results).keys() == [good.key]


def test_on_a_gpu_no_run_is_in_one_stack_with_what_it_continues(configuration: Make) -> None:
    first, second = continuing(configuration)
    second = dataclasses.replace(
        second, configuration=dataclasses.replace(second.configuration, flag="ignored"), keep_weights=True
    )
    third = dataclasses.replace(
        second, configuration=configuration(flag="ignored", continues=second.key), continues=second
    )
    other = dataclasses.replace(first, configuration=configuration(flag="ignored", seed=1))
    stacks = scheduler.stacks([third, second, first, other], "cuda")
    keys = {frozenset(run.key for run in stack) for stack in stacks}
    assert keys == {frozenset({first.key, other.key}), frozenset({second.key}), frozenset({third.key})}


def test_a_run_is_stale_when_the_one_that_it_continues_has_other_parameters(
    job: Callable[..., Job], configuration: Make
) -> None:
    first, second = continuing(configuration)
    done(asked := job(first.configuration))
    done(again := job(second.configuration))
    store = Store(asked.results)
    ended = store.read(first.key)
    training = ended.parts["training"]
    other = structs.replace(
        training,
        weights={"parameters": training.weights["parameters"] + 1},
        metrics=training.metrics | {"parameters": [*training.metrics["parameters"][:-1], "0" * 32]},
    )
    store.write_part(first.key, "training", other)
    _, found = status([first, second], store)
    assert (found.state, found.changed) == ("stale", ())
    assert found.fault == "the run that it continues has been made again since, and ended with other parameters"
    was = store.read(second.key).metrics["parameters"]
    done(again)  # as `run --stale` does
    assert [found.state for found in status([first, second], store)] == ["fresh", "fresh"]
    assert store.read(second.key).metrics["parameters"] != was


@pytest.mark.slow
def test_a_run_that_was_killed_is_named_with_a_reason(
    job: Callable[..., Job], configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that took all memory has no words of its own."""
    start = subprocess.Popen

    def killed(command: list[str], **options: Any) -> subprocess.Popen[str]:
        return start([sys.executable, "-c", "import os, sys; sys.stdin.read(); os.kill(os.getpid(), 9)"], **options)

    monkeypatch.setattr(subprocess, "Popen", killed)
    with pytest.raises(RunFailed, match="failed:\nit was killed by SIGKILL, as when the memory"):
        train_both(job())


@pytest.mark.slow
def test_two_workers_on_one_store(job: Callable[..., Job], configuration: Make) -> None:
    """With the same run, one trains it and the other waits; it finds the result stored."""
    asked = job(configuration(steps=100))
    workers = [start(asked), start(asked)]
    reports = [list(lines(process)) for process in workers]
    assert [process.wait() for process in workers] == [0, 0]
    assert sorted(len(report) > 0 for report in reports) == [False, True]
    assert_same_result(results(asked)[0], done(job(configuration(steps=100), place="alone"))[0])


# Families that a run asks for


def asking(asked: Job) -> Job:
    return dataclasses.replace(asked, measure=[["attacks"]] * len(asked.configurations))


def state_of(asked: Job, measure: tuple[str, ...] = ()) -> RunStatus:
    run = Run("", "", "", asked.configurations[0], keep_weights=True, measure=measure)
    return status([run], Store(asked.results))[0]


def test_a_family_is_measured_where_it_is_asked_for_and_at_the_end_alone(
    job: Callable[..., Job], configuration: Make
) -> None:
    asked = job(configuration(), configuration(seed=1))
    with_it, without = done(dataclasses.replace(asked, measure=[["attacks"], []]))
    assert [*with_it.parts] == [*PARTS, "attacks"]
    assert [*without.parts] == [*PARTS]
    assert len(with_it.metrics["moments"]) > 1
    found = measure_attacks(asked.configurations[0], torch.from_numpy(with_it.weights["parameters"]))["add"]
    for name, values in vars(found).items():
        np.testing.assert_array_equal(with_it.arrays[f"add.{name}"], values[None].astype(np.float32))
    assert (state_of(asked, ("attacks",)).state, state_of(asked).state) == ("fresh", "fresh")


@pytest.mark.parametrize("at_hand", ["kept moments", "stored weights", "nothing"])
def test_a_family_asked_for_later_is_missing_and_trains_again_only_if_the_end_is_not_at_hand(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, at_hand: str
) -> None:
    asked = job(keep_weights=[at_hand == "stored weights"])
    before = done(asked)[0]
    run = Run("", "", "", asked.configurations[0], keep_weights=False, measure=("attacks",))
    found = status([run], Store(asked.results))[0]
    assert (found.state, found.fault) == ("missing", "of it, attacks is not stored")
    if at_hand != "kept moments":
        shutil.rmtree(asked.workspace)
    if at_hand != "nothing":
        monkeypatch.setattr(worker, "function_of", lambda _: never)
    after = done(asking(asked))[0]
    assert status([run], Store(asked.results))[0].state == "fresh"
    assert [*after.parts] == [*PARTS, "attacks"]
    for name, values in before.arrays.items():
        np.testing.assert_array_equal(after.arrays[name], values)
    again = after.parts["noise"].provenance != before.parts["noise"].provenance
    assert after.weights.keys() == before.weights.keys()
    assert at_hand == "nothing" or not again


def test_a_family_that_nobody_asks_for_any_more_is_kept_and_judged_and_measured_again(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job()
    before = done(asking(asked))[0]
    with monkeypatch.context() as changed:
        changed.setitem(ON_REQUEST, "attacks", "science.measures.measure_noise")
        assert state_of(asked).changed == ("attacks",)
    other_code(monkeypatch, asked.configurations[0], "training")
    after = done(asked)[0]
    assert after.parts["training"].code == "changed"
    assert_same_result(after, before)
    assert [*after.parts] == [*PARTS, "attacks"]


def test_the_canary_of_a_family_that_was_asked_for_is_given_again(job: Callable[..., Job]) -> None:
    asked = asking(job())
    stored = {part: own.canary for part, own in done(asked)[0].parts.items()}
    repeated = canary.canary_of(asked.configurations[0], of=parts_module.parts_of(stored=stored))
    compared = canary.compare(stored, repeated, 0.0)
    assert compared.keys() == {*PARTS, "attacks"}
    assert all(one.first_difference is None for one in compared.values())
