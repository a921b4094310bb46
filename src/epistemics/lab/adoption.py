"""Adoption: a stale result is sealed anew if the changed code still does what it did, shown by its canary.

Training and measures are judged apart: where only measures come out otherwise, the training is adopted, and what is
left is to measure again. The proof is recorded in the result: where the canary was taken again, and how near it came.
On the device and with the versions that made the result nothing but equal bits will do; elsewhere the tolerances of
``canary`` hold. After sixteen steps an accuracy is a few answers out of many, and on another kind of processor it may
differ by more than any tolerance: there the code at a commit that made the results is run *beside* the present one, on
the same machine, and again nothing but equal bits will do.

Measures that have moved from one family to others move in the result too, if the new families give what the old one
gave.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from epistemics.declared.sections import SpecificationError
from epistemics.lab.canary import Comparison, compare, taken_over
from epistemics.lab.commits import UnknownCommit, commit_of, laid_out
from epistemics.lab.parts import TRAINING, parts_of
from epistemics.lab.scheduler import RunFailed, worker_environment
from epistemics.lab.status import current_seals, current_sources
from epistemics.store.record import Record
from epistemics.store.store import ChangedMeanwhile, Seal, Store, resealed
from epistemics.study import PARTS, SETTINGS, configuration_from_json


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
    asked = [
        {"configuration": r.configuration, "canary": {name: part.canary for name, part in r.parts.items()}}
        for r in records
    ]
    command = [sys.executable, "-m", "epistemics.lab.canary", device]
    answers = _answers(command, asked, worker_environment(workspace))
    for key, repeated in zip(keys, answers, strict=True):
        yield _judged(store, key, repeated, partial(_repeated, repeated))


def adopt_beside(store: Store, keys: Sequence[str], workspace: Path, device: str, commit: str) -> Iterator[Adoption]:
    """Take the canaries of stored results under the code of a commit and under the present one, here; seal anew what
    comes out the same to the bit. It costs two canaries each, and speaks for what is sealed with the commit's code.

    Raises:
        SpecificationError: if the project's repository has no such commit, or not one with this package.
        RunFailed: if either code can't take them.
    """
    records = [store.record(key) for key in keys]
    asked = [{"configuration": record.configuration, "parts": list(record.parts)} for record in records]
    environment = worker_environment(workspace)
    with _source_at(commit) as (hash_, old):
        then, now = (
            _answers(
                [sys.executable, "-c", TAKEN, device],
                asked,
                environment | {"PYTHONPATH": os.pathsep.join([str(source), environment["PYTHONPATH"]])},
            )
            for source in (old, Path(__file__).parents[2])
        )
        for key, before, after in zip(keys, then, now, strict=True):
            if unknown := before.get("unknown"):
                yield Adoption(key, False, f"the code at {hash_} does not know its settings: {unknown}")
                continue
            compared = compare(before["canary"], after["canary"], 0.0)
            yield _judged(store, key, after, partial(_beside, compared, before["code"], hash_))


def _answers(command: Sequence[str], asked: Any, environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What a process answers, line by line, to something asked of it; it begins at once.

    Raises:
        RunFailed: if it ends with an error.
    """
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(environment))
    assert process.stdin is not None
    process.stdin.write(json.dumps(asked))
    process.stdin.close()
    return _lines(process)


def _lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    try:
        for line in process.stdout:
            yield json.loads(line)
        if process.wait() != 0:
            raise RunFailed("a canary could not be taken again; the error is above")
    finally:
        process.kill()


TAKEN = """
import inspect, json, os, sys
import torch
from epistemics.lab.canary import canary_of
from epistemics.lab.provenance import provenance_of
from epistemics.lab.status import current_code
from epistemics.science.configuration import configuration_from_json

try:
    from epistemics.lab.parts import parts_of
except ImportError:  # once every result had every part
    parts_of = None

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.set_flush_denormal(True)
one_for_all = not inspect.signature(current_code).parameters  # of runs, as it was once
for asked in json.load(sys.stdin):
    try:
        configuration = configuration_from_json(asked["configuration"])
    except TypeError as error:
        print(json.dumps({"unknown": str(error)}), flush=True)
        continue
    of = {"of": parts_of(stored=asked["parts"])} if parts_of else {}
    code = current_code() if one_for_all else current_code(configuration, **of)
    canary = canary_of(configuration, sys.argv[1], **of)
    made = provenance_of([configuration], torch.device(sys.argv[1]))
    place = {name: made[name] for name in ("device", "versions")}
    print(json.dumps({"code": code, "canary": canary, **place}), flush=True)
"""
"""Run by a process for each of the two sources: it takes what every version of the package has had."""


@contextmanager
def _source_at(commit: str) -> Iterator[tuple[str, Path]]:
    """A commit's hash, and its folder ``src`` for as long as the context lasts."""
    project = Path(__file__).parents[3]
    try:
        hash_ = commit_of(project, commit)
        with laid_out(project, hash_, "src") as folder:
            yield hash_, folder / "src"
    except UnknownCommit as error:
        raise SpecificationError(f"--beside {commit}: {error}") from error


