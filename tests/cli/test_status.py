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

from epistemics.analysis.stored_runs import load_results
from epistemics.cli import main
from epistemics.declared.experiments import load_experiment
from epistemics.declared.project import find_project
from epistemics.declared.runs import Run
from epistemics.lab.adoption import Adoption
from epistemics.publishing.run_pages import write_run_pages
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


# Seeds that are chosen and not trained yet


@pytest.fixture
def awaited(project: Path) -> tuple[Run, ...]:
    """Two more seeds of the first group and one of the second."""
    edited(project, PLAIN, AWAITING)
    return load_experiment(project / "experiments", "sizes").awaited


PLAIN = "paper:\n    groups:\n      - {name: short, seeds: [0]}"
AWAITING = """paper:
    groups:
      - {name: short, seeds: [0], awaited: [1, 2]}
      - {name: wide, set: {d_model: 16}, seeds: [0], awaited: [1]}"""


def test_awaited_runs_are_counted_and_not_missing(project: Path, said: Said, awaited: tuple[Run, ...]) -> None:
    store(project, *planned(project))
    short = said("status")
    assert re.search(r"^sizes +3 fresh, 3 awaited +Two sizes$", short, re.MULTILINE)
    assert short.endswith("\n3 fresh, 3 awaited\n")
    store(project, *awaited[1:2])
    assert re.search(r"^sizes +3 fresh, 3 awaited, 1 of them stored +Two sizes$", said("status"), re.MULTILINE)
    of_one = said("status sizes")
    assert re.search(rf"^  {awaited[0].key}  awaited .* seed 1$", of_one, re.MULTILINE)
    assert re.search(rf"^  {awaited[1].key}  fresh .* seed 2  \(awaited\)$", of_one, re.MULTILINE)
    records = json.loads(said("status --json"))
    assert {record["key"] for record in records if record["awaited"]} == {run.key for run in awaited}


def test_a_group_s_awaited_seeds_can_count_once_all_are_stored(
    project: Path, said: Said, awaited: tuple[Run, ...]
) -> None:
    store(project, *planned(project), awaited[0])
    assert "can be moved" not in said("status")
    store(project, awaited[1])
    for command in ("status", "status sizes"):
        (line,) = [line for line in said(command).splitlines() if "can be moved" in line]
        assert "group short: all 2 awaited are stored" in line
    store(project, awaited[2])
    assert "group wide: the awaited one is stored" in said("status")


def test_a_stored_awaited_result_is_kept_and_one_that_can_t_be_used_is_listed(
    project: Path, said: Said, awaited: tuple[Run, ...]
) -> None:
    stored = store(project, *planned(project), *awaited[:2])
    assert "prune" not in said("status")
    assert said("prune") == "no result to move: experiments name every one that this version can read\n"
    assert len(stored.keys()) == 5
    whole = result(awaited[0].configuration)
    stored.write(replace(whole, parts={**whole.parts, "training": replace(whole.parts["training"], code="0" * 16)}))
    (stored.folder / awaited[1].key / "result.json").write_text("{")
    short = said("status")
    assert re.search(rf"^  {awaited[0].key}  stale .*\(training code changed\)  \(awaited\)$", short, re.MULTILINE)
    assert re.search(rf"^  {awaited[1].key}  damaged .*\(awaited\)$", short, re.MULTILINE)
    assert "`epistemics run --all --stale --awaited` makes the rest" in short
    assert awaited[2].key not in short
    assert f"results/{awaited[1].key}/" in said(f"why {awaited[1].key}", exit_status=1)


