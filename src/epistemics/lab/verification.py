"""Verification: stored results are made again from nothing and held against what is stored.

On the device and with the versions that made a result, every array must come out bit for bit. Elsewhere a training
parts from the stored one by rounding, and what must agree is what a reader would conclude; see ``study.agree``.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from epistemics.declared.runs import Run, with_continued
from epistemics.lab.continuing import NothingToContinue, beginning_of
from epistemics.lab.progress import Overview
from epistemics.lab.scheduler import train_missing
from epistemics.store.record import Result
from epistemics.store.store import Store
from epistemics.study import agree


@dataclass(frozen=True)
class Verified:
    """One result made again."""

    run: Run
    agrees: bool
    said: str
    """What was compared and what came of it."""


def rerun(
    runs: Sequence[Run],
    store: Store,
    count: int,
    seed: int,
    workspace: Path,
    workers: int,
    device: str,
    report: Callable[[Overview], None],
) -> list[Verified]:
    """Choose stored runs at random, train them from nothing and compare."""
    runs = [run for run in runs if _can_begin(run, store)]
    chosen = random.Random(seed).sample(runs, min(count, len(runs)))
    with tempfile.TemporaryDirectory(prefix="verify-", dir=workspace) as folder:
        again = Store(Path(folder) / "results")
        keys = {run.key for run in chosen}
        continued = [run for run in with_continued(chosen) if run.key not in keys]
        for run in continued:  # what a run begins with is taken as it is stored
            again.write(store.read(run.key))
        made = [run for run in with_continued(chosen) if run.key in keys]
        train_missing(made, again, Path(folder) / "workspace", workers, device, report)
        return [Verified(run, *compared(store.read(run.key), again.read(run.key))) for run in chosen]


def _can_begin(run: Run, store: Store) -> bool:
    """Whether what a run continues, if it does, is stored with its parameters."""
    with suppress(NothingToContinue):
        beginning_of(run.configuration, store)
        return True
    return False


def compared(stored: Result, again: Result) -> tuple[bool, str]:
    """Whether two results of one configuration agree, and how that was seen."""
    places = [[_place(result, name) for name in again.parts if name in stored.parts] for result in (stored, again)]
    if places[0] == places[1]:
        arrays = {
            name: a for part in again.parts if part in stored.parts for name, a in stored.parts[part].arrays.items()
        }
        for name, values in arrays.items():
            other = again.arrays.get(name)
            if other is None or not np.array_equal(values, other, equal_nan=True):
                return False, f"{name} is not the same, on the same device with the same versions"
        return True, f"{len(arrays)} arrays, bit for bit"
    same, said = agree(stored.metrics, again.metrics)
    return same, f"on another device or version: {said}"


def _place(result: Result, part: str) -> tuple[str, dict[str, str]]:
    """Where a part was made; a migrated one that does not say was made where the run was."""
    made = result.provenance | result.parts[part].provenance
    return made["device"], made["versions"]
