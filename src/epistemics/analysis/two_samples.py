"""Are two samples of one distribution? A test of rank sums, and how large a difference it would have found.

A value that never happened ranks above every number. P-values are of permutations: exact where all of them can be
looked at, else of many drawn ones, always the same, with the samples themselves as one more of them. (Wilcoxon 1945;
the correction for several tests: Holm 1979.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

ALL = 10_000
"""Permutations up to which each is looked at."""
DRAWN = 10_000
"""Permutations that are drawn where there are more."""
SAMPLES = 400
"""Pairs of samples that say how often a difference is found."""
FACTORS = (1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0)
"""Differences that are tried, as a factor between the samples."""
LEVEL = 0.05
POWER = 0.8

Sample = Sequence[float | None]


def p_value(one: Sample, other: Sample) -> float:
    """Two-sided: the share of permutations whose rank sum is as far from its mean as that of the two samples."""
    ranks = _ranks([*one, *other])
    sums = _rank_sums(ranks, len(one))
    centre = len(one) * (len(ranks) + 1) / 2
    far = abs(ranks[: len(one)].sum() - centre)
    as_far = (np.abs(sums - centre) >= far - 1e-9).sum()
    if _are_all(len(ranks), len(one)):
        return float(as_far / len(sums))
    return float((as_far + 1) / (len(sums) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected for their number: each times how many are as large or larger, and none below a smaller one's."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = highest
    return corrected


def detectable_factor(values: Sample, sizes: tuple[int, int], grid: float, level: float = LEVEL) -> float | None:
    """The smallest of ``FACTORS`` that the test finds in ``POWER`` of pairs of samples; None if none is.

    Where values are equal the test is taken to be as strict as without: the power is not overstated.

    Args:
        values: from which both samples are drawn with replacement; one of the two is multiplied by the factor.
        sizes: of the two samples.
        grid: what values are multiples of, and are rounded to when they were multiplied.
        level: of p, below which a difference counts as found; for one of several tests a share of ``LEVEL``.
    """
    generator = np.random.default_rng(0)
    drawn = [generator.choice(_numbers(values), (SAMPLES, size)) for size in sizes]
    centre = sizes[0] * (sum(sizes) + 1) / 2
    distances = np.abs(_rank_sums(np.arange(1.0, sum(sizes) + 1), sizes[0]) - centre)
    found_from = next((d for d in np.unique(distances) if (distances >= d).mean() < level), np.inf)
    for factor in FACTORS:
        pairs = np.concatenate([drawn[0], np.round(drawn[1] * factor / grid) * grid], axis=1)
        sums = np.array([_ranks(list(pair))[: sizes[0]].sum() for pair in pairs])
        if (np.abs(sums - centre) >= found_from).mean() >= POWER:
            return factor
    return None


def _numbers(values: Sample) -> NDArray[np.float64]:
    return np.asarray([math.inf if value is None else value for value in values], float)


def _ranks(values: Sample) -> NDArray[np.float64]:
    """From 1 on; equal values share the mean of theirs."""
    numbers = _numbers(values)
    below = (numbers[:, None] > numbers).sum(1)
    equal = (numbers[:, None] == numbers).sum(1)
    return np.asarray(below + (equal + 1) / 2)


def _rank_sums(ranks: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Sums of ``count`` of the ranks: of every choice, or of many drawn ones."""
    if _are_all(len(ranks), count):
        return np.asarray([ranks[list(chosen)].sum() for chosen in combinations(range(len(ranks)), count)])
    generator = np.random.default_rng(0)
    return np.asarray(generator.permuted(np.tile(ranks, (DRAWN, 1)), axis=1)[:, :count].sum(1))


def _are_all(together: int, count: int) -> bool:
    """Whether every choice of so many is looked at."""
    return math.comb(together, count) <= ALL
