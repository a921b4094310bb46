"""Results on disk: one folder a run, plain files, checked whenever they are read.

``results/<key>/result.json`` holds configuration, metrics, provenance and code fingerprints, and names the arrays
beside it (safetensors) with their checksums; it carries a checksum of itself. A result appears in one step, when
``result.json`` is moved into place; arrays are named by their content, so no moment shows a mixture. The source of
every definition that made a result is kept once, in ``results/definitions/<hash>.py``. Nothing here executes what it
reads, and a damaged result is named and set aside, never served.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from epistemics.files import write_atomically
from epistemics.fingerprint import source_hash

FORMAT = 2
Arrays = Mapping[str, NDArray[Any]]


class DamagedResult(ValueError):
    """A stored result that is not what was written; the message names the file and the fault."""


class MissingResult(KeyError):
    """A key with no stored result."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Result:
    """One stored run."""

    key: str
    configuration: dict[str, Any]
    """The run's configuration as JSON; its hash is the key."""
    metrics: dict[str, Any]
    """Scalars, and lists of scalars with one entry a moment."""
    provenance: dict[str, Any]
    """Seed, device, versions, precision, seconds, commit, date."""
    code: dict[str, str]
    """Fingerprints of the code that the run reached: ``training`` and ``measures``."""
    definitions: dict[str, dict[str, str]]
    """For each of these, ``module.name`` → hash of the source of every definition behind it."""
    canary: dict[str, Any]
    """What the first steps of this configuration gave; see ``canary``."""
    arrays: Arrays
    """History and curves."""
    weights: Arrays = field(default_factory=dict)
    """Parameters at the end, ``parameters`` [N], if they are kept."""


@dataclass(frozen=True)
class Seal:
    """What a result says of the code that made it; the fields of ``Result``."""

    code: dict[str, str]
    definitions: dict[str, dict[str, str]]
    canary: dict[str, Any]
    provenance: dict[str, Any]


