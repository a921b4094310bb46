"""How results know their code: what leads to what, and what edits were seen to do."""

from __future__ import annotations

from collections.abc import Sequence

from epistemics.analysis.provenance_line import published, traced
from epistemics.analysis.tables import Shown, Table, listed, table_of
from epistemics.chapters.contents import Share
from epistemics.declared.project import Project

ARROWS = (
    ("source", "result"),
    ("experiment", "result"),
    ("experiment", "chapter"),
    ("drawing", "chapter"),
    ("result", "state"),
    ("result", "chapter"),
    ("chapter", "page"),
    ("state", "page"),
)

EDITS = (
    # edit, stale results, missing ones, what becomes of the stale, chapters executed again
    ("a comment in the optimizer", "0", "0", "", "nothing"),
    ("a docstring in the model", "0", "0", "", "nothing"),
    ("a constant of the training renamed", "0", "0", "", "api"),
    ("the optimizer rearranged, computing the same", "all", "0", "adopted", "api"),
    ("the optimizer changed", "all", "0", "trained again", "all that show results"),
    ("a measure changed", "all", "0", "measured again", "all that show results"),
    ("an operation added", "0", "0", "", "all that show results"),
    (
        "the learning rate of phase 1.2",
        "0",
        "5",
        "",
        "epistemology, phase-1-1, phase-1-2, baselines, batch-size, open-questions, joint, trilemma, ledger, cluster, "
        "runs",
    ),
    ("a figure of phase 1.2", "0", "0", "", "phase-1-2"),
    (
        "the criterion of a claim",
        "0",
        "0",
        "",
        "phase-1-1, phase-1-2, batch-size, joint, adversarial, trilemma, ledger",
    ),
    ("a cell of phase 1.1", "0", "0", "", "phase-1-1"),
    ("prose", "0", "0", "", "nothing"),
)
"""What followed on edits in a copy of the project; ``tests/cli/test_edits.py`` makes them and compares."""


def arrows() -> Table:
    """What decides about what, from source to page."""
    return table_of([{"from": start, "to": end} for start, end in ARROWS])


def edits() -> Table:
    """What an edit makes stale, trains and executes again."""
    return Table(("edit", "stale", "missing", "then", "executes"), EDITS)


@traced
def shown_edits(edits: Table) -> Shown:
    """The same for reading."""
    rows = [[r["edit"], r["stale"], r["then"] or "–", r["missing"], r["executes"]] for r in edits.records()]
    return Shown(["Edit", "Stale", "These are", "Missing", "Executed again"], rows)


def numbers(canary_steps: Sequence[int]) -> dict[str, str]:
    """The numbers of the chapter's prose."""
    steps = [str(step) for step in canary_steps]
    return {"canary_steps": listed(steps), "canary_last": steps[-1]}


def tables() -> dict[str, Table]:
    """What the chapter draws and prints, by name."""
    return published(__name__, {"arrows": arrows(), "edits": edits()})


def share(_: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    from epistemics.lab import canary

    return numbers(canary.STEPS), tables()
