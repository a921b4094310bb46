"""Adoption: a stale result is sealed anew if the changed code still does what it did, shown by its canary.

Training and measures are judged apart: where only measures come out otherwise, the training is adopted, and what is
left is to measure again. The proof is recorded in the result: where the canary was taken again, and how near it came.
On the device and with the versions that made the result nothing but equal bits will do; elsewhere the tolerances of
``canary`` hold.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
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
