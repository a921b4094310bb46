"""Populations of tapes that are copied with errors: how long a tape can be kept, and how long it can become.

Each symbol of a copy is right with probability q, the fidelity. Generations do not overlap: a population of fixed size
draws its parents in proportion to fitness (Wright and Fisher's model). First the tapes have one length and selection
knows one sequence, Eigen's case; then they grow by insertion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def threshold(length: float, superiority: float) -> float:
    """The error rate 1 − q at which σ q^L = 1: above it a tape of L symbols is not kept (Eigen 1971)."""
    return 1 - superiority ** (-1 / length)


def longest(error_rate: float, superiority: float) -> float:
    """The longest tape that is kept at an error rate 1 − q: −ln σ / ln q, about ln σ / (1 − q) (Eigen 1971)."""
    return -math.log(superiority) / math.log1p(-error_rate)


def expected_share(length: int, error_rate: float, superiority: float) -> float:
    """The master's share in an infinite population, (σ q^L − 1) / (σ − 1), errors that undo errors left out."""
    return max(0.0, (superiority * (1 - error_rate) ** length - 1) / (superiority - 1))


def copying(length: int, error_rate: float) -> Array:
    """Probability that a binary tape with i errors is copied as one with j: [L + 1, L + 1]."""
    kept = [_binomial(errors, 1 - error_rate) for errors in range(length + 1)]
    made = [_binomial(length - errors, error_rate) for errors in range(length + 1)]
    return np.stack([np.convolve(old, new) for old, new in zip(kept, made, strict=True)])


def _binomial(trials: int, probability: float) -> Array:
    """The binomial distribution: [trials + 1]."""
    k = np.arange(trials + 1)
    ways = np.array([math.comb(trials, int(i)) for i in k], dtype=np.float64)
    return ways * probability**k * (1 - probability) ** (trials - k)


def shares(
    length: int, error_rate: float, superiority: float, population: int, generations: int, seed: int
) -> npt.NDArray[np.float64]:
    """The master's share in each generation of a population that begins with masters alone: [generations + 1].

    Tapes are binary; the master has σ times the offspring of any other tape, however many errors this has.
    """
    random = np.random.default_rng(seed)
    fitness = np.ones(length + 1)
    fitness[0] = superiority
    after = copying(length, error_rate) * fitness[:, None]
    counts = np.zeros(length + 1)
    counts[0] = population
    found = [1.0]
    for _ in range(generations):
        chances = counts @ after
        counts = random.multinomial(population, chances / chances.sum())
        found.append(counts[0] / population)
    return np.array(found)


def highest_kept(
    length: int, superiority: float, population: int, generations: int, seed: int, halvings: int = 8
) -> float:
    """The highest error rate at which masters are left at the end, by bisection around ``threshold``."""
    low, high = 0.0, 2 * threshold(length, superiority)
    for _ in range(halvings):
        middle = (low + high) / 2
        kept = shares(length, middle, superiority, population, generations, seed)[-1] > 0
        low, high = (middle, high) if kept else (low, middle)
    return low


@dataclass(frozen=True)
class Growth:
    """How tapes grow, and what they are paid for.

    A tape with w working symbols has w^a times the offspring of a tape with one: a doubling is always worth the same.
    A copy loses each symbol with probability 1 − q, and gains one more that works with a fixed probability. Where
    ``improving``, half of these serve the copier instead: each lowers the error rate by a fixed part, is not paid for,
    and can be lost like any other.
    """

    error_rate: float
    improving: bool = False
    payment: float = 2.0
    """a"""
    insertion: float = 0.1
    """The probability that a copy is longer by a symbol that works."""
    improvement: float = 0.05
    """The part of the error rate that a symbol of the copier takes away."""
    start: int = 40
    population: int = 500
    generations: int = 1000

    @property
    def ceiling(self) -> float:
        """The w at which w^a q^w is highest: tapes beyond it are outgrown by shorter ones (infinite population)."""
        return -self.payment / math.log1p(-self.error_rate)


def grow(settings: Growth, seed: int) -> tuple[Array, Array]:
    """Working symbols and error rate of the tape with most offspring, each generation: [generations + 1] each."""
    random = np.random.default_rng(seed)
    s = settings
    working = np.full(s.population, s.start)
    copier = np.zeros(s.population, dtype=np.int64)
    lengths, rates = [float(s.start)], [s.error_rate]
    for _ in range(s.generations):
        fitness = np.cumsum(np.maximum(working, 1).astype(np.float64) ** s.payment)
        parents = np.searchsorted(fitness, random.random(s.population) * fitness[-1], side="right")
        working, copier = working[parents], copier[parents]
        rate = s.error_rate * (1 - s.improvement) ** copier
        working = random.binomial(working, 1 - rate)
        gains = random.random(s.population) < s.insertion
        if s.improving:
            copier = random.binomial(copier, 1 - rate)
            serves = gains & (random.random(s.population) < 0.5)
            copier, gains = copier + serves, gains & ~serves
        working = working + gains
        best = int(np.argmax(working))
        lengths.append(float(working[best]))
        rates.append(float(rate[best]))
    return np.array(lengths), np.array(rates)
