"""The record of a result, ``result.json``: what it must hold, how it is written, and whether it is what was written.

A result has parts, each made by a function of its own and sealed with that function's fingerprint: a part can be made,
replaced and adopted while the others stay as they are. They stand in the order in which they are made. No part's name
is known here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

FORMAT = 3
Arrays = Mapping[str, NDArray[Any]]
T = TypeVar("T")


class DamagedResult(ValueError):
    """A stored result that is not what was written; the message names the file and the fault."""


class UnknownFormat(ValueError):
    """A stored result of another version's format: nothing is wrong with it, and it is left as it is."""


class InvalidContent(ValueError):
    """Content of a record that is not what it must be; the message names the field and the fault."""


Seconds = Annotated[float, Meta(ge=0)]


class Proof(Struct, forbid_unknown_fields=True, kw_only=True):
    """That other code than made a part does the same."""

    from_: str = msgspec.field(name="from")
    """The fingerprint that the part had before."""
    proof: str
    device: str
    versions: dict[str, str]
    date: str

    def __post_init__(self) -> None:
        _require_date(self.date)


class Origin(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a migrated part was."""

    format: int
    code: str


class Migration(Struct, forbid_unknown_fields=True, kw_only=True):
    """That a part was converted from another format."""

    from_: Origin = msgspec.field(name="from")
    proof: str | None
    """Why the code that it is sealed with now is the code that made it; None if it kept its old fingerprint."""
    date: str
    commit: str | None

    def __post_init__(self) -> None:
        _require_date(self.date)


class Provenance(Struct, kw_only=True):
    """What is held in common by the provenance of every part, where it is known; a part may say more."""

    device: str | UnsetType = UNSET
    versions: dict[str, str] | UnsetType = UNSET
    seconds: Seconds | UnsetType = UNSET
    commit: str | UnsetType | None = UNSET
    date: str | UnsetType = UNSET
    adopted: list[Proof] | UnsetType = UNSET
    migrated: list[Migration] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.date is not UNSET:
            _require_date(self.date)


def _require_date(text: str) -> None:
    try:
        date = datetime.fromisoformat(text)
        date.astimezone(UTC)  # which the years 1 and 9999 need not survive
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no date") from None
    if date.tzinfo is None:
        raise ValueError(f"the date {text!r} says no time zone")


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of arrays beside the record."""

    file: str
    sha256: str

    def __post_init__(self) -> None:
        stem = self.file.removesuffix(".safetensors")
        if stem == self.file or len(stem) > 200 or not stem.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"{self.file!r} does not name a safetensors file: a result's files lie in its own folder")


class Files(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The files of a part, as far as it has any."""

    arrays: File | None = None
    weights: File | None = None

    def named(self) -> dict[str, File]:
        """Those that there are."""
        both = {"arrays": self.arrays, "weights": self.weights}
        return {name: file for name, file in both.items() if file is not None}


class Made(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a part of a result says besides its arrays."""

    settings: dict[str, Any] = {}
    """What it was made with, besides the run's configuration."""
    code: str
    """The fingerprint of the function that made it."""
    definitions: dict[str, str]
    """``module.name`` → hash of the source of every definition behind it."""
    canary: dict[str, Any]
    """What it gives in the first steps of this configuration; see ``canary``."""
    provenance: dict[str, Any]
    """Where, when and with what it was made: at least what ``Provenance`` names, as far as it is known."""
    metrics: dict[str, Any] = {}
    """Scalars, and lists of scalars with one entry a moment."""


class PartRecord(Made, frozen=True):
    """A part in the record."""

    files: Files = Files()


class Part(Made, frozen=True, eq=False):
    """A part with its arrays."""

    arrays: Arrays = msgspec.field(default_factory=dict)
    weights: Arrays = msgspec.field(default_factory=dict)
    """Parameters at the end, ``parameters`` [N], if they are kept."""


class _Parts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, eq=False):
    """What readers ask of a result, whichever part has it."""

    key: str
    configuration: dict[str, Any]
    """The run's configuration as JSON; its hash is the key."""
    parts: Mapping[str, Made]
    """By name, in the order in which they are made."""

    @property
    def metrics(self) -> dict[str, Any]:
        return {name: value for part in self.parts.values() for name, value in part.metrics.items()}

    @property
    def code(self) -> dict[str, str]:
        """Part → fingerprint of the code that it is sealed with."""
        return {name: part.code for name, part in self.parts.items()}

    @property
    def provenance(self) -> dict[str, Any]:
        """That of the first part, which the others are made from: where, when and with what the run was made.

        ``measure_seconds`` is what the others took, and ``adopted`` the proofs of all, those of one adoption together.
        """
        first, *others = [part.provenance for part in self.parts.values()] or [{}]
        merged = {name: value for name, value in first.items() if name not in ("adopted", "migrated")}
        if took := [p["seconds"] for p in others if "seconds" in p]:
            merged["measure_seconds"] = round(sum(took), 1)
        adopted: dict[str, dict[str, Any]] = {}
        for name, part in self.parts.items():
            for proof in part.provenance.get("adopted", []):
                said = {field: value for field, value in proof.items() if field != "from"}
                together = adopted.setdefault(json.dumps(said, sort_keys=True), {"from": {}, **said})
                together["from"][name] = proof["from"]
        if adopted:
            merged["adopted"] = sorted(adopted.values(), key=lambda proof: str(proof["date"]))
        return merged


