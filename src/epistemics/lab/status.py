"""Which results are missing, and which the present code would make otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from epistemics.declared.experiments import named_keys
from epistemics.declared.runs import Run
from epistemics.lab import parts
from epistemics.lab.continuing import BEGAN_ELSEWHERE, began_elsewhere
from epistemics.store.fingerprint import Lines, definitions, fingerprint, reached, source_hash
from epistemics.store.record import DamagedResult, InvalidContent, Result, UnknownFormat
from epistemics.store.store import MissingResult, Seal, Store
from epistemics.study import PARTS, SETTINGS, Configuration, distinguishing, lines


def current_code(configuration: Configuration, of: Iterable[str] = PARTS) -> dict[str, str]:
    """The fingerprints that these parts of a result would carry if they were made now."""
    used = lines(configuration)
    return {part: _code(part, used) for part in of}


def current_seals(configuration: Configuration, of: Iterable[str] = PARTS) -> dict[str, Seal]:
    """For each part, its fingerprint and the definitions behind it: ``module.name`` → hash of its source."""
    used = lines(configuration)
    return {part: Seal(_code(part, used), definitions(parts.name_of_function(part), lines=used)) for part in of}


def current_sources(configuration: Configuration, of: Iterable[str] = PARTS) -> Iterable[str]:
    """The sources behind these definitions, of which a store keeps copies."""
    return reached(*map(parts.name_of_function, of), lines=lines(configuration)).values()


def _code(part: str, used: Lines) -> str:
    """The fingerprint of what makes a part; of its settings too, if it has any."""
    code, settings = fingerprint(parts.name_of_function(part), lines=used), SETTINGS.get(part)
    return source_hash(json.dumps([code, settings], sort_keys=True)) if settings else code


@dataclass(frozen=True)
class RunStatus:
    """Where one run stands."""

    run: Run
    state: str
    """fresh, adopted (made by other code, which was shown to do the same), stale (its code has changed since, or that
    which it continues), damaged or missing."""
    fault: str | None = None
    """For a damaged result, the file and what is wrong with it; for a missing one, what of it is missing; for one that
    is stale without a change of code, why."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Part → its own state; of a result that can be read."""
    began_elsewhere: bool = False
    """Whether it is stale because the run that it continues has other parameters now: no code can be shown to do the
    same, it has to be trained again."""

    @property
    def changed(self) -> tuple[str, ...]:
        """The parts whose code has changed."""
        return tuple(part for part, state in self.parts.items() if state == "stale")


def status(runs: Iterable[Run], store: Store) -> list[RunStatus]:
    """The state of each run, in order; every stored file is checked.

    Raises:
        UnknownFormat: if another version has stored any of them.
    """
    return [found for found, _ in stored(runs, store)]


def stored(runs: Iterable[Run], store: Store) -> Iterator[tuple[RunStatus, Result | None]]:
    """Each run's state, in order, with the stored result that it is of; None if that is damaged, or there is none.

    Raises:
        UnknownFormat: as ``status``.
    """
    known: dict[str, dict[str, str]] = {}  # runs that use the same lines have the same code
    for run in runs:
        try:
            result = checked(store, run.key, run.configuration)
        except MissingResult:
            yield RunStatus(run, "missing"), None
        except DamagedResult as error:
            yield RunStatus(run, "damaged", str(error)), None
        else:
            has = parts.parts_of(run.measure, result.parts)
            used = json.dumps([lines(run.configuration), has])
            if used not in known:
                known[used] = current_code(run.configuration, has)
            provenance = result.parts[parts.TRAINING].provenance if parts.TRAINING in result.parts else {}
            elsewhere = began_elsewhere(run.configuration, provenance, store)
            yield _status(run, result, known[used], elsewhere), result


def _status(run: Run, result: Result, code: Mapping[str, str], began_elsewhere: bool) -> RunStatus:
    states = {part: part_state(result, part, own) for part, own in code.items()}
    absent = [part for part, state in states.items() if state == "missing"]
    former = [part for part in result.parts if part not in states]
    said = f"of it, {' and '.join(absent)} {_are(absent)} not stored"
    if absent and former:  # which may have what they measure
        said += f" but with {' and '.join(former)}, a part that there is no more; `epistemics adopt` takes it apart"
        return RunStatus(run, "stale", said, states)
    if absent:
        return RunStatus(run, "missing", said, states)
    if run.keep_weights and not result.weights:
        return RunStatus(run, "missing", "its weights are to be kept, and were not stored", states)
    if began_elsewhere:
        return RunStatus(run, "stale", BEGAN_ELSEWHERE, states, began_elsewhere=True)
    of_all = next((state for state in ("stale", "adopted") if state in states.values()), "fresh")
    return RunStatus(run, of_all, None, states)


def _are(several: list[str]) -> str:
    return "is" if len(several) == 1 else "are"


def checked(store: Store, key: str, configuration: Configuration) -> Result:
    """The stored result of a run, as all that reads results may rely on it.

    Raises:
        MissingResult, UnknownFormat: as ``Store.read``.
        DamagedResult: also if it holds what no result of this run does.
    """
    result = store.read(key)
    try:
        parts.check(result, configuration)
    except InvalidContent as error:
        raise DamagedResult(f"results/{key}/result.json: {error}") from None
    return result


def part_state(result: Result, part: str, code: str) -> str:
    """fresh, adopted, stale or missing."""
    if part not in result.parts:
        return "missing"
    if result.parts[part].code != code:
        return "stale"
    return "adopted" if "adopted" in result.parts[part].provenance else "fresh"


@dataclass(frozen=True)
class Unnamed:
    """A stored result of a run that no experiment file names."""

    key: str
    said: str
    """What it is a result of, or what is wrong with it."""
    ours: bool = True
    """Whether this version can say so; another's is left alone, for that may spell the same run otherwise."""


def unnamed(store: Store, experiments: Path) -> list[Unnamed]:
    """The stored results that no experiment file names under any profile.

    Raises:
        SpecificationError: if there is anything wrong in an experiment file, which could name any of them.
    """
    named = named_keys(experiments)
    return [_unnamed(store, key) for key in sorted(set(store.keys()) - named)]


def _unnamed(store: Store, key: str) -> Unnamed:
    try:
        c = msgspec.convert(store.record(key).configuration, Configuration)
    except UnknownFormat as error:
        return Unnamed(key, str(error), ours=False)
    except DamagedResult as error:
        return Unnamed(key, f"damaged: {error}")
    except (MissingResult, msgspec.ValidationError):  # moved by another process; or settings that there are no more
        return Unnamed(key, "of settings that this version does not know")
    return Unnamed(key, ", ".join([Run("", "", "", c, keep_weights=False).label, *distinguishing(c).values()]))
