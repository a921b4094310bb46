"""What changes of this project cost, as they were counted in a copy of it."""

from __future__ import annotations

from epistemics.analysis.provenance_line import traced
from epistemics.analysis.tables import Shown, Table, number

CHANGES = (
    # change, files, lines, and of the stored results: stale, missing, of another format
    ("an experiment, of YAML alone", 1, 30, "0", "0", "0"),
    ("an experiment with a chapter", 7, 222, "0", "0", "0"),
    ("a family of measures", 2, 17, "0", "all", "0"),
    ("a module renamed", 20, 27, "0", "0", "0"),
    ("another format of the store", 1, 1, "0", "0", "all"),
    ("the colour of a model", 1, 1, "0", "0", "0"),
    ("an operation", 1, 1, "0", "0", "0"),
    ("a network", 2, 38, "0", "0", "0"),
)
"""``tests/test_cost_of_change.py`` makes these changes, counts and compares."""


def changes() -> Table:
    """One row a change: files and lines that it touches, and what becomes of the stored results."""
    return Table(("change", "files", "lines", "stale", "missing", "other_format"), CHANGES)


@traced
def shown_changes(table: Table) -> Shown:
    """The same for reading."""
    rows = [
        [r["change"], number(r["files"]), number(r["lines"]), r["stale"], r["missing"], r["other_format"]]
        for r in table.records()
    ]
    return Shown(["Change", "Files", "Lines", "Stale", "Missing", "Of another format"], rows)
