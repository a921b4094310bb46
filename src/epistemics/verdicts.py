"""Verdicts: a published figure against ours.

The criterion is declared in the experiment files, before the runs: a figure is reproduced if it lies within the range
of ours over seeds. Only runs at the log's own scale, the paper profile, are judged.
"""

from __future__ import annotations

from collections.abc import Sequence

REPRODUCED = "reproduced"
SOMETIMES = "at some moment"
NOT_REPRODUCED = "not reproduced"
CANNOT_BE_JUDGED = "can't be judged"


def verdict(
    published: float | None,
    ours: Sequence[float | None],
    profile: str,
    along: Sequence[float | None] = (),
) -> str:
    """One of the four verdicts.

    Args:
        published: the log's figure; None is "never", which only an all-None ``ours`` equals.
        ours: a value for each seed; None where it never happened.
        profile: the profile of our runs.
        along: our values at other moments of the same runs.
    """
    if profile != "paper" or not ours:
        return CANNOT_BE_JUDGED
    if is_inside(published, ours):
        return REPRODUCED
    if is_inside(published, along):
        return SOMETIMES
    return NOT_REPRODUCED


def is_inside(published: float | None, ours: Sequence[float | None]) -> bool:
    """Whether a figure lies between the lowest and the highest of ours.

    A None of ours is "never" and ranks above every number: with one, the range has no upper end.
    """
    if published is None:
        return bool(ours) and all(value is None for value in ours)
    reached = [value for value in ours if value is not None]
    return bool(reached) and min(reached) <= published and (len(reached) < len(ours) or published <= max(reached))
