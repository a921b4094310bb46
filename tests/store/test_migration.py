"""Results of format 2 become results of format 3, and nothing is lost on the way."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

import epistemics.store.store as store_module
from epistemics.cli import main
from epistemics.lab.migration import migrate
from epistemics.store.files import write_atomically
from epistemics.store.record import UnknownFormat
from epistemics.store.store import Store

OLD = Path(__file__).parent / "format-2"
ADOPTED, FRESH = "17eaed4e3024916d", "026ca8bab4c62b66"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two results of format 2."""
    return Store(shutil.copytree(OLD, tmp_path / "results"))


def old_record(key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OLD / key / "result.json").read_text())
    return found


def changed(store: Store, key: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a record of format 2, with the checksum of that format."""
    path = store.folder / key / "result.json"
    record = json.loads(path.read_text())
    del record["checksum"]
    change(record)
    record["checksum"] = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize("key", [ADOPTED, FRESH])
def test_a_migrated_result_says_what_it_said(store: Store, key: str) -> None:
    old = old_record(key)
    with pytest.raises(UnknownFormat):
        store.read(key)
    assert [one.damage or one.unknown for one in migrate(store)] == [None, None]
    new = store.read(key)
    assert new.configuration == old["configuration"]
    assert new.metrics == old["metrics"]
    assert new.provenance == old["provenance"]
    assert new.parts["training"].canary["steps"] == old["canary"]["steps"]
    assert new.parts["measures"].canary == old["canary"]["measures"]
    arrays = load((OLD / key / old["files"]["arrays"]["file"]).read_bytes())
    assert new.arrays.keys() == arrays.keys()
    for name, values in arrays.items():
        assert new.arrays[name].dtype == values.dtype
        np.testing.assert_array_equal(new.arrays[name], values)
    assert all(name.startswith("history.") for name in new.parts["training"].arrays)
    assert len(list((store.folder / key).iterdir())) == 3
    assert list(migrate(store)) == []


def test_each_part_keeps_the_fingerprint_of_the_code_that_made_it(store: Store) -> None:
    list(migrate(store))
    for key in (ADOPTED, FRESH):
        old = old_record(key)
        for name, part in store.read(key).parts.items():
            assert (part.code, part.definitions) == (old["code"][name], old["definitions"][name])
            (note,) = part.provenance["migrated"]
            assert note["from"] == {"format": 2, "code": part.code}
            assert note["proof"] is None


@pytest.mark.parametrize("at", range(6))
def test_whoever_is_killed_migrates_the_rest_later(store: Store, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    written: list[Path] = []

    def dies(path: Path, content: bytes) -> None:
        if len(written) == at:
            raise KeyboardInterrupt
        written.append(path)
        write_atomically(path, content)

    monkeypatch.setattr(store_module, "write_atomically", dies)
    with pytest.raises(KeyboardInterrupt):
        list(migrate(store))
    monkeypatch.setattr(store_module, "write_atomically", write_atomically)
    assert len(list(migrate(store))) == 2 - at // 3
    for key in (ADOPTED, FRESH):
        assert store.read(key).metrics == old_record(key)["metrics"]
        assert len(list((store.folder / key).iterdir())) == 3


def test_a_damaged_one_is_named_and_set_aside(store: Store) -> None:
    changed(store, FRESH, lambda r: r["provenance"].update(date="yesterday"))
    arrays = next((store.folder / ADOPTED).glob("arrays-*"))
    arrays.write_bytes(b"")
    found = {one.key: one.damage or "" for one in migrate(store)}
    assert "provenance: 'yesterday' is no date" in found[FRESH]
    assert f"{arrays.name}: its content does not match its checksum" in found[ADOPTED]
    assert store.keys() == []
    assert len(list((store.folder / "set-aside").glob("*/result.json"))) == 2


def test_a_format_that_can_t_be_converted_is_named_and_left(store: Store) -> None:
    changed(store, FRESH, lambda r: r.update(format=1))
    changed(store, ADOPTED, lambda r: r.update(format=9))
    found = {one.key: one.unknown or "" for one in migrate(store)}
    assert "format 9: a newer epistemics wrote it" in found[ADOPTED]
    assert "format 1" in found[FRESH]
    assert store.keys() == [FRESH, ADOPTED]


def test_the_verb_says_how_many(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "_quarto.yml").write_text("project: {type: book}\n")
    (tmp_path / "experiments").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EPISTEMICS_RESULTS", raising=False)
    assert main(["migrate"]) == 0
    assert capsys.readouterr().out == (
        "2 results converted to format 3; `epistemics adopt` shows which of them still hold\n"
    )
    assert main(["migrate"]) == 0
    assert capsys.readouterr().out == "no result to convert to format 3\n"
