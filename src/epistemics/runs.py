"""Which results are missing, and which the present code would make otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from epistemics.fingerprint import definitions, fingerprint
from epistemics.specs import Run
from epistemics.store import DamagedResult, Store

CODE = {"training": "training.train", "measures": "measures.measure"}
"""The parts of a result and the function that each is made by."""


def current_code() -> dict[str, str]:
    """The fingerprints that a result made now would carry."""
    return {part: fingerprint(name) for part, name in CODE.items()}


def current_definitions() -> dict[str, dict[str, str]]:
    """For each part, the definitions behind its fingerprint: ``module.name`` → hash of its source."""
    return {part: definitions(name) for part, name in CODE.items()}


@dataclass(frozen=True)
class RunStatus:
    """Where one run stands."""

    run: Run
    state: str
    """fresh, adopted (made by other code, which was shown to do the same), stale (its code has changed since), damaged
    or missing."""
    changed: tuple[str, ...] = ()
    """For a stale result, the parts whose code has changed: training, measures."""
    fault: str | None = None
    """For a damaged result, the file and what is wrong with it; for a missing one, what of it is missing."""


def status(runs: Iterable[Run], store: Store) -> list[RunStatus]:
    """The state of each run, in order; every stored file is checked."""
    code = current_code()
    found = []
    for run in runs:
        if run.key not in store:
            found.append(RunStatus(run, "missing"))
            continue
        try:
            seal = store.seal(run.key)
        except DamagedResult as error:
            found.append(RunStatus(run, "damaged", fault=str(error)))
            continue
        if run.keep_weights and not store.has_weights(run.key):
            found.append(RunStatus(run, "missing", fault="its weights are to be kept, and were not stored"))
            continue
        changed = tuple(part for part in CODE if seal.code.get(part) != code[part])
        kept = "adopted" if "adopted" in seal.provenance else "fresh"
        found.append(RunStatus(run, "stale" if changed else kept, changed))
    return found
