"""Point masses in a plane under Newton's law, followed by Taylor series in decimal arithmetic of any precision.

In decimal arithmetic the precision is a number of digits, so what is lost to rounding can be set as one likes. Each
step expands every coordinate in time, by the recurrences for sums, products and powers of series, and goes as far as
the last terms allow (Jorba and Zou 2005, Experimental Mathematics 14(1):99-117). The constant of gravitation is 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from itertools import combinations, count
from operator import mul

Vector = tuple[Decimal, Decimal]
Series = list[Decimal]
"""Coefficients of the powers of time, from the zeroth."""


@dataclass(frozen=True)
class Bodies:
    """Masses, and where they are and go at one moment; one entry for each body."""

    masses: tuple[Decimal, ...]
    positions: tuple[Vector, ...]
    velocities: tuple[Vector, ...]


def bodies(masses: Sequence[str], positions: Sequence[Sequence[str]], velocities: Sequence[Sequence[str]]) -> Bodies:
    """Bodies from numbers written in decimals."""

    def vectors(rows: Sequence[Sequence[str]]) -> tuple[Vector, ...]:
        return tuple((Decimal(x), Decimal(y)) for x, y in rows)

    return Bodies(tuple(map(Decimal, masses)), vectors(positions), vectors(velocities))


def path(start: Bodies, digits: int, every: Decimal) -> Iterator[Bodies]:
    """The bodies at the times 0, ``every``, 2 ``every`` and so on without end, computed with so many digits.

    The initial condition is rounded to these digits too.
    """
    context = Context(prec=digits)
    with localcontext(context):
        state = Bodies(
            tuple(+mass for mass in start.masses),
            tuple((+x, +y) for x, y in start.positions),
            tuple((+x, +y) for x, y in start.velocities),
        )
        time = Decimal(0)
        places, speeds = _expanded(state, digits)
        step = _reach(places)
    for index in count():
        with localcontext(context):  # not around the yield, where it would be the caller's too
            wanted = index * every
            while wanted > time + step:
                state = _at(state, places, speeds, step)
                time += step
                places, speeds = _expanded(state, digits)
                step = _reach(places)
            shown = _at(state, places, speeds, wanted - time)
        yield shown


def _expanded(state: Bodies, digits: int) -> tuple[list[tuple[Series, Series]], list[tuple[Series, Series]]]:
    """Positions and velocities of each body as series in the time from now."""
    order = math.ceil(1.15 * digits) + 2  # the cheapest, by Jorba and Zou: ln(10)/2 a digit
    places = [([x], [y]) for x, y in state.positions]
    speeds = [([x], [y]) for x, y in state.velocities]
    pairs = [(i, j, _Pair()) for i, j in combinations(range(len(places)), 2)]
    for k in range(order):
        pulls = [[Decimal(0), Decimal(0)] for _ in places]
        for i, j, pair in pairs:
            for axis, force in enumerate(pair.extended(places[i], places[j], k)):
                pulls[i][axis] += state.masses[j] * force
                pulls[j][axis] -= state.masses[i] * force
        for place, speed, pull in zip(places, speeds, pulls, strict=True):
            for axis in (0, 1):
                place[axis].append(speed[axis][k] / (k + 1))
                speed[axis].append(pull[axis] / (k + 1))
    return places, speeds


class _Pair:
    """The series of two bodies' difference, of its square s and of w = s^(-3/2), as far as they are known."""

    def __init__(self) -> None:
        self.across: Series = []
        self.up: Series = []
        self.square: Series = []
        self.slope: Series = []
        """k s_k"""
        self.power: Series = []

    def extended(self, one: tuple[Series, Series], other: tuple[Series, Series], k: int) -> Vector:
        """The k-th coefficient of the pull of the other on the one, for a unit of mass; called for k = 0, 1, 2 …

        From s w' = -3/2 s' w it follows that k s_0 w_k = -Σ (l / 2 + k) s_l w_{k-l} over l from 1 to k.
        """
        self.across.append(other[0][k] - one[0][k])
        self.up.append(other[1][k] - one[1][k])
        square = _product(self.across, self.across) + _product(self.up, self.up)
        self.square.append(square)
        self.slope.append(k * square)
        if k == 0:
            self.power.append(1 / (square * square.sqrt()))
        else:
            known = _product(self.slope[1:], self.power) / 2 + k * _product(self.square[1:], self.power)
            self.power.append(-known / (k * self.square[0]))
        return _product(self.across, self.power), _product(self.up, self.power)


def _product(one: Series, other: Series) -> Decimal:
    """The last coefficient of the product of two series of one length."""
    return sum(map(mul, one, reversed(other)), Decimal(0))


def _reach(places: Sequence[tuple[Series, Series]]) -> Decimal:
    """How far the series may be trusted: the radius of convergence, as its last terms show it, over e²."""
    order = len(places[0][0]) - 1
    radii = []
    for k in (order - 1, order):
        largest = max(abs(series[k]) for place in places for series in place)
        if largest:
            radii.append(math.exp(-float(largest.ln()) / k))
    return Decimal(min(radii) * math.exp(-2))


def _at(
    state: Bodies, places: Sequence[tuple[Series, Series]], speeds: Sequence[tuple[Series, Series]], time: Decimal
) -> Bodies:
    """The bodies so much later."""
    moved = [tuple((_value(x, time), _value(y, time)) for x, y in rows) for rows in (places, speeds)]
    return Bodies(state.masses, moved[0], moved[1])


def _value(series: Series, time: Decimal) -> Decimal:
    """The sum of a series, by Horner's rule."""
    value = series[-1]
    for coefficient in series[-2::-1]:
        value = value * time + coefficient
    return value


def energy(of: Bodies) -> Decimal:
    """Kinetic and potential."""
    kinetic = sum((m * (x * x + y * y) / 2 for m, (x, y) in zip(of.masses, of.velocities, strict=True)), Decimal(0))
    potential = Decimal(0)
    for i, j in combinations(range(len(of.masses)), 2):
        (x, y), (u, v) = of.positions[i], of.positions[j]
        potential -= of.masses[i] * of.masses[j] / ((x - u) ** 2 + (y - v) ** 2).sqrt()
    return kinetic + potential


def angular_momentum(of: Bodies) -> Decimal:
    """About the origin."""
    moving = zip(of.masses, of.positions, of.velocities, strict=True)
    return sum((m * (x * v - y * u) for m, (x, y), (u, v) in moving), Decimal(0))


def farthest(one: Bodies, other: Bodies) -> float:
    """The largest distance of a body in one from the same body in the other."""
    pairs = zip(one.positions, other.positions, strict=True)
    return max(math.hypot(float(x - u), float(y - v)) for (x, y), (u, v) in pairs)
