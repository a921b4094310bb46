"""Results of an older format, converted to the present one: nothing is computed anew, and nothing is lost.

Format 2 had two parts, training and measures, whose arrays lay in one file, and fingerprints that knew in which module
a definition lay. A part keeps that fingerprint, and so is stale: ``adoption`` shows what the present code does alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field, to_builtins

from epistemics.lab.provenance import commit
from epistemics.store.record import (
    FORMAT,
    DamagedResult,
    Files,
    InvalidContent,
    Part,
    Result,
    another_format,
    converted,
    parsed,
)
from epistemics.store.store import Seal, Store, shown_record

OLD_FORMAT = 2


@dataclass(frozen=True)
class Migrated:
    """What became of one result that is not of the present format."""

    key: str
    damage: str | None = None
    """Of one that was set aside: the file and the fault."""
    unknown: str | None = None
    """Of one that can't be converted and was left as it is: its format."""


class OldCanary(Struct, forbid_unknown_fields=True):
    """The canary of format 2."""

    steps: list[dict[str, Any]]
    measures: dict[str, dict[str, Any]]


class OldRecord(Struct, forbid_unknown_fields=True):
    """The record of format 2."""

    format: int
    key: str
    configuration: dict[str, Any]
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    code: dict[str, str]
    definitions: dict[str, dict[str, str]]
    canary: OldCanary
    files: Files
    checksum: str


class OldProof(Struct, forbid_unknown_fields=True):
    """That other code does the same, in format 2: part → the fingerprint that it had before."""

    from_: dict[str, str] = field(name="from")
    proof: str
    device: str
    versions: dict[str, str]
    date: str

    def of(self, part: str) -> dict[str, Any]:
        """The same for one part, as format 3 has it."""
        return {**to_builtins(self), "from": self.from_[part]}


def migrate(store: Store) -> Iterator[Migrated]:
    """Convert every result of the old format, each in one step; yields what became of each that is not of the present.

    A damaged one is set aside. Whoever is interrupted calls it again.
    """
    at = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit()}
    for key in sorted(store.keys()):
        shown = shown_record(key)
        try:
            content = parsed(text := store.text(key), shown)
        except DamagedResult:
            continue  # of no format: `run` sets it aside
        if content["format"] == FORMAT:
            continue
        if content["format"] != OLD_FORMAT:
            yield Migrated(key, unknown=another_format(shown, content["format"]))
            continue
        try:
            record = _checked(content, text, key, shown)
            store.write(_converted(store, record, at), converted=True)
        except (DamagedResult, InvalidContent) as error:
            fault = str(error) if isinstance(error, DamagedResult) else f"{shown}: {error}"
            yield Migrated(key, damage=f"{fault}; set aside as {store.set_aside(key)}")
            continue
        yield Migrated(key)


def _checked(content: dict[str, Any], text: bytes, key: str, shown: str) -> OldRecord:
    unsealed = {name: value for name, value in content.items() if name != "checksum"}
    checksum = hashlib.sha256(json.dumps(unsealed, sort_keys=True).encode()).hexdigest()
    if content.get("checksum") != checksum or (json.dumps(content, indent=1, sort_keys=True) + "\n").encode() != text:
        raise DamagedResult(f"{shown}: its content does not match its checksum")
    if content.get("key") != key:
        raise DamagedResult(f"{shown}: holds the result {content.get('key')!r}")
    return converted(content, OldRecord, "")


def _converted(store: Store, old: OldRecord, at: Mapping[str, str | None]) -> Result:
    loaded = {kind: store.arrays(old.key, file) for kind, file in old.files.named().items()}
    arrays = loaded.get("arrays", {})
    history = {name: values for name, values in arrays.items() if name.startswith("history.")}
    provenance = dict(old.provenance)
    adopted = converted(provenance.pop("adopted", []), list[OldProof], "provenance.adopted")
    took = {"seconds": provenance.pop("measure_seconds")} if "measure_seconds" in provenance else {}

    def sealed(name: str, known: dict[str, Any], canary: dict[str, Any], **held: Any) -> Part:
        """A part, sealed as it was."""
        try:
            seal = Seal(old.code[name], old.definitions[name])
        except KeyError:
            raise InvalidContent(f"code.{name}: missing, or its definitions are") from None
        migrated = {"from": {"format": OLD_FORMAT, "code": seal.code}, "proof": None, **at}
        said = known | {"migrated": [migrated]}
        if proofs := [proof.of(name) for proof in adopted if name in proof.from_]:
            said["adopted"] = proofs
        return Part(code=seal.code, definitions=seal.definitions, canary=canary, provenance=said, **held)

    measures = {name: values for name, values in arrays.items() if name not in history}
    parts = {
        "training": sealed(
            "training",
            provenance,
            {"steps": old.canary.steps},
            metrics=old.metrics,
            arrays=history,
            weights=loaded.get("weights", {}),
        ),
        "measures": sealed("measures", took, old.canary.measures, arrays=measures),
    }
    return Result(key=old.key, configuration=old.configuration, parts=parts)
