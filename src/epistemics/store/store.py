"""Results on disk: one folder a run, plain files, checked whenever they are read.

``results/<key>/result.json`` holds the configuration and, for each part of the result, its numbers, provenance and the
fingerprint of its code, and names the part's arrays beside it (safetensors) with their checksums; see ``record``. A
result appears in one step, when ``result.json`` is moved into place, and so does a part that is replaced; arrays are
named by their content, so no moment shows a mixture. The source of every definition that made a result is kept once, in
``results/definitions/<hash>.py``. Nothing here executes what it reads, and a damaged result is named and set aside,
never served.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from epistemics.store.files import write_atomically
from epistemics.store.fingerprint import source_hash
from epistemics.store.record import (
    Arrays,
    DamagedResult,
    File,
    Files,
    Made,
    Part,
    PartRecord,
    Record,
    Result,
    decode,
    encode,
)

M = TypeVar("M", bound=Made)


class ChangedMeanwhile(RuntimeError):
    """Another process has changed a result since it was read; what was made of it is not written."""


class MissingResult(KeyError):
    """A key with no stored result."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Seal:
    """The code that a part is said to be made by."""

    code: str
    definitions: dict[str, str]


def resealed(part: M, seal: Seal, proof: Mapping[str, Any]) -> M:
    """A part with other code than made it, and the proof that this does the same, as ``record.Proof`` has it."""
    adopted = [*part.provenance.get("adopted", []), {"from": part.code, **proof}]
    provenance = part.provenance | {"adopted": adopted}
    return msgspec.structs.replace(part, code=seal.code, definitions=seal.definitions, provenance=provenance)


class Store:
    """The results in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> list[str]:
        """Keys of every stored result, damaged ones included, sorted."""
        folders = self.folder.iterdir() if self.folder.is_dir() else ()
        # `lexists`, here and below: a link to nothing in a record's place is damage, and not a result that is missing.
        return sorted(path.name for path in folders if os.path.lexists(path / "result.json"))

    def __contains__(self, key: str) -> bool:
        """Whether anything lies where the result would."""
        folder = self.folder / key
        return os.path.lexists(folder / "result.json") or (os.path.lexists(folder) and not folder.is_dir())

    def write(self, result: Result, *, converted: bool = False, made_of: Result | None = None) -> None:
        """Store a result, replacing one of the same key in one step.

        Args:
            converted: whether it is what the stored result of another format says.
            made_of: the result that was read to make it, if there is one.

        Raises:
            UnknownFormat: if another version has stored the key's result, unless this is it.
            ChangedMeanwhile: if what is stored is no longer what it was made of.
        """
        parts: dict[str, PartRecord] = {}
        contents: dict[str, bytes] = {}
        for name, part in result.parts.items():
            parts[name], files = _laid_out(name, part)
            contents |= files
        record = Record(key=result.key, configuration=result.configuration, parts=parts)
        text = encode(record)
        with self._alone():  # or one of two writers would remove the other's arrays as outdated
            if made_of is not None and self._record(record.key).code != made_of.code:
                raise ChangedMeanwhile(f"{record.key} was changed by another process meanwhile")
            self._put(record.key, contents, text, tidy_first=not converted)

    def write_part(self, key: str, name: str, part: Part) -> None:
        """Add a part to a stored result, or replace it, in one step; the other parts stay as they are.

        Raises:
            MissingResult, DamagedResult, UnknownFormat: as ``read``.
        """
        laid_out, contents = _laid_out(name, part)
        with self._alone():
            record = self._record(key)
            changed = msgspec.structs.replace(record, parts=record.parts | {name: laid_out})
            self._put(key, contents, encode(changed), tidy_first=True)

    def reseal(
        self, key: str, seals: Mapping[str, Seal], proof: Mapping[str, Any], configuration: Mapping[str, Any]
    ) -> None:
        """Say of parts of a stored result that other code than made them does the same; all else stays as it is.

        Args:
            seals: the code, for each of these parts.
            proof: how that was seen; what ``record.Proof`` holds besides the old fingerprint.
            configuration: the run's, with the settings that there were not yet when it was stored.
        """
        with self._alone():
            record = self._record(key)
            parts = dict(record.parts)
            for name, seal in seals.items():
                parts[name] = resealed(parts[name], seal, proof)
            write_atomically(
                self._path(key), encode(msgspec.structs.replace(record, parts=parts, configuration=dict(configuration)))
            )

    def read(self, key: str) -> Result:
        """One result, checked.

        Raises:
            MissingResult: if there is none.
            DamagedResult: if any of its files is not what was written.
            UnknownFormat: if another version wrote it.
        """
        record, contents = self._checked(key)
        parts = {}
        for name, part in record.parts.items():
            loaded: dict[str, Any] = {
                kind: _unpacked(contents[file.file], f"results/{key}/{file.file}")
                for kind, file in part.files.named().items()
            }
            parts[name] = Part(**_made(part), **loaded)
        return Result(key=key, configuration=record.configuration, parts=parts)

    def record(self, key: str) -> Record:
        """What a result says besides its arrays, without a look at these.

        Raises:
            MissingResult, DamagedResult, UnknownFormat: as ``read``, but for the arrays' files.
        """
        return self._record(key)

    def text(self, key: str) -> bytes:
        """A record as it lies there, of whatever format.

        Raises:
            MissingResult: if there is none.
            DamagedResult: if that is no file.
        """
        if key not in self:
            raise MissingResult(f"there is no result {key}")
        try:
            return _plain_content(self._path(key), shown_record(key))
        except FileNotFoundError:
            if key not in self:  # set aside by another process
                raise MissingResult(f"there is no result {key}") from None
            raise DamagedResult(f"{shown_record(key)}: a link to nothing") from None

    def arrays(self, key: str, file: File) -> Arrays:
        """What a file of a result holds, checked.

        Raises:
            DamagedResult: if it is not what was written.
        """
        return _unpacked(self._content(key, file), f"results/{key}/{file.file}")

    def files(self, key: str) -> dict[str, bytes]:
        """File name → content of one result, checked: what another store needs to read it.

        Raises:
            MissingResult, DamagedResult, UnknownFormat: as ``read``.
        """
        record, contents = self._checked(key)
        return contents | {"result.json": encode(record)}

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
        path = self.folder / "definitions" / f"{digest}.py"
        if not digest.isalnum() or not path.is_file():
            return None
        source = path.read_text(encoding="utf-8", errors="replace")
        return source if source_hash(source) == digest else None

    def content(self, key: str) -> str:
        """A hash of what a stored result says, but not of the code that it is sealed with, or "missing": for caches.

        An adopted result, and a migrated one, says what it said before, unless its measures moved to other families.
        """
        if key not in self:
            return "missing"
        record = self._record(key)
        said: list[Any] = [record.configuration]
        for name, part in record.parts.items():
            provenance = {key: v for key, v in part.provenance.items() if key not in ("adopted", "migrated")}
            said.append([name, part.settings, part.metrics, provenance, msgspec.to_builtins(part.files)])
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def set_aside(self, key: str) -> Path:
        """Move a result out of the way, to ``set-aside/`` in the store's folder; returns where it is.

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

    def _put(self, key: str, contents: Mapping[str, bytes], record: bytes, tidy_first: bool) -> None:
        """Write files and then the record that makes them count; the store's folder is held."""
        decode(record, key, shown_record(key))  # what could not be read is not written
        folder = self.folder / key
        folder.mkdir(parents=True, exist_ok=True)
        if tidy_first:
            self._tidy(key)  # what a killed writer left takes room
        try:
            for file, content in contents.items():
                write_atomically(folder / file, content)
            write_atomically(self._path(key), record)
        except BaseException:
            if tidy_first:
                self._tidy(key)
            raise
        self._tidy(key)

    def _tidy(self, key: str) -> None:
        """Remove files that the stored result does not name, all if there is none; of a damaged one, none."""
        try:
            named = {file.file for file in self._record(key).files}
        except MissingResult:
            named = set()
        except DamagedResult:
            return
        folder = self.folder / key
        for path in (*folder.glob("*.safetensors"), *folder.glob(".writing-*")):
            if path.name not in named and not path.is_dir():
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

    def _checked(self, key: str) -> tuple[Record, dict[str, bytes]]:
        """A result's record, and its files: name → content."""

        def take() -> tuple[Record, dict[str, bytes]]:
            record = self._record(key)
            return record, {file.file: self._content(key, file) for file in record.files}

        try:
            return take()
        except DamagedResult:  # or replaced between two files by another process: look again while none can
            with self._alone():
                return take()

    def _path(self, key: str) -> Path:
        return self.folder / key / "result.json"

    def _record(self, key: str) -> Record:
        return decode(self.text(key), key, shown_record(key))

    def _content(self, key: str, file: File) -> bytes:
        shown = f"results/{key}/{file.file}"
        try:
            content = _plain_content(self.folder / key / file.file, shown)
        except FileNotFoundError:
            raise DamagedResult(f"{shown}: the file is missing") from None
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise DamagedResult(f"{shown}: its content does not match its checksum")
        return content


