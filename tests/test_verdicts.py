"""Verdicts: what counts as reproduced."""

from __future__ import annotations

import pytest

from epistemics.verdicts import is_inside, verdict


@pytest.mark.parametrize(
    ("published", "ours", "inside"),
    [
        (1400, [1200, 1600], True),
        (1200, [1200, 1600], True),
        (1600, [1200, 1600], True),
        (1100, [1200, 1600], False),
        (1700, [1200, 1600], False),
        # "never" ranks above every number
        (1700, [1200, None], True),
        (1100, [1200, None], False),
        (1400, [None, None], False),
        (None, [None, None], True),
        (None, [1200, None], False),
        # nothing measured
        (1400, [], False),
        (None, [], False),
    ],
)
def test_inside_is_between_our_lowest_and_our_highest(
    published: float | None, ours: list[float | None], inside: bool
) -> None:
    assert is_inside(published, ours) == inside


def test_verdicts() -> None:
    assert verdict(11, [10, 12], "paper") == "reproduced"
    assert verdict(11, [12, 13], "paper", along=[5, 12]) == "at some moment"
    assert verdict(11, [12, 13], "paper") == "not reproduced"
    assert verdict(11, [], "paper") == "can't be judged"
    assert verdict(11, [10, 12], "smoke") == "can't be judged"