class Store:
    """The results in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> list[str]:
        """Keys of every stored result, damaged ones included, sorted."""
        return sorted(path.parent.name for path in self.folder.glob("*/result.json"))

    def __contains__(self, key: str) -> bool:
        return (self.folder / key / "result.json").is_file()

    def write(self, result: Result) -> None:
        """Store a result, replacing one of the same key in one step."""
        folder = self.folder / result.key
        files, contents = {}, {}
        for name, arrays in (("arrays", result.arrays), ("weights", result.weights)):
            if arrays:
                ordered = {key: np.ascontiguousarray(arrays[key]) for key in sorted(arrays)}
                content = save_safetensors(ordered)
                digest = hashlib.sha256(content).hexdigest()
                file = f"{name}-{digest[:8]}.safetensors"
                contents[file] = content
                files[name] = {"file": file, "sha256": digest}
        record = {
            "format": FORMAT,
            "key": result.key,
            "configuration": result.configuration,
            "metrics": result.metrics,
            "provenance": result.provenance,
            "code": result.code,
            "definitions": result.definitions,
            "canary": result.canary,
            "files": files,
        }
        record["checksum"] = _checksum(record)
        contents["result.json"] = _text(record)  # the last: it makes the others count
        with self._alone():  # or one of two writers would remove the other's arrays as outdated
            folder.mkdir(parents=True, exist_ok=True)
            self._tidy(result.key)  # what a killed writer left takes room
            try:
                for file, content in contents.items():
                    write_atomically(folder / file, content)
            finally:
                self._tidy(result.key)

    def reseal(
        self, key: str, code: dict[str, str], definitions: dict[str, dict[str, str]], proof: dict[str, Any]
    ) -> None:
        """Say of a stored result that other code than made it does the same; all else of it stays as it is."""
        with self._alone():
            record = self._record(key)
            record["code"], record["definitions"] = code, definitions
            record["provenance"]["adopted"] = [*record["provenance"].get("adopted", []), proof]
            record["checksum"] = _checksum(record)
            write_atomically(self.folder / key / "result.json", _text(record))

    def read(self, key: str) -> Result:
        """One result, checked.

        Raises:
            MissingResult: if there is none.
            DamagedResult: if any of its files is not what was written.
        """
        record, contents = self._checked(key)
        loaded: dict[str, Arrays] = {"arrays": {}, "weights": {}}
        for name, content in contents.items():
            try:
                loaded[name] = load_safetensors(content)
            except Exception as error:
                file = record["files"][name]["file"]
                raise DamagedResult(f"results/{key}/{file}: not safetensors: {error}") from error
        return Result(
            key=key,
            configuration=record["configuration"],
            metrics=record["metrics"],
            provenance=record["provenance"],
            code=record["code"],
            definitions=record["definitions"],
            canary=record["canary"],
            arrays=loaded["arrays"],
            weights=loaded["weights"],
        )

    def files(self, key: str) -> dict[str, bytes]:
        """File name → content of one result, checked: what another store needs to read it.

        Raises:
            MissingResult, DamagedResult: as ``read``.
        """
        record, contents = self._checked(key)
        return {record["files"][name]["file"]: content for name, content in contents.items()} | {
            "result.json": _text(record)
        }

    def keep_sources(self, sources: Iterable[str]) -> None:
        """Keep the source of definitions, each once, by its hash."""
        folder = self.folder / "definitions"
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            path = folder / f"{source_hash(source)}.py"
            if not path.is_file():
                write_atomically(path, source.encode())

    def source(self, digest: str) -> str | None:
        """A kept source; None if it is not there, or damaged."""
        try:
            source = (self.folder / "definitions" / f"{Path(digest).name}.py").read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return source if source_hash(source) == digest else None

    def seal(self, key: str) -> Seal:
        """What a stored result says of the code that made it, after checking all of its files.

        Raises:
            MissingResult, DamagedResult: as ``read``.
        """
        record = self._checked(key)[0]
        return Seal(record["code"], record["definitions"], record["canary"], record["provenance"])

    def code(self, key: str) -> dict[str, str]:
        """The code fingerprints of one result, after checking all of its files.

        Raises:
            MissingResult, DamagedResult: as ``read``.
        """
        code: dict[str, str] = self._checked(key)[0]["code"]
        return code

    def has_weights(self, key: str) -> bool:
        """Whether a stored result holds its parameters at the end.

        Raises:
            MissingResult, DamagedResult: as ``read``.
        """
        return "weights" in self._record(key)["files"]

    def content(self, key: str) -> str:
        """A hash of what a stored result says, but not of the code that it is sealed with, or "missing": for caches.

        An adopted result says what it said before.
        """
        if key not in self:
            return "missing"
        record = self._record(key)
        provenance = {name: value for name, value in record["provenance"].items() if name != "adopted"}
        said = [record["configuration"], record["metrics"], provenance, record["files"]]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def set_aside(self, key: str) -> Path:
        """Move a damaged result out of the way, to ``set-aside/`` in the store's folder; returns where it is.

        Raises:
            MissingResult: if there is none.
        """
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        target = self.folder / "set-aside" / f"{key}-{moment}"
        with self._alone():
            target.parent.mkdir(exist_ok=True)
            try:
                (self.folder / key).rename(target)
            except FileNotFoundError:
                raise MissingResult(f"there is no result {key}") from None
        return target

    def _tidy(self, key: str) -> None:
        """Remove files that the stored result does not name, all if there is none; of a damaged one, none."""
        try:
            named = {entry["file"] for entry in self._record(key)["files"].values()}
        except MissingResult:
            named = set()
        except DamagedResult:
            return
        folder = self.folder / key
        for path in (*folder.glob("*.safetensors"), *folder.glob(".writing-*")):
            if path.name not in named:
                path.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the store's folder; waits while another process changes it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _checked(self, key: str) -> tuple[dict[str, Any], dict[str, bytes]]:
        """A result's record and the content of each of its files."""

        def take() -> tuple[dict[str, Any], dict[str, bytes]]:
            record = self._record(key)
            return record, {name: self._content(key, entry) for name, entry in record["files"].items()}

        try:
            return take()
        except DamagedResult:  # or replaced between two files by another process: look again while none can
            with self._alone():
                return take()

    def _record(self, key: str) -> dict[str, Any]:
        path = self.folder / key / "result.json"
        shown = f"results/{key}/result.json"
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            raise MissingResult(f"there is no result {key}") from None
        try:
            record = json.loads(text)
        except ValueError as error:
            raise DamagedResult(f"{shown}: not valid JSON: {error}") from error
        # To the byte: JSON reads some different texts as the same.
        if not isinstance(record, dict) or record.get("checksum") != _checksum(record) or _text(record) != text:
            raise DamagedResult(f"{shown}: its content does not match its checksum")
        if record["key"] != key:
            raise DamagedResult(f"{shown}: holds the result {record['key']}")
        if record["format"] != FORMAT:
            raise DamagedResult(f"{shown}: format {record['format']!r}, this version reads {FORMAT}")
        return record

    def _content(self, key: str, entry: Mapping[str, str]) -> bytes:
        shown = f"results/{key}/{entry['file']}"
        if Path(entry["file"]).name != entry["file"]:
            raise DamagedResult(f"{shown}: a result's files lie in its own folder")
        try:
            content = (self.folder / key / entry["file"]).read_bytes()
        except FileNotFoundError:
            raise DamagedResult(f"{shown}: the file is missing") from None
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise DamagedResult(f"{shown}: its content does not match its checksum")
        return content


def _checksum(record: Mapping[str, Any]) -> str:
    unsealed = {key: value for key, value in record.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(unsealed, sort_keys=True).encode()).hexdigest()


def _text(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
