"""What changed in the book, told to people in a terminal, to programs, and as one page that needs no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from epistemics.publishing.changes.comparison import (
    KINDS,
    Comparison,
    ExperimentChange,
    Figure,
    FigureChange,
    ResultChange,
    TableChange,
    Verdict,
)

TEMPLATE = "changes.html"
AT_MOST_LISTED = 15
"""Lines of one kind in a terminal; JSON and the page have them all, but for the rows of a table."""
ROWS_SHOWN = 8
"""Rows of a table that the page shows, of those that changed."""
SIGNS = {"new": "+", "gone": "−"}


@dataclass(frozen=True)
class Span:
    """From where to where the book was compared."""

    named: str
    """As the commit was asked for."""
    commit: str
    """Its hash."""
    date: str
    subject: str
    head: str
    """The hash of the commit that now is."""
    edited: int
    """Files that are not as that commit has them."""

    @property
    def before(self) -> str:
        """The commit, for reading."""
        return f"{self.commit[:7]} ({self.date[:10]}, {self.subject})"

    @property
    def after(self) -> str:
        """Now, for reading."""
        files = "one file" if self.edited == 1 else f"{self.edited} files"
        return f"now ({self.head[:7]}{f' and {files} edited since' if self.edited else ''})"


def as_json(span: Span, found: Comparison) -> dict[str, Any]:
    """For programs: all of a comparison, but for the pictures, of which it has the hashes."""
    figures = [
        {
            "name": change.name,
            "before": _hashed(change.before),
            "after": _hashed(change.after),
            "data_changed": change.data_changed,
        }
        for change in found.figures
    ]
    compared: dict[str, Any] = msgspec.to_builtins(replace(found, figures=()))
    return {"from": span.commit, "to": span.head, "edited": span.edited, **compared, "figures": figures}


def _hashed(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    digest = hashlib.sha256(figure.image.encode()).hexdigest()
    return {"chapter": figure.chapter, "kind": figure.kind, "sha256": digest, "data": list(figure.data)}


def as_text(span: Span, found: Comparison) -> str:
    """For people, in a terminal."""
    head = f"the book, from {span.before}\nto {span.after}"
    said = {
        "numbers": [line(change.name, change.before, change.after) for change in found.numbers],
        "verdicts": [line(change.name, *map(_judged, (change.before, change.after))) for change in found.verdicts],
        "tables": [f"{SIGNS.get(change.what, ' ')} {change.name}.csv: {of_table(change)}" for change in found.tables],
        "figures": [f"{SIGNS.get(change.what, ' ')} {change.name}: {of_figure(change)}" for change in found.figures],
        "experiments": [
            f"{SIGNS.get(change.what, ' ')} {change.name}: {of_experiment(change)}" for change in found.experiments
        ],
        "results": [
            f"{SIGNS.get(change.what, ' ')} {change.key} {change.label}: {of_result(change)}"
            for change in found.results
        ],
    }
    parts = [head]
    for kind in KINDS:
        if why := found.not_compared.get(kind):
            parts.append(f"{kind} are not compared: {why}")
        elif said[kind]:
            parts.append("\n".join([f"{kind}: {counted(found, kind)}", *_listed(said[kind])]))
    if undrawn := [f"  {name}: {why}" for name, why in found.not_compared.items() if name not in KINDS]:
        parts.append("\n".join([f"figures that are not compared: {len(undrawn)}", *_listed(undrawn)]))
    same = [kind for kind in KINDS if not said[kind] and kind not in found.not_compared]
    if len(same) == len(KINDS):
        parts.append("nothing changed: no number, verdict, table, figure, experiment or result")
    elif same:
        parts.append(f"unchanged: {', '.join(same)}")
    return "\n\n".join(parts)


def _judged(verdict: Verdict | None) -> str | None:
    return None if verdict is None else f"{verdict.verdict} ({verdict.ours or '–'})"


def line(name: str, before: str | None, after: str | None) -> str:
    """A change of something short, in a line."""
    if before is None:
        return f"+ {name}: {after}"
    return f"− {name}: it was {before}" if after is None else f"  {name}: {before} → {after}"


def _listed(lines: Sequence[str]) -> Iterator[str]:
    for text in lines[:AT_MOST_LISTED]:
        yield f"  {text}"
    if more := len(lines) - AT_MOST_LISTED if len(lines) > AT_MOST_LISTED else 0:
        yield f"    and {more} more; --json and --page have all"


def counted(found: Comparison, kind: str) -> str:
    """How many of a kind changed, came and went: ``3 changed, 1 new``."""
    whats = [change.what for change in getattr(found, kind)]
    return ", ".join(f"{whats.count(what)} {what}" for what in dict.fromkeys(sorted(whats)))


def _rows(count: int) -> str:
    return "one row" if count == 1 else f"{count:,} rows"


def of_table(change: TableChange) -> str:
    """What happened to a table."""
    before, after = change.rows
    if change.what != "changed":
        return f"{_rows(after)}" if change.what == "new" else f"it had {_rows(before)}"
    said = [f"{len(change.changed):,} of {_rows(after)} changed"] if change.changed else []
    said += [f"{len(rows):,} {what}" for what, rows in (("new", change.new), ("gone", change.gone)) if rows]
    for what, columns in (("new", change.new_columns), ("gone", change.gone_columns)):
        if columns:
            said.append(f"{what} column{'s' if len(columns) > 1 else ''} {', '.join(columns)}")
    return ", ".join(said) or ("in another order" if change.moved else "written otherwise, with the same values")


def of_figure(change: FigureChange) -> str:
    """What happened to a figure, and why."""
    there = change.after or change.before
    assert there is not None
    if change.what != "changed":
        return f"in {there.chapter}"
    if not there.data:
        return f"another picture, in {there.chapter}"
    of_data = ", ".join(f"{name}.csv" for name in change.data_changed)
    why = f"its data changed: {of_data}" if of_data else "its data are the same and it is drawn otherwise"
    return f"another picture, in {there.chapter}; {why}"


def of_experiment(change: ExperimentChange) -> str:
    """What happened to an experiment."""
    if change.what != "changed":
        runs = change.new or change.gone
        title = change.title and (change.title.after or change.title.before)
        return f"{'one run' if len(runs) == 1 else f'{len(runs)} runs'}{f', {title}' if title else ''}"
    said = [f"called {change.title.after}, and was {change.title.before}"] if change.title else []
    for what, runs in (("new", change.new), ("gone", change.gone)):
        if runs:
            said.append(f"{'one run' if len(runs) == 1 else f'{len(runs)} runs'} {what}")
    if change.named_otherwise:
        said.append(f"{len(change.named_otherwise)} called otherwise")
    before, after = change.awaited
    if before != after:
        said.append(f"{after} awaited in place of {before}")
    return ", ".join(said) or "others are awaited"


def of_result(change: ResultChange) -> str:
    """What happened to a stored result."""
    said = [
        f"{metric.name} {_short(metric.before)} → {'gone' if metric.after is None else _short(metric.after)}"
        for metric in change.metrics
    ]
    for what, names in (("other values of", change.arrays), ("new", change.new_arrays)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            said.append(f"{what} {', '.join(names[:3])}{more}")
    return "; ".join([change.what, *said])


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else f"{text[:23]}…"


def as_page(span: Span, found: Comparison) -> str:
    """For people, as a page of HTML that needs no other file: figures old beside new."""
    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([here, here.parent]), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals |= {
        "address": _address,
        "counted": counted,
        "of_table": of_table,
        "of_figure": of_figure,
        "of_experiment": of_experiment,
        "of_result": of_result,
        "rows_shown": ROWS_SHOWN,
        "kinds": KINDS,
    }
    return environment.get_template(TEMPLATE).render(span=span, found=found)


def _address(figure: Figure) -> str:
    """A figure as an address that holds it."""
    svg = figure.kind == "image/svg+xml"
    image = base64.b64encode(figure.image.encode()).decode() if svg else "".join(figure.image.split())
    return f"data:{figure.kind};base64,{image}"
