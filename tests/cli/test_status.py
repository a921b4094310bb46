"""What `status` says of experiments, and what `prune` moves aside."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from small_project import project as small_project
from stored import resealed, result

from epistemics.cli import main
from epistemics.declared.experiments import Run, load_experiment
from epistemics.store.store import Store

project = small_project

Said = Callable[..., str]


@pytest.fixture
def said(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    """What a command prints; a minute is what every run takes."""
    for module in ("inventory", "making"):
        costs = f"epistemics.cli.{module}.training_costs"
        monkeypatch.setattr(costs, lambda _, left: dict.fromkeys((s.run.key for s in left), 60.0))

    def say(command: str, exit_status: int = 0) -> str:
        capsys.readouterr()
        assert main(command.split()) == exit_status
        return "".join(capsys.readouterr())

    return say


def planned(project: Path, profile: str = "paper", experiment: str = "sizes") -> tuple[Run, ...]:
    return load_experiment(project / "experiments", experiment, profile).runs


def store(project: Path, *runs: Run) -> Store:
    stored = Store(project / "results")
    for run in runs:
        stored.write(result(run.configuration))
    return stored


def edited(project: Path, old: str, new: str) -> None:
    path = project / "experiments" / "sizes.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def another(project: Path, name: str, title: str) -> None:
    text = (project / "experiments" / "sizes.yaml").read_text("utf-8")
    (project / "experiments" / f"{name}.yaml").write_text(text.replace("Two sizes", title), "utf-8")


def test_an_experiment_is_a_line_and_its_runs_come_on_request(project: Path, said: Said) -> None:
    another(project, "more-sizes", "The same again")
    runs = planned(project)
    store(project, *runs)
    short = said("status")
    assert re.search(r"^sizes +2 fresh +Two sizes$", short, re.MULTILINE)
    assert re.search(r"^more-sizes +2 fresh +The same again$", short, re.MULTILINE)
    assert not any(run.key in short for run in runs)
    assert short.endswith("\n2 fresh\n")  # a run that two experiments share is one result
    of_one, of_all = said("status sizes"), said("status --runs")
    for run in runs:
        assert (of_one.count(run.key), of_all.count(run.key)) == (1, 2)
    assert "The same again" not in of_one


def test_what_cannot_be_used_is_listed_unasked_with_what_it_takes(project: Path, said: Said) -> None:
    runs = planned(project)
    whole = result(runs[0].configuration)
    changed = {**whole.parts, "training": replace(whole.parts["training"], code="0" * 16)}
    Store(project / "results").write(replace(whole, parts=changed))
    short = said("status")
    assert re.search(r"^sizes +1 stale, 1 missing, about 60 s +Two sizes$", short, re.MULTILINE)
    assert re.search(rf"^  {runs[0].key}  stale .*\(training code changed\)$", short, re.MULTILINE)
    assert re.search(rf"^  {runs[1].key}  missing .*about 60 s$", short, re.MULTILINE)
    assert "`epistemics adopt`" in short
    assert "training what is not stored takes at most 60 s" in short


def test_a_long_list_of_what_is_missing_is_cut_and_says_where_the_rest_is(project: Path, said: Said) -> None:
    edited(project, "name: short, seeds: [0]}\n      -", f"name: short, seeds: {list(range(14))}}}\n      -")
    keys = [run.key for run in planned(project)]
    assert len(keys) == 15
    short = said("status")
    assert [key in short for key in keys] == [True] * 10 + [False] * 5
    assert "\n  and 5 more: epistemics status sizes\n" in short
    assert all(key in said("status sizes") for key in keys)
    assert [record["key"] for record in json.loads(said("status --json"))] == keys


def test_labels_name_modulus_and_steps_where_they_differ(project: Path) -> None:
    short, long = planned(project)
    assert ("20 steps" in short.label, "200 steps" in long.label) == (True, True)
    assert "modulus" not in short.label
    (alone,) = planned(project, "smoke")
    assert "steps" not in alone.label
    assert alone.key == short.key  # what it is called is no part of what it is
    edited(project, "set: {steps: 200}", "set: {modulus: 13}")
    assert [re.findall(r"modulus \d+|steps", run.label) for run in planned(project)] == [["modulus 11"], ["modulus 13"]]


def test_results_that_no_experiment_names_are_mentioned_listed_and_moved_aside(project: Path, said: Said) -> None:
    short, long = planned(project)
    stored = store(project, short, long)
    assert "prune" not in said("status")
    edited(project, "steps: 200", "steps: 300")
    assert "1 result named by no experiment: `epistemics prune`" in said("status")
    assert "prune" not in said("status sizes")
    listed = said("prune --dry-run")
    assert long.key in listed
    assert "modulus 11, 200 steps" in listed
    assert short.key not in listed
    assert stored.keys() == sorted([short.key, long.key])
    before = (stored.folder / long.key / "result.json").read_bytes()
    pruned = said("prune")
    assert stored.keys() == [short.key]
    (aside,) = (stored.folder / "set-aside").iterdir()
    assert (aside / "result.json").read_bytes() == before
    assert str(aside) in pruned
    assert "prune" not in said("status")
    assert said("prune") == "no result to move: experiments name every one that this version can read\n"
    aside.rename(stored.folder / long.key)  # the way back that it names
    edited(project, "steps: 300", "steps: 200")
    assert said("status").endswith("\n2 fresh\n")


def test_what_another_profile_names_is_not_pruned(project: Path, said: Said) -> None:
    edited(project, "[{name: short, seeds: [0]}]", "[{name: short, seeds: [7]}]")
    (of_smoke,) = planned(project, "smoke")
    stored = store(project, *planned(project), of_smoke)
    assert len(stored.keys()) == 3
    assert "prune" not in said("status")
    said("prune")
    assert len(stored.keys()) == 3


def test_an_experiment_without_a_smoke_profile_is_no_fault(project: Path, said: Said) -> None:
    edited(project, "  smoke:\n    groups: [{name: short, seeds: [0]}]\n", "")
    stored = store(project, *planned(project))
    assert said("status").endswith("\n2 fresh\n")
    said("prune")
    assert len(stored.keys()) == 2


def test_nothing_is_pruned_while_an_experiment_file_is_wrong(project: Path, said: Said) -> None:
    stored = store(project, *planned(project))
    edited(project, "steps: 200", "steps: 300")
    edited(project, "  smoke:\n    groups: [{name: short", "  smoke:\n    groups: [{nam: short")
    assert "experiments/sizes.yaml:" in said("prune", exit_status=1)
    assert len(stored.keys()) == 2
    short = said("status")  # of the profile that is right
    assert "1 fresh, 1 missing" in short
    assert "which results no experiment names can't be said: experiments/sizes.yaml:" in short


def test_what_another_version_stored_is_left_alone_and_what_is_damaged_is_moved(project: Path, said: Said) -> None:
    short, long = planned(project)
    stored = store(project, short, long)
    edited(project, "seeds: [0]", "seeds: [1]")
    resealed(stored.folder / short.key / "result.json", lambda record: record.update(format=7))
    (stored.folder / long.key / "result.json").write_text("{")
    assert "1 result named by no experiment" in said("status")
    pruned = said("prune")
    assert f"{short.key}  left alone: " in pruned
    assert f"{long.key}  damaged: " in pruned
    assert stored.keys() == [short.key]


def test_a_result_is_not_fresh_if_the_default_of_a_setting_has_changed_since(project: Path, said: Said) -> None:
    """Although the setting is in no key and no fingerprint while it is at its default."""
    run, _ = planned(project)
    store(project, run)
    path = project / "results" / run.key / "result.json"
    assert json.loads(path.read_text())["configuration"]["embedding_scale"] == 0.02
    resealed(path, lambda record: record["configuration"].update(embedding_scale=0.03))
    assert re.search(rf"{run.key}  damaged .*configuration\.embedding_scale: not that of the run", said("status"))
