"""Adoption: a stale result is sealed anew if the changed code still does what it did, shown by its canary.

The proof is recorded in the result: where the canary was taken again, and how near it came. On the device and with the
versions that made the result nothing but equal bits will do; elsewhere the tolerances of ``canary`` hold.
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

from epistemics.runs import RunFailed, current_code, current_definitions, worker_environment
from epistemics.store import Store


@dataclass(frozen=True)
class Adoption:
    """What became of one stale result."""

    key: str
    adopted: bool
    said: str
    """The proof, or where the two part."""


def adopt(store: Store, keys: Sequence[str], workspace: Path, device: str) -> Iterator[Adoption]:
    """Replay the canaries of stored results under the present code; seal those anew that come out the same.

    Raises:
        RunFailed: if the present code can't take them.
    """
    configurations = [store.read(key).configuration for key in keys]
    command = [sys.executable, "-m", "epistemics.canary", device]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=worker_environment(workspace)
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked = [{"configuration": c, "canary": store.seal(k).canary} for k, c in zip(keys, configurations, strict=True)]
    process.stdin.write(json.dumps(asked))
    process.stdin.close()
    code, definitions = current_code(), current_definitions()
    for key, line in zip(keys, process.stdout, strict=False):
        yield _judged(store, key, json.loads(line), code, definitions)
    if process.wait() != 0:
        raise RunFailed("a canary could not be taken again under the present code; its error is above")


def _judged(
    store: Store, key: str, repeated: dict[str, Any], code: dict[str, str], definitions: dict[str, dict[str, str]]
) -> Adoption:
    made = store.seal(key).provenance
    same_place = made["device"] == repeated["device"] and made["versions"] == repeated["versions"]
    if repeated["first_difference"] is None:
        said = "bit for bit"
    elif same_place:
        return Adoption(key, False, f"its bits part at {repeated['first_difference']} (relative difference of losses "
                                    f"{repeated['difference']:.1e})")  # fmt: skip
    elif repeated["parts_at"] is not None:
        return Adoption(key, False, f"they part at {repeated['parts_at']}, by {repeated['difference']:.1e}")
    else:
        said = f"within {repeated['difference']:.1e}, on another device or version"
    proof = {
        "from": store.seal(key).code,
        "proof": said,
        "device": repeated["device"],
        "versions": repeated["versions"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    store.reseal(key, code, definitions, proof)
    return Adoption(key, True, said)
