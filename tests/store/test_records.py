"""Records with the right checksum and the wrong content: damaged by name in every verb, and never a traceback."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from small_project import project as small_project
from stored import resealed, result

from epistemics.cli import main
from epistemics.declared.experiments import load_experiment
from epistemics.declared.project import find_project
from epistemics.lab.status import status
from epistemics.store.store import Store, packed
from epistemics.study import PARTS

project = small_project
pytestmark = pytest.mark.usefixtures("project")

Change = Callable[[dict[str, Any]], object]

_, *MEASURES = PARTS


def training(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["parts"]["training"]
    return found


def geometry(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["parts"]["geometry"]
    return found


RECORDS: dict[str, tuple[Change, str]] = {
    "no configuration": (lambda r: r.pop("configuration"), "Object missing required field `configuration`"),
    "no parts": (lambda r: r.pop("parts"), "Object missing required field `parts`"),
    "parts a list": (lambda r: r.update(parts=[]), "parts: Expected `object`, got `array`"),
    "a part a number": (lambda r: r["parts"].update(geometry=3), "parts"),
    "no code": (lambda r: training(r).pop("code"), "parts.training: Object missing required field `code`"),
    "code a list": (lambda r: training(r).update(code=[]), "parts.training.code: Expected `str`, got `array`"),
    "definitions a list": (lambda r: training(r).update(definitions=[]), "parts.training.definitions: Expected"),
    "metrics a list": (lambda r: training(r).update(metrics=[1]), "parts.training.metrics: Expected `object`"),
    "something else": (lambda r: training(r).update(more=1), "parts.training: Object contains unknown field `more`"),
    "no grokking step": (
        lambda r: training(r)["metrics"].pop("grokking_step"),
        "parts.training.metrics: Object missing required field `grokking_step`",
    ),
    "a grokking step in words": (
        lambda r: training(r)["metrics"].update(grokking_step="soon"),
        "parts.training.metrics.grokking_step: Expected `int | null`, got `str`",
    ),
    "moments not whole": (
        lambda r: training(r)["metrics"].update(moments=[20, 40.5]),
        "parts.training.metrics.moments[1]: Expected `int`, got `float`",
    ),
    "a moment that was none": (
        lambda r: training(r)["metrics"].update(moments=[20, 41]),
        "parts.training.metrics.moments",
    ),
    "a strange date": (
        lambda r: training(r)["provenance"].update(date="yesterday"),
        "parts.training.provenance: 'yesterday' is no date",
    ),
    "the first year": (
        lambda r: training(r)["provenance"].update(date="0001-01-01T00:00:00+14:00"),
        "parts.training.provenance: '0001-01-01T00:00:00+14:00' is no date",
    ),
    "no device": (
        lambda r: training(r)["provenance"].pop("device"),
        "parts.training.provenance: Object missing required field `device`",
    ),
    "seconds in words": (
        lambda r: geometry(r)["provenance"].update(seconds="few"),
        "parts.geometry.provenance.seconds: Expected `float`, got `str`",
    ),
    "adopted a mapping": (
        lambda r: geometry(r)["provenance"].update(adopted={}),
        "parts.geometry.provenance.adopted: Expected `array`, got `object`",
    ),
    "a canary without steps": (lambda r: training(r).update(canary={}), "parts.training.canary: Object missing"),
    "a canary of something else": (
        lambda r: geometry(r)["canary"].pop("add.spectrum"),
        "parts.geometry.arrays.add.spectrum: not in the canary",
    ),
    "another configuration": (lambda r: r["configuration"].update(seed=9), "configuration.seed: not that of the run"),
    "a file outside": (
        lambda r: geometry(r)["files"]["arrays"].update(file="../x.safetensors"),
        "parts.geometry.files.arrays: '../x.safetensors' does not name",
    ),
    "another key": (lambda r: r.update(key="ff"), "holds the result 'ff'"),
}


def without(folder: Path, name: str) -> None:
    """Take an array away; the checksums are right."""
    change_arrays(folder, lambda arrays: arrays.pop(name))


def shortened(folder: Path, name: str) -> None:
    change_arrays(folder, lambda arrays: arrays.update({name: arrays[name][:-1]}))


def change_arrays(folder: Path, change: Change) -> None:
    store = Store(folder.parent)
    stored = store.read(folder.name)
    for name, part in stored.parts.items():
        arrays = dict(part.arrays)
        try:
            change(arrays)
        except KeyError:
            continue
        content = packed(arrays)
        (folder / "x.safetensors").write_bytes(content)
        named = {"arrays": {"file": "x.safetensors", "sha256": hashlib.sha256(content).hexdigest()}}
        resealed(folder / "result.json", partial(name_files, name, named))


def name_files(part: str, files: dict[str, Any], record: dict[str, Any]) -> None:
    record["parts"][part]["files"].update(files)


def in_place_of(folder: Path, beginning: str, put: Callable[[Path], object]) -> None:
    (path,) = (path for path in folder.iterdir() if path.name.startswith(beginning))
    path.unlink()
    put(path)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "NaN": (lambda f: _text(f, b'"final_step": 12000', b'"final_step": NaN'), "not valid JSON"),
    "nested deep": (lambda f: (f / "result.json").write_text("[" * 200_000), "nested too deep"),
    "an endless number": (lambda f: _text(f, b'"final_step": 12000', b'"final_step": 1e999'), "result.json: "),
    "no object": (lambda f: (f / "result.json").write_text("[]\n"), "not a record"),
    "bytes that are no text": (lambda f: (f / "result.json").write_bytes(b'{"a": "\xff"}'), "not valid JSON"),
    "a folder for a record": (lambda f: in_place_of(f, "result", os.mkdir), "result.json: not a plain file"),
    "a pipe for a record": (lambda f: in_place_of(f, "result", os.mkfifo), "result.json: not a plain file"),
    "a link to nothing for a record": (lambda f: in_place_of(f, "result", dangling), "result.json: a link to nothing"),
    "links in a circle": (lambda f: in_place_of(f, "result", circle), "result.json: Too many levels"),
    "a folder for arrays": (lambda f: in_place_of(f, "geometry", os.mkdir), ".safetensors: not a plain file"),
    "a pipe for arrays": (lambda f: in_place_of(f, "geometry", os.mkfifo), ".safetensors: not a plain file"),
    "a link to nothing for arrays": (
        lambda f: in_place_of(f, "geometry", dangling),
        ".safetensors: the file is missing",
    ),
    "a file for the folder": (a_file, "result.json: Not a directory"),
    "no losses": (lambda f: without(f, "history.train_loss"), "parts.training.arrays.history.train_loss: missing"),
    "a short history": (lambda f: shortened(f, "history.step"), "arrays.history.train_loss: 5 float32, where 4"),
    "no spectrum": (lambda f: without(f, "add.spectrum"), "parts.geometry.arrays.add.spectrum: missing"),
    "a moment less": (lambda f: shortened(f, "add.spectrum"), "arrays.add.spectrum: 1 × 3 float32, where floats for 2"),
}


def _text(folder: Path, old: bytes, new: bytes) -> None:
    path = folder / "result.json"
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))


@pytest.fixture
def folder() -> Path:
    """The folder of a result; that of the other run is as it should be."""
    found = find_project()
    store = Store(found.results)
    for run in load_experiment(found.experiments, "sizes", "paper").runs:
        store.write(result(run.configuration))
    return store.folder / run.key


VERBS = ("status", "why KEY", "verify", "verify --rerun 1", "adopt", "run --all --dry-run", "prepare --policy stored")


def said_by(verb: str, key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    for module in ("inventory", "making"):
        costs = f"epistemics.cli.{module}.training_costs"
        monkeypatch.setattr(costs, lambda _, left: dict.fromkeys((s.run.key for s in left), 1.0))
    monkeypatch.setattr("epistemics.lab.verification.rerun", lambda *_: [])
    capsys.readouterr()
    main(verb.replace("KEY", key).split())
    return "".join(capsys.readouterr())


@pytest.mark.parametrize("what", [*RECORDS, *FILES])
def test_a_result_with_wrong_content_is_damaged_by_name(
    folder: Path, what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if what in RECORDS:
        change, says = RECORDS[what]
        resealed(folder / "result.json", change)
    else:
        spoil, says = FILES[what]
        spoil(folder)
    said = said_by("status", folder.name, capsys, monkeypatch)
    assert "1 fresh, 1 damaged" in said
    assert f"results/{folder.name}/" in said
    assert says in said
    for verb in VERBS:
        said = said_by(verb, folder.name, capsys, monkeypatch)
        if verb.startswith(("why", "prepare")) and what != "a file for the folder":
            assert says in said, verb
    assert not (folder.parent / "set-aside").exists()


@pytest.mark.parametrize(
    ("number", "says"), [(2, "`epistemics migrate` converts it"), (7, "a newer epistemics wrote it")]
)
def test_another_format_is_no_damage(
    folder: Path, number: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resealed(folder / "result.json", lambda record: record.update(format=number))
    for verb in (*VERBS[:2], *VERBS[3:], "run --all"):
        assert says in said_by(verb, folder.name, capsys, monkeypatch), verb
    assert json.loads((folder / "result.json").read_text())["format"] == number


def test_a_part_that_is_not_stored_is_missing_and_the_other_is_fresh(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(folder.parent)
    whole = store.read(folder.name)
    store.write(replace(whole, parts={"training": whole.parts["training"]}))
    states = {s["key"]: s for s in json.loads(_json(said_by("status --json", "", capsys, monkeypatch)))}
    assert states[folder.name]["state"] == "missing"
    assert states[folder.name]["parts"] == {"training": "fresh", **dict.fromkeys(MEASURES, "missing")}
    for name in MEASURES:
        store.write_part(folder.name, name, replace(whole.parts[name], code="0" * 16))
    states = {s["key"]: s for s in json.loads(_json(said_by("status --json", "", capsys, monkeypatch)))}
    assert states[folder.name]["state"] == "stale"
    assert states[folder.name]["parts"] == {"training": "fresh", **dict.fromkeys(MEASURES, "stale")}


def _json(said: str) -> str:
    return said[said.index("[") :]


def test_a_setting_that_a_later_version_has_at_its_default_is_no_damage(project: Path) -> None:
    (run,) = load_experiment(project / "experiments", "sizes", "smoke").runs
    store = Store(find_project("smoke", start=project).results)
    made = result(run.configuration)
    store.write(replace(made, configuration={**made.configuration, "newer_setting": 0}))
    (found,) = status([run], store)
    assert (found.state, found.fault) == ("fresh", None)