Judge = Callable[[str, str, Record], tuple[str, bool]]
"""Of a part, by its name, as a record has it, under the same name or another: what there is to say of it, and whether
the changed code does the same."""


def _judged(store: Store, key: str, place: Mapping[str, Any], judge: Judge) -> Adoption:
    """Seal anew each part that has changed and does the same; ``place`` is where that was seen, with the canary."""
    record = store.record(key)
    configuration = configuration_from_json(record.configuration)
    seals = current_seals(configuration, parts_of(stored=record.parts))
    if place["code"] != {name: seal.code for name, seal in seals.items()}:
        return Adoption(key, False, "the source was edited while its canary was taken: adopt it again")
    formers = {name: name for name in record.parts if name in seals}
    formers |= taken_over({name: part.canary for name, part in record.parts.items()}, place["canary"])
    shown: dict[str, str] = {}
    failed: dict[str, str] = {}
    for name in (name for name in seals if name in formers):
        former = formers[name]
        if former == name and record.parts[name].code == seals[name].code:
            continue
        what, does_the_same = judge(name, former, record)
        (shown if does_the_same else failed)[name] = what
        if TRAINING in failed:
            break  # measures of another training prove nothing
    # Of what several take over, nothing is taken if one of them is something else.
    torn = {formers[name] for name in failed}
    shown = {name: what for name, what in shown.items() if formers[name] not in torn}
    said = _together(shown, " ")
    if shown:
        proof = {
            "proof": said,
            "device": place["device"],
            "versions": place["versions"],
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        store.keep_sources(current_sources(configuration, seals))  # `why` compares an adopted result with these
        anew = {name: seals[name] for name in shown}
        # A setting that there was not yet is named from now on: its default may change.
        settings = json.loads(json.dumps(dataclasses.asdict(configuration)))
        if any(formers[name] != name for name in shown):
            try:
                _move(store, key, {name: formers[name] for name in shown}, place["canary"], anew, proof, settings)
            except ChangedMeanwhile as error:
                return Adoption(key, False, str(error))
        else:
            store.reseal(key, anew, proof, settings)
    if not shown and not failed:
        failed = {name: "not stored, nor in a part that there is no more" for name in seals if name not in formers}
    return Adoption(key, not failed, _together(failed, ": ") or said)


def _together(said: Mapping[str, str], between: str) -> str:
    """What is said of parts, those of which the same is said together."""
    grouped = {what: ", ".join(name for name, own in said.items() if own == what) for what in said.values()}
    return "; ".join(f"{names}{between}{what}" for what, names in grouped.items())


def _move(
    store: Store,
    key: str,
    formers: Mapping[str, str],
    measures: Mapping[str, Collection[str]],
    anew: Mapping[str, Seal],
    proof: Mapping[str, Any],
    configuration: dict[str, Any],
) -> None:
    """Reseal, and give families the measures that they take over from another, which is there no more then.

    What was measured together took its time together: the first of them says how long.
    """
    result = store.read(key)
    parts = {name: part for name, part in result.parts.items() if name not in formers.values()}
    told: set[str] = set()
    for name, former in formers.items():
        part = result.parts[former]
        if former != name:
            part = msgspec.structs.replace(
                part,
                settings=dict(SETTINGS.get(name, {})),
                canary={measure: part.canary[measure] for measure in measures[name]},
                arrays={measure: part.arrays[measure] for measure in measures[name]},
                provenance={
                    what: value for what, value in part.provenance.items() if what != "seconds" or former not in told
                },
            )
            told.add(former)
        parts[name] = resealed(part, anew[name], proof)
    order = [*PARTS, *(name for name in parts if name not in PARTS)]
    ordered = {name: parts[name] for name in order if name in parts}
    store.write(msgspec.structs.replace(result, parts=ordered, configuration=configuration), made_of=result)


def _repeated(repeated: Mapping[str, Any], name: str, former: str, record: Record) -> tuple[str, bool]:
    """By the canary that is stored, repeated."""
    comparison = repeated["compared"][name]
    if comparison["first_difference"] is None:
        return "bit for bit", True
    difference = f"{comparison['difference']:.1e}"
    made = record.provenance | record.parts[former].provenance  # a migrated part does not say where it was made
    if all(made[field] == repeated[field] for field in ("device", "versions")):
        return f"its bits part at {comparison['first_difference']} (relative difference {difference})", False
    if comparison["parts_at"] is not None:
        return f"they part at {comparison['parts_at']}, by {difference}", False
    return f"within {difference}, on another device or version", True


def _beside(
    compared: Mapping[str, Comparison], code: Mapping[str, str], commit: str, name: str, former: str, record: Record
) -> tuple[str, bool]:
    """By what the code of a commit and the present code gave, one beside the other."""
    if code.get(former) != record.parts[former].code:
        return f"the code at {commit} is not what it is sealed with", False
    if (parts_at := compared[name].first_difference) is not None:
        return f"the bits of the two part at {parts_at}", False
    return f"bit for bit as the code at {commit}, run beside it on one machine", True
