"""What changed from one snapshot of the book to another.

Compared are, each by name and exactly as readers get it:

- *numbers*: the variables of the prose, as text;
- *verdicts*: on each claim of the log, with what ours is;
- *tables*: the CSV files in ``data/``, row by row. Rows are the same where they agree in the fewest first columns that
  tell all rows apart, in both;
- *figures*: the pictures, byte by byte, as each version's own code draws them; and the tables that they are drawn from;
- *experiments*: their titles, and the runs that they name;
- *results*: of each stored run its metrics and every array, by their values, and the code that it is sealed with.

What either snapshot lacks is not compared, and says why.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

KINDS = ("numbers", "verdicts", "tables", "figures", "experiments", "results")

T = TypeVar("T")
Row = tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What is made of a claim of the log."""

    says: str
    verdict: str
    ours: str


@dataclass(frozen=True)
class Figure:
    """A labelled figure of a chapter."""

    chapter: str
    kind: str
    """Its media type."""
    image: str
    """Text of an SVG; base64 of anything else."""
    data: tuple[str, ...] = ()
    """The names of the tables that it is drawn from, where it knows them."""


@dataclass(frozen=True)
class Experiment:
    """What an experiment file asks for."""

    title: str
    runs: Mapping[str, str]
    """A run's key → how it is called; of those that chapters read."""
    awaited: tuple[str, ...] = ()
    """The keys of runs that no chapter reads yet."""


@dataclass(frozen=True)
class Result:
    """What a stored run says."""

    label: str
    """How an experiment calls the run; empty if none names it."""
    metrics: Mapping[str, Any]
    arrays: Mapping[str, str]
    """An array's name → hash of its type, shape and values."""
    code: str
    """The fingerprints that it is sealed with."""


@dataclass(frozen=True)
class Snapshot:
    """The book at one moment. A kind that it lacks is empty, and ``lacking`` says why."""

    numbers: Mapping[str, str] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    """A table's name → CSV."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    undrawn: Mapping[str, str] = field(default_factory=dict)
    """A figure that could not be drawn → why."""
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    results: Mapping[str, Result] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    """One of ``KINDS`` → why."""


@dataclass(frozen=True)
class Change(Generic[T]):
    """Something that is there in one snapshot and not in the other, or is not the same in both."""

    name: str
    before: T | None
    """None if it is new."""
    after: T | None
    """None if it is gone."""

    @property
    def what(self) -> str:
        """new, gone or changed."""
        return "new" if self.before is None else "gone" if self.after is None else "changed"


@dataclass(frozen=True)
class TableChange:
    """How a table changed; of one that is new or gone, how many rows it has or had."""

    name: str
    what: str
    rows: tuple[int, int]
    """How many, before and after."""
    columns: tuple[str, ...]
    """Those that tell rows apart; none if only their order does."""
    new_columns: tuple[str, ...] = ()
    gone_columns: tuple[str, ...] = ()
    new: tuple[Row, ...] = ()
    """What tells new rows apart: their values in ``columns``."""
    gone: tuple[Row, ...] = ()
    changed: tuple[tuple[Row, tuple[Change[str], ...]], ...] = ()
    """Of rows that both have: what tells them apart, and the cells that changed, by column."""
    moved: bool = False
    """Whether rows or columns that both have stand in another order."""


@dataclass(frozen=True)
class FigureChange(Change[Figure]):
    """A figure drawn otherwise, with what explains it."""

    data_changed: tuple[str, ...] = ()
    """Those of its tables that changed, or are new."""


@dataclass(frozen=True)
class ExperimentChange:
    """How an experiment changed: its title, and the runs that it names (key → how it is called)."""

    name: str
    what: str
    title: Change[str] | None
    new: Mapping[str, str]
    gone: Mapping[str, str]
    named_otherwise: tuple[Change[str], ...] = ()
    """Runs of the same key that are called otherwise."""
    awaited: tuple[int, int] = (0, 0)
    """How many runs no chapter reads yet, before and after."""


@dataclass(frozen=True)
class ResultChange:
    """How a stored result changed."""

    key: str
    label: str
    what: str
    """new, gone, changed (its values), extended (with new measures, nothing else) or sealed anew (its code alone)."""
    metrics: tuple[Change[Any], ...] = ()
    arrays: tuple[str, ...] = ()
    """Those whose values changed, or that are gone."""
    new_arrays: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """All that changed, kind by kind, each in the order of names."""

    numbers: tuple[Change[str], ...] = ()
    verdicts: tuple[Change[Verdict], ...] = ()
    tables: tuple[TableChange, ...] = ()
    figures: tuple[FigureChange, ...] = ()
    experiments: tuple[ExperimentChange, ...] = ()
    results: tuple[ResultChange, ...] = ()
    not_compared: Mapping[str, str] = field(default_factory=dict)
    """One of ``KINDS``, or a figure's label → why it could not be compared."""

    def __bool__(self) -> bool:
        """Whether anything changed, as far as could be compared."""
        return any(getattr(self, kind) for kind in KINDS)