class Record(_Parts, frozen=True, eq=False):
    """What ``result.json`` says."""

    parts: dict[str, PartRecord]

    @property
    def files(self) -> list[File]:
        return [file for part in self.parts.values() for file in part.files.named().values()]


class Result(_Parts, frozen=True, eq=False):
    """One stored run."""

    parts: dict[str, Part]

    @property
    def arrays(self) -> Arrays:
        """History and curves."""
        return {name: array for part in self.parts.values() for name, array in part.arrays.items()}

    @property
    def weights(self) -> Arrays:
        """Parameters at the end, ``parameters`` [N], if they are kept."""
        return {name: array for part in self.parts.values() for name, array in part.weights.items()}


def encode(record: Record) -> bytes:
    """The text of a record. Its last entry is a checksum of all of the text but that checksum.

    Raises:
        ValueError: for a number that JSON does not know.
    """
    parts = {
        name: _ordered(msgspec.structs.asdict(part) | {"files": msgspec.to_builtins(part.files)})
        for name, part in record.parts.items()
    }
    whole = {
        "format": FORMAT,
        "key": record.key,
        "configuration": _ordered(record.configuration),
        "parts": parts,
        "checksum": "",
    }
    before, _, after = (json.dumps(whole, indent=1, allow_nan=False) + "\n").rpartition('""')
    return f'{before}"{_digest((before + after).encode())}"{after}'.encode()


def _ordered(content: Any) -> Any:
    """With names in alphabetical order, so that equal content is equal text."""
    return json.loads(json.dumps(content, sort_keys=True, allow_nan=False))


def decode(text: bytes, key: str, shown: str) -> Record:
    """The record of a key.

    Raises:
        UnknownFormat: if another version wrote it.
        DamagedResult: if it is not what was written, or not what a record must be.
    """
    content = parsed(text, shown)
    if content.get("format") != FORMAT:
        raise UnknownFormat(another_format(shown, content["format"]))
    checksum = content.get("checksum")
    before, found, after = text.rpartition(f'"{checksum}"'.encode())
    if not found or _digest(before + after) != checksum:
        raise DamagedResult(f"{shown}: its content does not match its checksum")
    if content.get("key") != key:
        raise DamagedResult(f"{shown}: holds the result {content.get('key')!r}")
    try:
        bare = converted({name: content[name] for name in content.keys() - {"format", "checksum"}}, _Bare, "")
        parts = {name: converted(part, PartRecord, f"parts.{name}") for name, part in bare.parts.items()}
        for name, part in parts.items():
            converted(part.provenance, Provenance, f"parts.{name}.provenance")
    except InvalidContent as error:
        raise DamagedResult(f"{shown}: {error}") from None
    return Record(key=key, configuration=bare.configuration, parts=parts)


class _Bare(Struct, forbid_unknown_fields=True):
    """A record whose parts are still to be converted, each under its name."""

    key: str
    configuration: dict[str, Any]
    parts: dict[str, dict[str, Any]]


def parsed(text: bytes, shown: str) -> dict[str, Any]:
    """A record of any format, as JSON.

    Raises:
        DamagedResult: if it is none.
    """
    try:
        content = msgspec.json.decode(text)
    except RecursionError:
        raise DamagedResult(f"{shown}: not a record: nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedResult(f"{shown}: not valid JSON: {error}") from None
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise DamagedResult(f"{shown}: not a record: it says no format")
    return content


def converted(content: Any, type_: type[T], where: str) -> T:
    """Content as a type says, strictly.

    Raises:
        InvalidContent: with the field, below ``where``, and what is wrong with it.
    """
    try:
        return msgspec.convert(content, type_)
    except msgspec.ValidationError as error:
        fault, _, inside = str(error).partition(" - at `$")
        field = (where + inside.removesuffix("`")).lstrip(".")
        raise InvalidContent(f"{field}: {fault}" if field else fault) from None
    except RecursionError:
        raise InvalidContent(f"{where}: nested too deep") from None


def another_format(shown: str, number: int) -> str:
    """What there is to say of a record of another format."""
    if number > FORMAT:
        return f"{shown}: format {number}: a newer epistemics wrote it, and this one reads format {FORMAT}"
    return f"{shown}: format {number}, and this epistemics reads format {FORMAT}: `epistemics migrate` converts it"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
