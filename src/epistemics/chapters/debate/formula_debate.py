"""Debate about formulas that no judge can evaluate, by debaters who may err (log entry 3).

A formula ∃x₁ ∀x₂ ∃x₃ … over n variables has a value at each of its 2ⁿ leaves. Two debaters, one who says that it is
true and sets the ∃-variables and one who sets the others, walk down to one leaf, which alone the judge reads. If both
play perfectly, who is right wins: debate decides what is complete for PSPACE (Irving, Christiano and Amodei 2018,
arXiv:1805.00899). Here leaves are true at random, and with a given chance a debater moves blindly. All is
exact: means over all formulas, by recursion from the leaves.
"""

from __future__ import annotations

from functools import cache
from math import sqrt

from epistemics.analysis.tables import Table, Value, table_of

GOLDEN = (sqrt(5) - 1) / 2
"""Share of true leaves at which formulas of every even depth are true with the same chance, this one (Pearl 1980,
Artificial Intelligence 14(2):113-138); with any other they tend to be all true or all false as they grow deeper."""
DEPTHS = tuple(range(2, 41, 2))
ERRORS: tuple[tuple[str, float, float], ...] = (
    ("both perfect", 0.0, 0.0),
    ("honest errs at 1%", 0.01, 0.0),
    ("honest errs at 10%", 0.1, 0.0),
    ("both err at 10%", 0.1, 0.1),
    ("both move blindly", 1.0, 1.0),
)
"""Name, and the chances that the honest debater and the liar make a move blindly."""


@cache
def truth(depth: int, exists: bool) -> float:
    """The chance that a formula of so many variables is true, the first quantifier being ∃ or ∀."""
    if depth == 0:
        return GOLDEN
    below = truth(depth - 1, not exists)
    return 1 - (1 - below) ** 2 if exists else below**2


def won(depth: int, honest_error: float, liar_error: float) -> float:
    """The chance that the judge, who believes the leaf, is right about a formula of even depth.

    With both debaters blind, it is that of a judge who reads one leaf at random.
    """
    true = truth(depth, True)

    def of_honest(says_true: bool) -> float:
        """The same if the honest debater says so, which it does if it is so."""

        @cache
        def chance(left: int, exists: bool, winning: bool) -> float:
            """From a place on, given whether who is right could still force a win."""
            if left == 0:
                return float(winning)
            below = truth(left - 1, not exists)
            good = below if says_true else 1 - below  # a child from which the honest debater can force a win
            honest_moves = exists == says_true
            error = honest_error if honest_moves else liar_error
            # Who moves wants children of one kind, and knows which are; is there one, it goes there unless it errs.
            wanted = good if honest_moves else 1 - good
            for_mover = winning == honest_moves
            either = 1 - (1 - wanted) ** 2
            blind = (wanted**2 + wanted * (1 - wanted)) / either if for_mover else 0.0
            hit = (1 - error) + error * blind if for_mover else 0.0
            to_good = hit if honest_moves else 1 - hit
            down = (left - 1, not exists)
            return to_good * chance(*down, True) + (1 - to_good) * chance(*down, False)

        return chance(depth, True, True)

    return true * of_honest(True) + (1 - true) * of_honest(False)


def accuracies() -> Table:
    """The judge's accuracy against the formula's depth, for debaters of several kinds."""
    rows: list[dict[str, Value]] = []
    for name, honest, liar in ERRORS:
        for depth in DEPTHS:
            accuracy = round(won(depth, honest, liar), 4)
            kind: dict[str, Value] = {"debaters": name, "honest_error": honest, "liar_error": liar}
            rows.append({**kind, "depth": depth, "accuracy": accuracy})
    return table_of(rows)


def at_depth(accuracies: Table, debaters: str, depth: int) -> float:
    """One value of the table."""
    value: float = accuracies.where(debaters=debaters, depth=depth).column("accuracy")[0]
    return value
