"""Why a result is stale: which definitions changed since it was made, how, and how its experiment reaches them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from epistemics.lab.parts import name_of_function, parts_of
from epistemics.lab.status import current_seals
from epistemics.store.fingerprint import Lines, path_to, reached, source_hash
from epistemics.store.store import Store
from epistemics.study import configuration_from_json, lines


@dataclass(frozen=True)
class Change:
    """One definition that is not what it was."""

    part: str
    """Of the result."""
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
    record = store.record(key)
    parts, configuration = record.parts, configuration_from_json(record.configuration)
    seals, used = current_seals(configuration, parts_of(stored=parts)), lines(configuration)
    found = []
    for name, seal in seals.items():
        if name in parts and parts[name].code != seal.code:
            found += _between(store, name, name_of_function(name), parts[name].definitions, used)
    return found


def _between(store: Store, part: str, root: str, then: Mapping[str, str], used: Lines) -> list[Change]:
    now = reached(root, lines=used)
    hashes = {name: source_hash(source) for name, source in now.items()}
    was = _paired(then, hashes)
    found = []
    for name in sorted(now.keys() | (then.keys() - set(was.values()))):
        old = was.get(name) if name in now else name
        if old is not None and then[old] == hashes.get(name):
            continue
        kind = "removed" if name not in now else "added" if old is None else "changed"
        before = store.source(then[old]) if old is not None else ""
        if before is None:
            diff = f"(the source {then[name if old is None else old]} is not kept)"
        else:
            sides = (before.splitlines(), now.get(name, "").splitlines())
            titles = f"{old or name}, as it was", f"{name}, as it is"
            diff = "\n".join(difflib.unified_diff(*sides, *titles, lineterm="", n=2))
        path = tuple(path_to(root, name, used)) if name in now else ()
        found.append(Change(part, name, kind, path, diff))
    return found


def _paired(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The name of a definition now → its name then, for those that may have moved to another module or changed."""
    pairs = {name: name for name in now if name in then}
    rules: tuple[Callable[[str, str], bool], ...] = (
        lambda new, old: _last(new) == _last(old) and now[new] == then[old],
        lambda new, old: now[new] == then[old],
        lambda new, old: _last(new) == _last(old),
    )
    for alike in rules:
        for new in sorted(now.keys() - pairs.keys()):
            olds = [old for old in sorted(then.keys() - set(pairs.values())) if alike(new, old)]
            if olds:
                pairs[new] = olds[0]
    return pairs


def _last(name: str) -> str:
    return name.rpartition(".")[2]
