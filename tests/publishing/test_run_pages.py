"""The pages of stored runs: complete, written once, gone with their runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import stored
from msgspec.structs import replace
from safetensors.numpy import load

from epistemics.declared.experiments import load_experiment
from epistemics.declared.project import Project
from epistemics.declared.runs import Run
from epistemics.lab.status import current_seals
from epistemics.publishing.run_pages import write_run_pages
from epistemics.science.configuration import Configuration
from epistemics.store.record import Result
from epistemics.store.store import Store

EXPERIMENT = """\
title: Two seeds & more
entry: 7
profiles:
  paper: {{groups: [{{name: short, set: {settings}, seeds: {seeds}, keep_weights: [0]}}]}}
  smoke: {{groups: []}}
"""


@pytest.fixture
def project(tmp_path: Path, configuration: Callable[..., Configuration]) -> Project:
    """Two runs, named by two experiments, with results."""
    settings = json.loads(json.dumps(dataclasses.asdict(configuration())))
    del settings["seed"]
    (tmp_path / "experiments").mkdir()
    for name in ("one", "other"):
        text = EXPERIMENT.format(settings=json.dumps(settings), seeds="[0, 1]")
        (tmp_path / "experiments" / f"{name}.yaml").write_text(text)
    project = Project(tmp_path, "paper", tmp_path / "results")
    for run in runs(project):
        Store(project.results).write(result(run))
    return project


def runs(project: Project) -> tuple[Run, ...]:
    return load_experiment(project.experiments, "one").runs


def result(run: Run) -> Result:
    return stored.result(run.configuration, run.keep_weights)


def text(project: Project, run: Run) -> str:
    page = (project.folder / "data" / "runs" / f"{run.key}.html").read_text("utf-8")
    bare = re.sub(r"<(style|script).*?</\1>|</?(code|a|span)\b[^>]*>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def test_a_page_says_all_that_is_known_of_a_run(project: Project) -> None:
    write_run_pages(project)
    run = runs(project)[0]
    page = text(project, run)
    for field in dataclasses.fields(run.configuration):
        assert re.search(rf"\b{field.name}\b", page), field.name
    for said in (
        run.key, "Fresh.", "12,000 steps", "Grokked at never", "50.00%", "1,234.5 s", "6.9 s", "A <processor>",
        "resumed 2 times", "torch 2.13.0", "0123abc+changes", "2026-01-02 03:04 UTC", "Two seeds & more, log entry 7",
        "experiments/one.yaml", "experiments/other.yaml", "history.step 5, I64", "parameters 6, F32",
    ):  # fmt: skip
        assert said in page, said
    assert str(project.folder) not in page


def test_what_can_be_downloaded_is_what_is_stored(project: Project) -> None:
    write_run_pages(project)
    run = runs(project)[0]
    folder = project.folder / "data" / "runs"
    record = json.loads((folder / f"{run.key}.json").read_text("utf-8"))
    assert record["configuration"]["d_model"] == run.configuration.d_model
    content = (folder / f"{run.key}.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() in text(project, run)
    arrays = Store(project.results).read(run.key).arrays
    assert load(content).keys() == arrays.keys()
    for name, values in load(content).items():
        np.testing.assert_array_equal(values, arrays[name])
    for part in record["parts"].values():
        assert part["files"]["arrays"]["file"] in text(project, run)
    links = re.findall(r'href="([^"#]*)"', (folder / f"{run.key}.html").read_text("utf-8"))
    local = [link for link in links if not link.startswith(("data:", "../../chapters", "../../index"))]
    assert [link for link in local if not (folder / link).is_file()] == []
    assert {f"{run.key}.json", f"{run.key}.safetensors"} <= set(local)


def test_nothing_is_written_twice_and_only_what_changed_again(project: Project) -> None:
    assert len(write_run_pages(project)) == 6
    assert write_run_pages(project) == []
    run = runs(project)[1]
    changed = result(run).parts["training"]
    metrics = changed.metrics | {"validation_accuracy": 0.25}
    Store(project.results).write_part(run.key, "training", replace(changed, metrics=metrics))
    assert {path.name for path in write_run_pages(project)} == {f"{run.key}.html", f"{run.key}.json"}


def test_pages_of_runs_that_are_gone_go(project: Project) -> None:
    write_run_pages(project)
    kept, gone = runs(project)
    for path in project.experiments.glob("*.yaml"):
        path.write_text(path.read_text().replace("[0, 1]", "[0]"))
    write_run_pages(project)
    left = {path.stem for path in (project.folder / "data" / "runs").iterdir()}
    assert left == {kept.key}
    assert gone.key != kept.key


def test_an_adopted_result_shows_its_proof(project: Project) -> None:
    run, store = runs(project)[0], Store(project.results)
    proof = {
        "proof": "training bit for bit", "device": "Another",
        "versions": {"torch": "2.14.0"}, "date": "2026-02-03T04:05:06+00:00",
    }  # fmt: skip
    store.write_part(run.key, "training", replace(result(run).parts["training"], code="feedbeef"))
    store.reseal(run.key, {"training": current_seals(run.configuration)["training"]}, proof, vars(run.configuration))
    write_run_pages(project)
    page = text(project, run)
    assert "Adopted." in page
    for said in ("2026-02-03 04:05 UTC: training bit for bit, on Another with torch 2.14.0", "feedbeef"):
        assert said in page


def test_a_stale_result_names_what_changed(project: Project) -> None:
    run, store = runs(project)[0], Store(project.results)
    old = result(run).parts["training"]
    definitions = old.definitions | {"science.training.adamw": "0" * 16}
    store.write_part(run.key, "training", replace(old, code="0" * 16, definitions=definitions))
    write_run_pages(project)
    page = text(project, run)
    assert "Stale. The code of its training has changed" in page
    assert "training: science.training.adamw changed" in page
    assert f"epistemics why {run.key[:8]}" in page
