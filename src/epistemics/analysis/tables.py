"""A table of results: what a figure draws, what a reader downloads and what a chapter prints."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # neither is imported for a table alone
    from epistemics.analysis.provenance_line import Origin
    from epistemics.analysis.stored_runs import Results

Value = str | int | float | bool | None
RANGE = re.compile(r"(?<=[\w%])–(?=[\w%])")
"""The dash of a range: a line that ends after it cannot be read, so cells have word joiners beside it."""

Numbers = dict[str, Any]
"""What prose shows: texts by name, or such a mapping of them."""

ABSENT = "(not in this grid)"
"""What prose says of a number whose setting the experiment file does not have: the reader may have edited it."""


@dataclass(frozen=True)
class Table:
    """Named columns and rows of plain values; None is a value that is not there.

    What is measured of a run that diverged is no number: a value that is there and says nothing, shown as if it were
    not.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    name: str = field(default="", compare=False)
    """Of its file in ``data/``: ``phase_1_2.moments``; empty for one that readers don't get."""
    behind: tuple[Results, ...] = field(default=(), compare=False, repr=False)
    """The results that it is made of."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"the row {row} does not fit the columns {self.columns}")

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[Any]:
        """The values of one column; none where there are no rows to know the columns by."""
        if not self.columns:
            return []
        index = self.columns.index(name)
        return [row[index] for row in self.rows]

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as column → value."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))

    def where(self, **values: Value) -> Table:
        """The rows in which columns have these values."""
        kept = [record for record in self.records() if all(record[k] == v for k, v in values.items())]
        return replace(self, rows=tuple(tuple(record.values()) for record in kept))

    def to_csv(self) -> str:
        """Comma-separated, with a header; None, and what is no number, is an empty field."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")  # its own ends lines as Windows does
        writer.writerow(self.columns)
        writer.writerows([None if is_no_number(value) else value for value in row] for row in self.rows)
        return text.getvalue()


def table_of(records: Sequence[Mapping[str, Value]], columns: Sequence[str] = ()) -> Table:
    """A table of mappings that have the same keys in the same order.

    Args:
        columns: of a table without records; if they are not given it has none, and every column of it is empty.
    """
    columns = tuple(records[0]) if records else tuple(columns)
    return Table(columns, tuple(tuple(record[name] for name in columns) for record in records))


class Shown:
    """A table as a chapter prints it: headings and cells as Markdown."""

    origin: Origin | None = None

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
        self.headings, self.rows, self.left = headings, rows, left

    def _repr_markdown_(self) -> str:
        """A pipe table; the first ``left`` columns are set left, the others right."""
        rule = [":---" if index < self.left else "---:" for index in range(len(self.headings))]
        rows = [[RANGE.sub("\u2060–\u2060", cell) for cell in row] for row in self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in (self.headings, rule, *rows))


def is_no_number(value: Value) -> bool:
    """As what is measured of a run that has diverged."""
    return isinstance(value, float) and math.isnan(value)


def number(value: float | int | None, digits: int = 0, missing: str = "–") -> str:
    """A number for reading: thousands set apart by commas, ``missing`` for None and for what is no number."""
    return missing if value is None or is_no_number(value) else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 0, missing: str = "–") -> str:
    """A share as a percentage; ``missing`` as for ``number``."""
    return missing if value is None or is_no_number(value) else f"{100 * value:.{digits}f}%"


def fraction(value: float | None) -> str:
    """A share with two decimals."""
    return number(value, 2)


def listed(texts: Sequence[str]) -> str:
    """Texts as prose lists them: ``a, b and c``; of no texts, none."""
    *first, last = texts or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def spread(
    values: Sequence[float | None],
    show: Callable[[float | None], str] = number,
    never: str = "never",
) -> str:
    """Median and range over seeds, ``median (lowest–highest)``; a None ranks above every number and reads ``never``.

    One value, or equal ones, stand alone. Of no values, ``ABSENT``. What is no number is left out, and counted.
    """
    if not values:
        return ABSENT
    if without := len(values) - len(told := [value for value in values if not is_no_number(value)]):
        diverged = f"{without} diverged"
        return f"{spread(told, show, never)}, {diverged}" if told else diverged
    ordered = sorted(values, key=lambda v: float("inf") if v is None else v)
    texts = [never if value is None else show(value) for value in (ordered[0], ordered[-1])]
    middle = ranked_median(values)
    shown = never if middle is None else show(middle)
    return shown if texts[0] == texts[1] else f"{shown} ({texts[0]}–{texts[1]})"


def shares(values: Sequence[float | None], digits: int = 0) -> str:
    """``spread`` of shares in per cent, the sign left to the heading of their column."""
    return spread(values, lambda value: number(None if value is None else 100 * value, digits))


def name_of_value(value: float) -> str:
    """How the names of numbers spell the value of a setting: ``0_1`` for 0.1, ``1_0`` for 1.

    Always with a point, since Quarto takes a whole number within a name for a place in a list.
    """
    return str(float(value)).replace(".", "_")


def of_setting(numbers: Numbers, there: bool) -> Numbers:
    """The numbers of one setting that prose names; each ``ABSENT`` if no run has the setting."""
    return numbers if there else {key: _absent(value) for key, value in numbers.items()}


def _absent(value: Numbers | str) -> Numbers | str:
    return of_setting(value, there=False) if isinstance(value, dict) else ABSENT


def ranges_compared(one: Sequence[float | None], other: Sequence[float | None]) -> str:
    """Whether two ranges over seeds have a value in common, in words; a None ranks above every number."""
    if not one or not other or all(value is None for value in (*one, *other)):
        return "cannot be compared"
    low, high = ([float("inf") if value is None or is_no_number(value) else value for value in v] for v in (one, other))
    return "overlap" if min(low) <= max(high) and min(high) <= max(low) else "do not overlap"


def ranked_median(values: Sequence[float | None]) -> float | None:
    """The median, where None (it did not happen) ranks above every number.

    With an even count, the median is None if either middle value is. Of no values, None. What is no number is left out.
    """
    values = [value for value in values if not is_no_number(value)]
    if not values:
        return None
    ranked = [float("inf") if value is None else float(value) for value in values]
    middle = median(ranked)
    return None if middle == float("inf") else middle
