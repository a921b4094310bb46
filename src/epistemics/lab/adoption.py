"""Adoption: a stale result is sealed anew if the changed code still does what it did, shown by its canary.

Training and measures are judged apart: where only measures come out otherwise, the training is adopted, and what is
left is to measure again. The proof is recorded in the result: where the canary was taken again, and how near it came.
On the device and with the versions that made the result nothing but equal bits will do; elsewhere the tolerances of
``canary`` hold. After sixteen steps an accuracy is a few answers out of many, and on another kind of processor it may
differ by more than any tolerance: there the code at a commit that made the results is run *beside* the present one, on
the same machine, and again nothing but equal bits will do.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from epistemics.declared.sections import SpecificationError
from epistemics.lab.canary import compare
from epistemics.lab.scheduler import RunFailed, worker_environment
from epistemics.lab.status import current_seals
from epistemics.store.fingerprint import reached
from epistemics.store.store import Store
from epistemics.study import PARTS


@dataclass(frozen=True)
class Adoption:
    """What became of one stale result."""

    key: str
    adopted: bool
    said: str
    """The proof, or where the two part."""


def adopt(store: Store, keys: Sequence[str], workspace: Path, device: str) -> Iterator[Adoption]:
    """Replay the canaries of stored results under the present code; seal anew what comes out the same.

    Raises:
        RunFailed: if the present code can't take them.
    """
    records = [store.record(key) for key in keys]
    command = [sys.executable, "-m", "epistemics.lab.canary", device]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=worker_environment(workspace)
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked = [
        {"configuration": r.configuration, "canary": {name: part.canary for name, part in r.parts.items()}}
        for r in records
    ]
    process.stdin.write(json.dumps(asked))
    process.stdin.close()
    store.keep_sources(reached(*PARTS.values()).values())  # `why` compares an adopted result with these
    for key, line in zip(keys, process.stdout, strict=False):
        yield _judged(store, key, json.loads(line))
    if process.wait() != 0:
        raise RunFailed("a canary could not be taken again under the present code; its error is above")


def adopt_beside(store: Store, keys: Sequence[str], workspace: Path, device: str, commit: str) -> Iterator[Adoption]:
    """Take the canaries of stored results under the code of a commit and under the present one, here; seal anew what
    comes out the same to the bit. It costs two canaries each, and speaks for what is sealed with the commit's code.

    Raises:
        SpecificationError: if the project's repository has no such commit, or not one with this package.
        RunFailed: if either code can't take them.
    """
    configurations = [store.record(key).configuration for key in keys]
    with _source_at(commit) as old:
        both = [_canaries(source, configurations, workspace, device) for source in (old, Path(__file__).parents[2])]
        then, _ = (next(process) for process in both)
        store.keep_sources(reached(*PARTS.values()).values())
        for key, before, after in zip(keys, *both, strict=True):
            yield _judged_beside(store, key, then["code"], before, after, commit)


def _canaries(source: Path, configurations: list[Any], workspace: Path, device: str) -> Iterator[dict[str, Any]]:
    """What a source says of itself, and then its canary of each configuration, from a process that imports it."""
    environment = worker_environment(workspace)
    environment["PYTHONPATH"] = os.pathsep.join([str(source), environment["PYTHONPATH"]])
    process = subprocess.Popen(
        [sys.executable, "-c", TAKEN, device], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(configurations))
    process.stdin.close()
    try:
        for line in process.stdout:
            yield json.loads(line)
        if process.wait() != 0:
            raise RunFailed(f"a canary could not be taken under the code in {source}; its error is above")
    finally:
        process.kill()


TAKEN = """
import json, os, sys
import torch
from epistemics.lab.canary import canary_of
from epistemics.lab.provenance import provenance_of
from epistemics.lab.status import current_code
from epistemics.science.configuration import configuration_from_json

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.set_flush_denormal(True)
print(json.dumps({"code": current_code()}), flush=True)
for content in json.load(sys.stdin):
    configuration = configuration_from_json(content)
    canary = canary_of(configuration, sys.argv[1])
    made = provenance_of([configuration], torch.device(sys.argv[1]))
    place = {name: made[name] for name in ("device", "versions")}
    print(json.dumps({"canary": canary, **place}), flush=True)
"""
"""Run by a process for each of the two sources; it names only what every version of the package has had."""


@contextmanager
def _source_at(commit: str) -> Iterator[Path]:
    """The folder ``src`` of a commit, for as long as the context lasts."""
    repository = Path(__file__).parents[3]
    with tempfile.TemporaryDirectory(prefix="epistemics-") as folder:
        command = ["git", "-C", str(repository), "archive", "--format=zip", commit, "src"]
        done = subprocess.run(command, capture_output=True)
        if done.returncode != 0:
            raise SpecificationError(f"--beside {commit}: {done.stderr.decode().strip() or 'no such commit'}")
        with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder)
        yield Path(folder) / "src"


def _judged_beside(
    store: Store, key: str, code: dict[str, str], before: dict[str, Any], after: dict[str, Any], commit: str
) -> Adoption:
    """Seal anew each part that the commit's code made and the present code makes to the same bits."""
    record, seals = store.record(key), current_seals()
    compared = compare(before["canary"], after["canary"], 0.0)
    shown: list[str] = []
    failed = ""
    for name, part in record.parts.items():
        if name not in seals or part.code == seals[name].code:
            continue
        if code.get(name) != part.code:
            failed = f"{name}: the code at {commit} is not what it is sealed with"
        elif name not in compared:
            failed = f"{name}: there is no such part at {commit}"
        elif (parts_at := compared[name].first_difference) is not None:
            failed = f"{name}: the bits of the two part at {parts_at}"
        if failed:
            break  # measures of another training prove nothing
        shown.append(name)
    said = f"{' and '.join(shown)} bit for bit as the code at {commit}, run beside it on one machine"
    if shown:
        proof = {"proof": said, **{name: after[name] for name in ("device", "versions")}, "date": _now()}
        store.reseal(key, {name: seals[name] for name in shown}, proof)
    return Adoption(key, not failed, failed or said)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _judged(store: Store, key: str, repeated: dict[str, Any]) -> Adoption:
    """Seal anew each part that has changed and does the same."""
    record, seals = store.record(key), current_seals()
    shown, failed = {}, ""
    for name, part in record.parts.items():
        if name not in seals or part.code == seals[name].code:
            continue
        made = record.provenance | part.provenance  # a migrated part does not say where it was made
        same_place = all(made[field] == repeated[field] for field in ("device", "versions"))
        what, does_the_same = _judgement(repeated[name], same_place)
        if not does_the_same:
            failed = f"{name}: {what}"
            break  # measures of another training prove nothing
        shown[name] = what
    said = "; ".join(f"{name} {what}" for name, what in shown.items())
    if shown:
        proof = {
            "proof": said,
            "device": repeated["device"],
            "versions": repeated["versions"],
            "date": _now(),
        }
        store.reseal(key, {name: seals[name] for name in shown}, proof)
    return Adoption(key, not failed, failed or said)


def _judgement(comparison: dict[str, Any], same_place: bool) -> tuple[str, bool]:
    """What a comparison of canaries says, and whether the changed code does the same."""
    if comparison["first_difference"] is None:
        return "bit for bit", True
    difference = f"{comparison['difference']:.1e}"
    if same_place:
        return f"its bits part at {comparison['first_difference']} (relative difference {difference})", False
    if comparison["parts_at"] is not None:
        return f"they part at {comparison['parts_at']}, by {difference}", False
    return f"within {difference}, on another device or version", True
