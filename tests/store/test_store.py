"""The result store: what is written is what is read, and damage is never served."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
from msgspec.structs import replace
from stored import resealed

import epistemics.store.store as store_module
from epistemics.store.files import write_atomically
from epistemics.store.record import DamagedResult, Made, Part, Record, Result, UnknownFormat
from epistemics.store.store import ChangedMeanwhile, MissingResult, Seal, Store

KEY = "0123456789abcdef"


def result(value: int = 0, key: str = KEY, size: int = 20, weights: bool = True) -> Result:
    """A result whose every part says which one it is."""
    first = Part(
        settings={},
        code="aa",
        definitions={"science.training.train": "cc"},
        canary={"steps": [{"step": 1, "train_loss": 0.1 + 0.2, "digest": "dd"}]},
        provenance={"device": "a processor – ½", "seconds": 1e-05},
        metrics={"grokking_step": value, "validation_accuracy": 0.1 + 0.2},
        arrays={"history.step": np.full(size, value, np.int64)},
        weights={"parameters": np.full(size, value, np.float32)} if weights else {},
    )
    return Result(
        key=key,
        configuration={"seed": value, "operations": ["add"], "stop_after_grokking": None},
        parts={"one": first, "another": another(value)},
    )


def another(value: int = 0) -> Part:
    """The second part, whose name comes first in the alphabet."""
    return Part(
        settings={"draws": value},
        code="bb",
        definitions={},
        canary={},
        provenance={"seconds": 2.0},
        arrays={"add.about_mean": np.linspace(0, value, 6, dtype=np.float32).reshape(2, 3)},
    )


def assert_equal(read: Result, written: Result) -> None:
    assert read.key == written.key
    assert read.configuration == written.configuration
    assert list(read.parts) == list(written.parts)
    for name, part in written.parts.items():
        for field in Made.__struct_fields__:
            assert getattr(read.parts[name], field) == getattr(part, field), (name, field)
        for kind in ("arrays", "weights"):
            ours, theirs = getattr(read.parts[name], kind), getattr(part, kind)
            assert ours.keys() == theirs.keys()
            for key, array in theirs.items():
                assert ours[key].dtype == array.dtype
                np.testing.assert_array_equal(ours[key], array)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


def files(store: Store, key: str = KEY) -> list[Path]:
    return sorted((store.folder / key).iterdir())


# Round trips


@pytest.mark.parametrize("weights", [True, False])
def test_what_is_written_is_read(store: Store, weights: bool) -> None:
    written = result(3, weights=weights)
    store.write(written)
    assert_equal(store.read(KEY), written)
    assert store.record(KEY).code == written.code == {"one": "aa", "another": "bb"}
    assert KEY in store
    assert store.keys() == [KEY]


def test_arrays_that_do_not_lie_in_one_piece_are_stored_as_they_look(store: Store) -> None:
    store.write(result())
    turned = np.arange(12.0).reshape(3, 4).T[::2]
    store.write_part(KEY, "another", replace(another(), arrays={"turned": turned}))
    np.testing.assert_array_equal(store.read(KEY).arrays["turned"], turned)


def test_an_empty_store(store: Store) -> None:
    assert store.keys() == []
    assert KEY not in store
    assert store.content(KEY) == "missing"
    for ask in (store.read, store.record, store.files, store.set_aside):
        with pytest.raises(MissingResult, match=KEY):
            ask(KEY)


def test_a_replacement_leaves_nothing_of_the_old_result(store: Store) -> None:
    store.write(result(1))
    before = store.content(KEY)
    store.write(result(2, weights=False))
    assert_equal(store.read(KEY), result(2, weights=False))
    assert len(files(store)) == 3  # result.json and the arrays of its parts
    assert store.content(KEY) != before


def test_the_same_result_twice_gives_the_same_bytes(store: Store) -> None:
    store.write(result(1))
    before = {path.name: path.read_bytes() for path in files(store)}
    store.write(result(1))
    assert {path.name: path.read_bytes() for path in files(store)} == before


def test_the_files_are_plain_json_and_safetensors(store: Store) -> None:
    store.write(result(1))
    assert {path.suffix for path in files(store)} == {".json", ".safetensors"}
    record = json.loads((store.folder / KEY / "result.json").read_text())
    assert record["parts"]["one"]["metrics"]["grokking_step"] == 1
    assert record["configuration"]["seed"] == 1


def test_a_number_that_json_does_not_know_is_refused_and_the_old_result_stays(store: Store) -> None:
    store.write(result(1))
    with pytest.raises(ValueError, match="JSON"):
        store.write_part(KEY, "one", replace(result(2).parts["one"], metrics={"loss": float("nan")}))
    assert_equal(store.read(KEY), result(1))


# Damage


def test_every_flipped_byte_is_detected_and_its_file_named(store: Store) -> None:
    store.write(result(1))
    for path in files(store):
        sound = path.read_bytes()
        for position in range(len(sound)):
            flipped = bytearray(sound)
            flipped[position] ^= 1 << position % 8
            path.write_bytes(flipped)
            with pytest.raises((DamagedResult, UnknownFormat)) as caught:  # the latter for its number
                store.read(KEY)
            assert f"results/{KEY}/{path.name}" in str(caught.value)
        path.write_bytes(sound)
    assert_equal(store.read(KEY), result(1))


@pytest.mark.parametrize(("old", "new"), [(" ", "\t"), ("e-05", "E-05"), ("00000004", "00000005"), ("\n", "\n\n")])
def test_a_record_that_reads_the_same_but_was_not_written_so_is_damaged(store: Store, old: str, new: str) -> None:
    store.write(result(1))
    path = store.folder / KEY / "result.json"
    changed = path.read_text().replace(old, new, 1)
    assert json.loads(changed) == json.loads(path.read_text())
    path.write_text(changed)
    with pytest.raises(DamagedResult, match=r"result\.json: its content does not match"):
        store.read(KEY)


def test_a_truncated_file_is_detected(store: Store) -> None:
    store.write(result(1))
    for path in files(store):
        sound = path.read_bytes()
        for length in (0, 1, len(sound) // 2, len(sound) - 2):
            path.write_bytes(sound[:length])
            for ask in (store.read, store.files):
                with pytest.raises(DamagedResult, match=path.name):
                    ask(KEY)
        path.write_bytes(sound)


def test_missing_arrays_are_detected(store: Store) -> None:
    store.write(result(1))
    arrays = next(path for path in files(store) if path.name.startswith("one-arrays"))
    arrays.unlink()
    with pytest.raises(DamagedResult, match=f"{arrays.name}: the file is missing"):
        store.read(KEY)


def tampered(store: Store, **changes: object) -> None:
    """Change a record and seal it anew, as nobody does by accident."""
    path = store.folder / KEY / "result.json"
    resealed(path, lambda record: record.update(changes))


@pytest.mark.parametrize(
    "file", ["../other.safetensors", "/etc/hostname", "a/b.safetensors", "..", "", "a\0.safetensors"]
)
def test_files_outside_the_result_s_folder_are_refused(store: Store, file: str) -> None:
    store.write(result(1))
    (store.folder / "other.safetensors").write_bytes(b"")
    with_file(store, file, "")
    with pytest.raises(DamagedResult, match="lie in its own folder"):
        store.read(KEY)


def with_file(store: Store, file: str, digest: str) -> None:
    parts = json.loads((store.folder / KEY / "result.json").read_text())["parts"]
    parts["one"]["files"]["arrays"] = {"file": file, "sha256": digest}
    tampered(store, parts=parts)


def test_a_result_under_another_key_is_refused(store: Store) -> None:
    store.write(result(1))
    (store.folder / KEY).rename(store.folder / "fedcba9876543210")
    with pytest.raises(DamagedResult, match=f"fedcba9876543210/result.json: holds the result '{KEY}'"):
        store.read("fedcba9876543210")


@pytest.mark.parametrize(
    ("number", "says"), [(99, "format 99: a newer epistemics wrote it"), (2, "`epistemics migrate` converts it")]
)
def test_another_format_is_named_and_never_replaced(store: Store, number: int, says: str) -> None:
    store.write(result(1))
    tampered(store, format=number, something_else=[])
    before = {path: path.read_bytes() for path in files(store)}
    for ask in (store.read, store.record, store.files, store.content):
        with pytest.raises(UnknownFormat, match=f"results/{KEY}/result.json: .*{says}"):
            ask(KEY)
    with pytest.raises(UnknownFormat):
        store.write(result(2))
    with pytest.raises(UnknownFormat):
        store.write_part(KEY, "another", another(2))
    assert {path: path.read_bytes() for path in files(store)} == before


# Parts


def test_a_part_is_replaced_and_the_other_files_are_not_touched(store: Store) -> None:
    store.write(result(1))
    kept = [path for path in files(store) if path.name.startswith("one-")]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in kept}
    store.write_part(KEY, "another", another(5))
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in kept} == before
    first = result(1)
    assert_equal(store.read(KEY), replace(first, parts=first.parts | {"another": another(5)}))
    assert len(files(store)) == 4


def test_a_part_is_added_as_the_last_one(store: Store) -> None:
    store.write(result(1))
    store.write_part(KEY, "third", another(5))
    assert list(store.read(KEY).parts) == ["one", "another", "third"]


PROOF = {"proof": "bit for bit", "device": "x", "versions": {}, "date": "2026-01-02T03:04:05+00:00"}


def test_what_was_changed_meanwhile_is_not_overwritten(store: Store) -> None:
    store.write(result(1))
    read = store.read(KEY)
    store.reseal(KEY, {"one": Seal("new", {})}, PROOF, read.configuration)
    before = {path: path.read_bytes() for path in files(store)}
    with pytest.raises(ChangedMeanwhile, match=f"{KEY} was changed"):
        store.write(replace(read, parts={"one": read.parts["one"]}), made_of=read)
    assert {path: path.read_bytes() for path in files(store)} == before
    store.write(result(2), made_of=store.read(KEY))
    assert_equal(store.read(KEY), result(2))


def test_settings_that_there_were_not_are_named_when_it_is_resealed(store: Store) -> None:
    store.write(result(1))
    settings = store.read(KEY).configuration | {"warm_up": 0}
    store.reseal(KEY, {"one": Seal("new", {})}, PROOF, settings)
    assert store.read(KEY).configuration == settings


def test_a_part_that_is_resealed_says_all_that_it_said(store: Store) -> None:
    store.write(result(1))
    arrays = {path: path.read_bytes() for path in files(store) if path.suffix == ".safetensors"}
    content = store.content(KEY)
    read = store.read(KEY)
    store.reseal(KEY, {name: Seal(f"new {name}", {}) for name in ("one", "another")}, PROOF, read.configuration)
    read = store.read(KEY)
    assert read.code == {"one": "new one", "another": "new another"}
    assert read.provenance["adopted"] == [PROOF | {"from": {"one": "aa", "another": "bb"}}]
    assert store.content(KEY) == content
    for path, before in arrays.items():
        assert path.read_bytes() == before


def test_what_readers_see_of_the_parts_together(store: Store) -> None:
    store.write(result(1))
    read = store.read(KEY)
    assert read.metrics == {"grokking_step": 1, "validation_accuracy": 0.1 + 0.2}
    assert read.provenance == {"device": "a processor – ½", "seconds": 1e-05, "measure_seconds": 2.0}
    assert read.arrays.keys() == {"history.step", "add.about_mean"}


def test_arrays_with_the_right_checksum_that_are_no_safetensors(store: Store) -> None:
    store.write(result(1))
    (store.folder / KEY / "x.safetensors").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with_file(store, "x.safetensors", empty)
    with pytest.raises(DamagedResult, match=r"x\.safetensors: not safetensors"):
        store.read(KEY)


def test_a_damaged_result_is_set_aside_with_all_of_its_files(store: Store) -> None:
    store.write(result(1))
    (store.folder / KEY / "result.json").write_text("{")
    names = {path.name for path in files(store)}
    aside = store.set_aside(KEY)
    assert {path.name for path in aside.iterdir()} == names
    assert aside.is_relative_to(store.folder / "set-aside")
    assert KEY not in store
    assert store.keys() == []
    store.write(result(2))
    (store.folder / KEY / "result.json").write_text("{")
    assert store.set_aside(KEY) != aside  # the first is still there
    assert aside.is_dir()


# Several processes: forked, so that they start at once


fork = multiprocessing.get_context("fork")
LARGE = 100_000


def write_many(folder: Path, key: str, values: list[int]) -> None:
    for value in values:
        Store(folder).write(result(value, key, LARGE))


def assert_whole(read: Result) -> None:
    """All of its parts are of one and the same result."""
    value = read.metrics["grokking_step"]
    assert read.configuration["seed"] == value
    for array in (read.arrays["history.step"], read.weights["parameters"]):
        assert array.shape == (LARGE,)
        assert (array == value).all()


@pytest.mark.parametrize("keys", [[KEY, KEY], [KEY, "fedcba9876543210"]], ids=["same key", "two keys"])
def test_two_writers_and_a_reader(store: Store, keys: list[str]) -> None:
    """While two processes write, every read finds one whole result; in the end nothing else lies about."""
    for key in set(keys):
        store.write(result(0, key, LARGE))
    writers = [
        fork.Process(target=write_many, args=(store.folder, key, list(range(1 + 100 * number, 31 + 100 * number))))
        for number, key in enumerate(keys)
    ]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        for key in keys:
            read = store.read(key)
            assert_whole(read)
            seen.add(read.metrics["grokking_step"])
            assert store.record(key).code == read.code
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(seen) > 3  # the reader did see replacements
    for key in keys:
        assert_whole(store.read(key))
        assert len(files(store, key)) == 4


def test_a_result_replaced_between_two_of_its_files_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(result(1))
    of_one_moment = Store._record

    def then_replaced(self: Store, key: str) -> Record:
        record = of_one_moment(self, key)
        monkeypatch.undo()
        store.write(result(2))
        return record

    monkeypatch.setattr(Store, "_record", then_replaced)
    assert_equal(store.read(KEY), result(2))


def test_two_writers_of_one_key_do_not_remove_each_other_s_arrays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins when the first has moved its arrays into place, but not yet its record."""
    begin = fork.Event()

    def write_second() -> None:
        begin.wait()
        write_many(store.folder, KEY, [2])

    second = fork.Process(target=write_second)
    second.start()
    write = write_atomically

    def slow(path: Path, content: bytes) -> None:
        if path.suffix == ".json":
            begin.set()
            second.join(0.5)
        write(path, content)

    monkeypatch.setattr(store_module, "write_atomically", slow)
    store.write(result(1, size=LARGE))
    monkeypatch.undo()
    assert_whole(store.read(KEY))
    second.join()
    assert_whole(store.read(KEY))
    assert store.read(KEY).metrics["grokking_step"] == 2


