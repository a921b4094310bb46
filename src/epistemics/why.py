"""Why a result is stale: which definitions changed since it was made, how, and how its experiment reaches them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from epistemics.fingerprint import path_to, reached, source_hash
from epistemics.runs import CODE, current_seals
from epistemics.store import Store


@dataclass(frozen=True)
class Change:
    """One definition that is not what it was."""

    part: str
    """Of the result: training or measures."""
    definition: str
    """``module.name``."""
    kind: str
    """changed, added (is reached now and was not) or removed."""
    path: tuple[str, ...]
    """From the part's function to the definition; empty for one that is reached no more."""
    diff: str
    """Unified, of the source without comments, docstrings and annotations."""


def changes(store: Store, key: str) -> list[Change]:
    """Everything that makes a stored result stale, the training first; empty for a fresh one.

    Raises:
        MissingResult, DamagedResult, UnknownFormat: as ``Store.read``.
    """
    parts, seals = store.record(key).parts, current_seals()
    found = []
    for name, root in CODE.items():
        if name in parts and parts[name].code != seals[name].code:
            found += _between(store, name, root, parts[name].definitions, reached(root))
    return found


def _between(store: Store, part: str, root: str, then: Mapping[str, str], now: Mapping[str, str]) -> list[Change]:
    hashes = {name: source_hash(source) for name, source in now.items()}
    moved = _moved(then, hashes)
    found = []
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) == hashes.get(name) or name in moved:
            continue
        kind = "changed" if name in then and name in now else "added" if name in now else "removed"
        before = store.source(then[name]) if name in then else ""
        if before is None:
            diff = f"(the source {then[name]} is not kept)"
        else:
            lines = (before.splitlines(), now.get(name, "").splitlines())
            diff = "\n".join(difflib.unified_diff(*lines, f"{name}, as it was", f"{name}, as it is", lineterm="", n=2))
        path = tuple(path_to(root, name)) if name in now else ()
        found.append(Change(part, name, kind, path, diff))
    return found


def _moved(then: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """Definitions, by their old and new names, that lie in another module and are as they were."""
    gone = {name: digest for name, digest in then.items() if name not in now}
    come = {name: digest for name, digest in now.items() if name not in then}
    moved: set[str] = set()
    for old, digest in gone.items():
        same = (new for new, d in come.items() if d == digest and _last(new) == _last(old) and new not in moved)
        if (new := next(same, None)) is not None:
            moved |= {old, new}
    return moved


def _last(name: str) -> str:
    return name.rpartition(".")[2]
