"""Populations of tapes that are copied with errors: how long a tape can be kept, and how long it can become.

Each symbol of a copy is right with probability q, the fidelity. Generations do not overlap: a population of fixed size
draws its parents in proportion to fitness (Wright and Fisher's model). First the tapes have one length and selection
knows one sequence, Eigen's case; then they grow by insertion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def threshold(length: float, superiority: float) -> float:
    """The error rate 1 − q at which σ q^L = 1: above it a tape of L symbols is not kept (Eigen 1971)."""
    return -math.expm1(-math.log(superiority) / length)


def longest(error_rate: float, superiority: float) -> float:
    """The longest tape that is kept at an error rate 1 − q: −ln σ / ln q, about ln σ / (1 − q) (Eigen 1971)."""
    return -math.log(superiority) / math.log1p(-error_rate)


def copying(length: int, error_rate: float) -> Array:
    """Probability that a binary tape with i errors is copied as one with j: [L + 1, L + 1]."""
    kept = [_binomial(errors, 1 - error_rate) for errors in range(length + 1)]
    made = [_binomial(length - errors, error_rate) for errors in range(length + 1)]
    return np.stack([np.convolve(old, new) for old, new in zip(kept, made, strict=True)])


def _binomial(trials: int, probability: float) -> Array:
    """The binomial distribution: [trials + 1]."""
    k = np.arange(trials + 1)
    ways = np.array([math.comb(trials, int(i)) for i in k], dtype=np.float64)
    found: Array = ways * probability**k * (1 - probability) ** (trials - k)
    return found


def shares(length: int, error_rate: float, superiority: float, population: int, generations: int, seed: int) -> Array:
    """The master's share in each generation of a population that begins with masters alone: [generations + 1].

    Tapes are binary; the master has σ times the offspring of any other tape, however many errors this has. Where the
    master is lost, the generation without it is the last.
    """
    random = np.random.default_rng(seed)
    fitness = np.ones(length + 1)
    fitness[0] = superiority
    offspring = copying(length, error_rate) * fitness[:, None]
    counts = np.zeros(length + 1)
    counts[0] = population
    found = [1.0]
    while found[-1] > 0 and len(found) <= generations:
        chances = counts @ offspring
        counts = random.multinomial(population, chances / chances.sum()).astype(np.float64)
        found.append(counts[0] / population)
    return np.array(found)


def highest_kept(
    length: int, superiority: float, population: int, generations: int, seed: int, halvings: int = 8
) -> float:
    """The highest error rate at which the master is kept to the end, by bisection around ``threshold``."""
    low, high = 0.0, 2 * threshold(length, superiority)
    for _ in range(halvings):
        middle = (low + high) / 2
        kept = shares(length, middle, superiority, population, generations, seed)[-1] > 0
        low, high = (middle, high) if kept else (low, middle)
    return low


@dataclass(frozen=True)
class Growth:
    """How tapes grow, and what they are paid for.

    A tape works or is broken. One that works with w paid symbols has w^a times the offspring of a broken one, so a
    doubling is always worth the same. A copy works if every symbol came out right; broken tapes stay so. A working copy
    then gains a symbol that works, or loses one and works without it, each with the same probability.

    Where ``improving``, half of the gains and losses are of symbols that serve the copier instead: each takes a fixed
    part off the error rate, has to be copied right like any other, and is not paid for.
    """

    error_rate: float
    improving: bool = False
    payment: float = 2.0
    """a"""
    change: float = 0.1
    """The probability that a working copy is longer by one symbol, and that it is shorter by one."""
    improvement: float = 0.05
    """The part of the error rate that a symbol of the copier takes away."""
    start: int = 40
    population: int = 500
    generations: int = 1000

    @property
    def ceiling(self) -> float:
        """The w at which w^a q^w, the working offspring, is largest: −a / ln q, about a / (1 − q)."""
        return -self.payment / math.log1p(-self.error_rate)

    @property
    def lead(self) -> float:
        """w^a q^w for tapes of the first length: their working offspring to one of a broken tape's.

        Below 1 they are lost; it is Eigen's condition with σ = w^a.
        """
        return math.exp(self.payment * math.log(self.start) + self.start * math.log1p(-self.error_rate))


def grow(settings: Growth, seeds: Sequence[int]) -> tuple[Array, Array]:
    """Paid symbols and error rate of the tape with most offspring in each generation: [seeds, generations + 1] each.

    Each seed draws for itself: its row does not depend on the others.
    """
    s, randoms = settings, [np.random.default_rng(seed) for seed in seeds]
    paid = np.full((len(seeds), s.population), s.start)  # 0 for a broken tape
    copier = np.zeros_like(paid)
    rate = np.full(paid.shape, s.error_rate)
    every = np.arange(len(seeds))
    lengths, rates = [paid[:, 0]], [rate[:, 0]]
    for _ in range(s.generations):
        draws = np.stack([random.random((4, s.population)) for random in randoms], axis=1)
        offspring = np.cumsum(np.maximum(paid, 1) ** s.payment, axis=1)
        offspring /= offspring[:, -1:]
        parents = np.searchsorted((offspring + every[:, None]).ravel(), draws[0] + every[:, None], side="right")
        paid, copier, rate = paid.ravel()[parents], copier.ravel()[parents], rate.ravel()[parents]
        right = draws[1] < np.exp((paid + copier) * np.log1p(-rate))
        step = (draws[2] < s.change).astype(np.int64) - (draws[2] > 1 - s.change)
        if s.improving:
            serving = np.where(draws[3] < 0.5, step, 0)
            step = step - serving
            copier = np.maximum(copier + serving, 0)
            rate = s.error_rate * (1 - s.improvement) ** copier
        paid = np.where(right & (paid > 0), np.maximum(paid + step, 1), 0)
        best = paid.argmax(axis=1)
        lengths.append(paid[every, best])
        rates.append(rate[every, best])
    return np.stack(lengths, axis=1).astype(np.float64), np.stack(rates, axis=1)