def test_a_writer_killed_at_any_time_leaves_no_damage(store: Store) -> None:
    store.write(result(0, size=LARGE))
    random, replaced = Random(0), set()
    for start in range(200):
        writer = fork.Process(target=write_many, args=(store.folder, KEY, list(range(start * 1000, 10**6))))
        writer.start()
        time.sleep(random.uniform(0.005, 0.04))
        writer.kill()
        writer.join()
        read = store.read(KEY)
        assert_whole(read)
        replaced.add(read.metrics["grokking_step"])
    assert len(replaced) > 60  # they were killed at work, not before it
    store.write(result(7, size=LARGE))
    assert_whole(store.read(KEY))
    assert len(files(store)) == 4  # what the killed ones left unfinished is gone


FULL = """
import subprocess, sys
from pathlib import Path
from test_store import LARGE, assert_whole, files, result
from epistemics.store.store import Store

folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=True)
store = Store(folder / "results")
store.write(result(1, size=LARGE))
failed = 0
for fill in range(1800, 0, -20):  # kilobytes that something else takes: less and less is missing
    (folder / "other").write_bytes(bytes(1024 * fill))
    try:
        store.write(result(2 + fill, size=LARGE))
    except OSError:
        failed += 1
    assert_whole(store.read(result().key))
    assert not [path for path in files(store) if path.name.startswith(".writing")]
    (folder / "other").unlink()
store.write(result(7, size=LARGE))
assert_whole(store.read(result().key))
assert len(files(store)) == 4
print(failed)
"""


@pytest.mark.slow
def test_a_full_disk_costs_no_stored_result(tmp_path: Path) -> None:
    """A small file system of its own, with less and less room beside the stored result."""
    private = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*private, "true"], capture_output=True).returncode:
        pytest.skip("this system allows no mounts of one's own")
    command = [*private, sys.executable, "-c", FULL, str(tmp_path)]
    beside = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": beside}
    done = subprocess.run(command, cwd=Path(__file__).parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5


def test_a_first_write_that_is_killed_leaves_no_result(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write = write_atomically

    def dies_at_the_record(path: Path, content: bytes) -> None:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(store_module, "write_atomically", dies_at_the_record)
    with pytest.raises(KeyboardInterrupt):
        store.write(result(1))
    monkeypatch.undo()
    assert store.keys() == []
    with pytest.raises(MissingResult):
        store.read(KEY)
