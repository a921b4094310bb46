"""The operations that a model can learn, a line each: what stands right of the equals sign, modulo p.

The results of a run hang on the lines of its own operations alone (``study.lines``), so one more line changes nothing
that is stored. Needs neither torch nor numpy. (Power et al. 2022, arXiv:2201.02177, appendix A.1.1, has most of them.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Numbers = Any
"""A whole number, or an array of them."""


@dataclass(frozen=True)
class Operation:
    """What the answer to a question is."""

    answer: Callable[[Numbers, Numbers, int], Numbers]
    """Of a, b and p; taken modulo p afterwards."""
    needs_prime: bool = False
    """Whether p has to be prime: else there are numbers besides 0 that have no inverse."""
    divides: bool = False
    """Whether b = 0 is no question."""


OPERATIONS = {
    "add": Operation(lambda a, b, p: a + b),
    "sub": Operation(lambda a, b, p: a - b),
    "mul": Operation(lambda a, b, p: a * b, needs_prime=True),
    "div": Operation(lambda a, b, p: a * inverse(b, p), needs_prime=True, divides=True),
    "x²+y²": Operation(lambda a, b, p: a * a + b * b),
    "x²+xy": Operation(lambda a, b, p: a * a + a * b),
    "x²+xy+y²": Operation(lambda a, b, p: a * a + a * b + b * b),
    "x³+xy": Operation(lambda a, b, p: a * a * a + a * b),
}
"""By the name that an experiment file has for it."""


def inverse(b: Numbers, p: int) -> Numbers:
    """b to the power p − 2 modulo the prime p, which is what b has to be multiplied by to give 1 (Fermat)."""
    result, square, left = b * 0 + 1, b % p, p - 2
    while left:
        if left % 2:
            result = result * square % p
        square, left = square * square % p, left // 2
    return result


def question_count(operation: str, modulus: int) -> int:
    """How many questions an operation has."""
    return modulus * (modulus - OPERATIONS[operation].divides)
