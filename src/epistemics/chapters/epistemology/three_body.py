"""How far ahead three bodies can be predicted, against the digits of what one starts and computes with (log entry 1).

Two systems of three equal masses. The *triple* starts from numbers of one decimal and tumbles chaotically. The
*triangle* is Lagrange's solution of 1772, three masses at the corners of a turning equilateral triangle: known in
closed form, and unstable at a rate that is known too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext
from functools import cache

import numpy as np

from epistemics.analysis.tables import Table, Value, table_of
from epistemics.chapters.epistemology.gravity import Bodies, bodies, farthest, path

TRIPLE = bodies(
    masses=("1", "1", "1"),
    positions=(("0.8", "-0.1"), ("0.1", "0.4"), ("-0.9", "-0.3")),
    velocities=(("-0.5", "0.3"), ("0.3", "0.5"), ("0.2", "-0.8")),
)
EVERY = Decimal("0.125")
"""Time between two looks at the bodies."""
LOST = 0.1
"""A prediction has failed when a body is so far from where it should be; the bodies are about 1 apart."""
OFFSETS = (4, 8, 12)
"""The third body starts 10^-d too far to the right."""
ARITHMETIC = (6, 9, 12)
"""Digits to compute the triple with."""
REFERENCE = 15
"""Digits of the path that the triple's others are held against."""
TRIANGLE_ARITHMETIC = (8, 12, 16, 20, 24)
"""Digits to compute the triangle with."""
TRIANGLE_RATE = math.sqrt(1.5)
"""How fast a disturbance of the triangle grows, in e-folds a unit of time: n / √2, and it turns with n = √3.

The characteristic equation λ⁴ + λ² + 27/4 · Σ m_i m_j / M² = 0 for n = 1 (Routh 1875, Proceedings of the London
Mathematical Society 6:86-97) has the roots λ² = -1/2 ± i√2 for equal masses, whose real parts are ± 1/√2.
"""
TRIANGLE_DIGIT = math.log(10) / TRIANGLE_RATE
"""Time that a digit buys there."""


def triangle(digits: int = 40) -> Bodies:
    """Unit masses on an equilateral triangle of side 1 that turns about its centre, to so many digits."""
    with localcontext() as context:
        context.prec = digits
        root, half = Decimal(3).sqrt(), Decimal("0.5")
        positions = ((1 / root, Decimal(0)), (-half / root, half), (-half / root, -half))
        velocities = ((Decimal(0), Decimal(1)), (-root / 2, -half), (root / 2, -half))
    return Bodies((Decimal(1),) * 3, positions, velocities)


def triangle_at(time: float) -> Bodies:
    """Where the triangle is by its closed form, to the digits of a float."""
    cosine, sine = math.cos(math.sqrt(3) * time), math.sin(math.sqrt(3) * time)

    def turned(vectors: Iterable[tuple[Decimal, Decimal]]) -> tuple[tuple[Decimal, Decimal], ...]:
        pairs = [(float(x), float(y)) for x, y in vectors]
        return tuple((Decimal(cosine * x - sine * y), Decimal(sine * x + cosine * y)) for x, y in pairs)

    start = triangle()
    return Bodies(start.masses, turned(start.positions), turned(start.velocities))


def shifted(start: Bodies, digits: int) -> Bodies:
    """The same with the third body 10^-digits further to the right."""
    *others, (x, y) = start.positions
    return Bodies(start.masses, (*others, (x + Decimal(10) ** -digits, y)), start.velocities)


def until_lost(of: Iterator[Bodies], truth: Iterable[Bodies]) -> list[float]:
    """The distance from the truth at each look, up to and with the first beyond ``LOST``."""
    distances: list[float] = []
    for one, other in zip(of, truth, strict=False):
        distances.append(farthest(one, other))
        if distances[-1] > LOST:
            break
    return distances


@cache
def _curves() -> tuple[tuple[str, str, int, tuple[float, ...]], ...]:
    """System, what was rounded, to how many digits, and the distances until the prediction was lost."""
    found = []
    truth: list[Bodies] = []
    source = path(TRIPLE, REFERENCE, EVERY)

    def reference() -> Iterator[Bodies]:
        """The reference path, computed as far as it is asked for."""
        yield from truth
        for state in source:
            truth.append(state)
            yield state

    for digits in reversed(OFFSETS):
        curve = until_lost(path(shifted(TRIPLE, digits), REFERENCE, EVERY), reference())
        found.append(("triple", "start", digits, tuple(curve)))
    for digits in ARITHMETIC:
        found.append(("triple", "arithmetic", digits, tuple(until_lost(path(TRIPLE, digits, EVERY), reference()))))
    for digits in TRIANGLE_ARITHMETIC:
        exact = (triangle_at(index * float(EVERY)) for index in range(10_000))
        found.append(
            ("triangle", "arithmetic", digits, tuple(until_lost(path(triangle(digits), digits, EVERY), exact)))
        )
    return tuple(found)


def growth() -> Table:
    """How far the bodies are from where they should be, at every look until the prediction is lost."""
    rows: list[dict[str, Value]] = []
    for system, rounded, digits, curve in _curves():
        for index, distance in enumerate(curve):
            time, shown = index * float(EVERY), float(f"{distance:.4g}")
            rows.append({"system": system, "rounded": rounded, "digits": digits, "time": time, "distance": shown})
    return table_of(rows)


def horizons() -> Table:
    """The first look at which a prediction is lost."""
    return table_of(
        [
            {"system": system, "rounded": rounded, "digits": digits, "horizon": (len(curve) - 1) * float(EVERY)}
            for system, rounded, digits, curve in _curves()
        ]
    )


def doubling_time(growth: Table) -> float:
    """How long the triple's error takes to double: from a line through its logarithm, of the smallest offset."""
    curve = growth.where(system="triple", rounded="start", digits=max(OFFSETS))
    slope, _ = np.polyfit(curve.column("time"), np.log2(curve.column("distance")), 1)
    return float(1 / slope)


def per_digit(horizons: Table, system: str) -> float:
    """Time that one digit more adds to the horizon: the slope of a line through the points."""
    chosen = horizons.where(system=system)
    return float(np.polyfit(chosen.column("digits"), chosen.column("horizon"), 1)[0])
