"""When two precisions agree."""

from __future__ import annotations

import pytest

from epistemics.chapters.method.chapter import agree


@pytest.mark.parametrize(
    ("one", "other", "ends", "expected"),
    [
        ([100, 200, 300], [250, 400, 500], ([1, 1, 1], [1, 1, 1]), True),
        ([100, 200, 300], [301, 400, 500], ([1, 1, 1], [1, 1, 1]), False),
        ([100, 200, 300], [400, 250, None], ([1, 1, 1], [1, 1, 0.2]), True),
        ([100, 200, 300], [None, None, None], ([1, 1, 1], [0.3, 0.2, 0.2]), False),
        ([100, 200, None], [None, None, None], ([1, 1, 0.5], [0.3, 0.2, 0.2]), True),
        # none gets there: the accuracies at the end
        ([None] * 3, [None] * 3, ([0.1, 0.2, 0.3], [0.25, 0.4, 0.5]), True),
        ([None] * 3, [None] * 3, ([0.1, 0.2, 0.3], [0.35, 0.4, 0.5]), False),
    ],
)
def test_two_precisions_agree_if_their_ranges_over_seeds_overlap(
    one: list[float | None], other: list[float | None], ends: tuple[list[float], list[float]], expected: bool
) -> None:
    assert agree((one, other), ends) is expected
    assert agree((other, one), (ends[1], ends[0])) is expected