def shown_record(key: str) -> str:
    """A result's record, for people."""
    return f"results/{key}/result.json"


def _unpacked(content: bytes, shown: str) -> Arrays:
    try:
        loaded: Arrays = load_safetensors(content)
    except Exception as error:
        raise DamagedResult(f"{shown}: not safetensors: {error}") from error
    return loaded


def _laid_out(name: str, part: Part) -> tuple[PartRecord, dict[str, bytes]]:
    """A part as the record has it, and its files: name → content."""
    entries, contents = {}, {}
    for kind, arrays in (("arrays", part.arrays), ("weights", part.weights)):
        if arrays:
            content = packed(arrays)
            digest = hashlib.sha256(content).hexdigest()
            file = f"{name}-{kind}-{digest[:8]}.safetensors"
            entries[kind], contents[file] = File(file, digest), content
    return PartRecord(**_made(part), files=Files(**entries)), contents


def packed(arrays: Arrays) -> bytes:
    """The content of a safetensors file; equal arrays are equal bytes."""
    return save_safetensors({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})


def _made(part: Made) -> dict[str, Any]:
    """What a part says besides its arrays, as arguments."""
    return {field: getattr(part, field) for field in Made.__struct_fields__}


def _plain_content(path: Path, shown: str) -> bytes:
    """The content of a plain file. A pipe would be waited for, and has no content.

    Raises:
        FileNotFoundError, PermissionError: as ``open``.
        DamagedResult: if it is something else than a file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise DamagedResult(f"{shown}: not a plain file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:  # a file in place of the folder, links in a circle
        raise DamagedResult(f"{shown}: {error.strerror}") from None