def compare(before: Snapshot, after: Snapshot) -> Comparison:
    """What changed from one snapshot to another."""
    lacking = {kind: _why(before.lacking.get(kind), after.lacking.get(kind)) for kind in KINDS}
    not_compared = {kind: why for kind, why in lacking.items() if why}

    def of(kind: str, compared: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
        return () if kind in not_compared else compared()

    tables = of("tables", lambda: _tables(before.tables, after.tables))
    if "figures" not in not_compared:
        undrawn = sorted(before.undrawn.keys() | after.undrawn.keys())
        not_compared |= {label: _why(before.undrawn.get(label), after.undrawn.get(label)) for label in undrawn}
    return Comparison(
        numbers=of("numbers", lambda: changes(before.numbers, after.numbers)),
        verdicts=of("verdicts", lambda: changes(before.verdicts, after.verdicts)),
        tables=tables,
        figures=of(
            "figures", lambda: _figures(before, after, {table.name for table in tables if table.what != "gone"})
        ),
        experiments=of("experiments", lambda: _experiments(before.experiments, after.experiments)),
        results=of("results", lambda: _results(before.results, after.results)),
        not_compared=not_compared,
    )


def _why(before: str | None, after: str | None) -> str:
    if before and after:
        return before if before == after else f"then: {before}; now: {after}"
    return f"then: {before}" if before else f"now: {after}" if after else ""


def changes(before: Mapping[str, T], after: Mapping[str, T]) -> tuple[Change[T], ...]:
    """What is not the same under a name, in the order of names."""
    names = sorted(before.keys() | after.keys())
    found = (Change(name, before.get(name), after.get(name)) for name in names)
    return tuple(change for change in found if change.before != change.after)


def _tables(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[TableChange, ...]:
    return tuple(_table(change) for change in changes(before, after))


def _table(change: Change[str]) -> TableChange:
    (old, old_rows), (new, new_rows) = (_read(text or "") for text in (change.before, change.after))
    counts = len(old_rows), len(new_rows)
    if change.what != "changed":
        return TableChange(change.name, change.what, counts, ())
    common = [column for column in old if column in new]
    old_places, new_places = [old.index(column) for column in common], [new.index(column) for column in common]
    width = _telling(
        [tuple(row[place] for place in old_places) for row in old_rows],
        [tuple(row[place] for place in new_places) for row in new_rows],
    )

    def keyed(rows: list[Row], places: list[int]) -> dict[Row, Row]:
        own = [tuple(row[place] for place in places) for row in rows]
        # Of rows that no columns tell apart, the place does.
        return {row[:width] if width else (str(number),): row for number, row in enumerate(own, 1)}

    was, is_ = keyed(old_rows, old_places), keyed(new_rows, new_places)
    cells = {key: changes(dict(zip(common, was[key], strict=True)), dict(zip(common, is_[key], strict=True)))
             for key in was if key in is_}  # fmt: skip
    return TableChange(
        change.name,
        "changed",
        counts,
        tuple(common[:width]),
        new_columns=tuple(column for column in new if column not in old),
        gone_columns=tuple(column for column in old if column not in new),
        new=tuple(key for key in is_ if key not in was),
        gone=tuple(key for key in was if key not in is_),
        changed=tuple((key, found) for key, found in cells.items() if found),
        moved=[key for key in was if key in is_] != [key for key in is_ if key in was]
        or common != [column for column in new if column in old],
    )


def _read(text: str) -> tuple[Row, list[Row]]:
    rows: list[Row] = [tuple(row) for row in csv.reader(io.StringIO(text))]
    return (rows[0], rows[1:]) if rows else ((), [])


def records(text: str) -> list[dict[str, str]]:
    """The rows of a CSV, each as column → value."""
    columns, rows = _read(text)
    return [dict(zip(columns, row, strict=False)) for row in rows]


def _telling(*tables: list[Row]) -> int:
    """How many first columns tell the rows apart, in each table; 0 if not even all of them do."""
    width = min((len(row) for rows in tables for row in rows), default=0)
    for count in range(1, width + 1):
        if all(_distinct([row[:count] for row in rows]) for rows in tables):
            return count
    return 0


def _distinct(values: list[Hashable] | list[Row]) -> bool:
    return len(set(values)) == len(values)


def _figures(before: Snapshot, after: Snapshot, changed: set[str]) -> tuple[FigureChange, ...]:
    found = []
    for change in changes(before.figures, after.figures):
        old, new = change.before, change.after
        if change.name in before.undrawn or change.name in after.undrawn:
            continue
        if old is not None and new is not None and (old.kind, old.image) == (new.kind, new.image):
            continue  # from other tables, or in another chapter, and the same picture
        data = tuple(name for name in (new.data if new else ()) if name in changed)
        found.append(FigureChange(change.name, old, new, data))
    return tuple(found)


def _experiments(before: Mapping[str, Experiment], after: Mapping[str, Experiment]) -> tuple[ExperimentChange, ...]:
    found = []
    for change in changes(before, after):
        old, new = change.before or Experiment("", {}), change.after or Experiment("", {})
        runs = changes(old.runs, new.runs)
        found.append(
            ExperimentChange(
                change.name,
                change.what,
                None if old.title == new.title else Change("title", old.title or None, new.title or None),
                {run.name: run.after for run in runs if run.before is None and run.after is not None},
                {run.name: run.before for run in runs if run.after is None and run.before is not None},
                tuple(run for run in runs if run.what == "changed"),
                (len(old.awaited), len(new.awaited)),
            )
        )
    return tuple(found)


def _results(before: Mapping[str, Result], after: Mapping[str, Result]) -> tuple[ResultChange, ...]:
    return tuple(found for change in changes(before, after) if (found := _result(change)) is not None)


def _result(change: Change[Result]) -> ResultChange | None:
    old, new = change.before, change.after
    if old is None or new is None:
        there = new or old
        return ResultChange(change.name, there.label if there else "", change.what)
    # A name that was not there is another measure, and no other value.
    metrics = tuple(metric for metric in changes(old.metrics, new.metrics) if metric.before is not None)
    arrays = tuple(array.name for array in changes(old.arrays, new.arrays) if array.before is not None)
    more = tuple(sorted(new.arrays.keys() - old.arrays.keys()))
    label = new.label or old.label
    if metrics or arrays:
        return ResultChange(change.name, label, "changed", metrics, arrays, more)
    if more:
        return ResultChange(change.name, label, "extended", new_arrays=more)
    return ResultChange(change.name, label, "sealed anew") if old.code != new.code else None