def test_what_is_awaited_is_trained_on_request_after_the_others(
    project: Path, said: Said, awaited: tuple[Run, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[list[str]] = []

    def train_missing(runs: list[Run], into: Store, *_: object) -> None:
        trained.append([run.key for run in runs])
        for run in runs:
            into.write(result(run.configuration))

    monkeypatch.setattr("epistemics.cli.making.train_missing", train_missing)
    said("run --all")
    assert sorted(trained.pop()) == sorted(run.key for run in planned(project))
    assert said("run --all").startswith("nothing to train: all 3 results are stored")
    planned_first, *_ = (run.key for run in planned(project))
    (project / "results" / planned_first / "result.json").unlink()
    said("run sizes --awaited")
    assert [trained[0], sorted(trained[1])] == [[planned_first], sorted(run.key for run in awaited)]
    assert said("run --all --awaited").startswith("nothing to train: all 6 results are stored")


def test_a_dry_run_has_the_cost_of_what_is_awaited_on_a_line_of_its_own(
    project: Path, said: Said, awaited: tuple[Run, ...]
) -> None:
    store(project, *planned(project)[1:], awaited[0])
    *listed, of_missing, of_awaited = said("run --all --dry-run --workers 2").splitlines()
    assert of_missing == "1 runs (paper), at most 60 s of one core here, 60 s on 2; nothing was trained"
    assert of_awaited == (
        "2 awaited runs are not stored, at most 2 min of one core here, 60 s on 2; --awaited trains what is awaited"
    )
    assert not any(run.key in line for run in awaited for line in listed)
    everything = said("run --all --dry-run --awaited --workers 2")
    of_planned, *of_others = (everything.index(run.key) for run in (planned(project)[0], *awaited[1:]))
    assert all(of_planned < place for place in of_others)
    assert "3 runs (paper), at most 3 min of one core here, 2 min on 2; nothing was trained" in everything
    assert awaited[0].key not in everything


def test_what_one_experiment_awaits_and_another_reads_is_not_awaited(
    project: Path, said: Said, awaited: tuple[Run, ...]
) -> None:
    another(project, "more-sizes", "The same again")
    path = project / "experiments" / "more-sizes.yaml"
    path.write_text(path.read_text("utf-8").replace("seeds: [0], awaited: [1, 2]", "seeds: [0, 1, 2]"), "utf-8")
    short = said("status")
    assert "5 missing, 1 awaited\n" in short
    assert "1 awaited run is not stored" in said("run --all --dry-run")
    assert "3 awaited runs are not stored" in said("run sizes --dry-run")


def test_awaited_results_can_be_made_again_and_compared(
    project: Path, said: Said, awaited: tuple[Run, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(project, *planned(project), *awaited)
    drawn: list[str] = []

    def rerun(runs: list[Run], *_: object) -> list[object]:
        drawn.extend(run.key for run in runs)
        return []

    monkeypatch.setattr("epistemics.lab.verification.rerun", rerun)
    said("verify --rerun 1")
    assert {run.key for run in awaited} <= set(drawn)


def test_stale_awaited_results_are_adopted(
    project: Path, said: Said, awaited: tuple[Run, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = result(awaited[0].configuration)
    changed = {**whole.parts, "training": replace(whole.parts["training"], code="0" * 16)}
    Store(project / "results").write(replace(whole, parts=changed))
    monkeypatch.setattr("epistemics.lab.adoption.adopt", lambda _, keys, *__: [Adoption(key, True, "") for key in keys])
    assert f"{awaited[0].key}  adopted" in said("adopt")


def test_what_chapters_read_does_not_know_of_what_is_awaited(
    project: Path, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    from epistemics.chapters.runs.chapter import print_sections

    def read() -> tuple[list[Run], list[str]]:
        capsys.readouterr()
        print_sections()
        lines = capsys.readouterr().out.splitlines()
        return [run.run for run in load_results("sizes")], [line.partition(" Awaited are ")[0] for line in lines]

    awaits_nothing = re.sub(r", awaited: \[.*\]", "", AWAITING)
    edited(project, PLAIN, awaits_nothing)
    store(project, *planned(project))
    before = read()
    edited(project, awaits_nothing, AWAITING)
    assert read() == before  # none of them is stored
    awaited = load_experiment(project / "experiments", "sizes").awaited
    store(project, *awaited[:2])
    assert read() == before
    print_sections()
    assert "not among these yet: 2 of *short* and 1 of *wide*." in capsys.readouterr().out
    write_run_pages(find_project())
    assert len(list((project / "data" / "runs").glob("*.html"))) == len(before[0])


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


def test_a_family_that_one_of_two_experiments_asks_for_is_missing_for_that_one(project: Path, said: Said) -> None:
    store(project, *planned(project))
    (project / "experiments" / "attacked.yaml").write_text(
        "title: Attacked\nentry: 7\nprofiles:\n"
        "  paper: {groups: [{name: all, runs_of: sizes, measure: [attacks]}]}\n"
        "  smoke: {groups: [{name: all, runs_of: sizes}]}\n"
    )
    status = said("status")
    assert re.search(r"^attacked +2 missing", status, re.M)
    assert re.search(r"^sizes +2 fresh", status, re.M)
    assert re.search(r"^2 missing$", status, re.M)
    assert "of it, attacks is not stored" in status
    for names in ("attacked", "sizes attacked", "attacked sizes"):  # what is asked for does not hang on their order
        assert "2 runs (paper)" in said(f"run {names} --dry-run")
    assert "nothing to train" in said("run sizes")
