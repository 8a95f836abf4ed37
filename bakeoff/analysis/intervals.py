"""How large is the shift between two sets of processes? Exact rank intervals, which assume no distribution of the noise.

Only shifts of ratios that were measured side by side are judged by Student's t: they come with a standard error.

Values are logarithms, one per process, so that a shift is the logarithm of a ratio. Estimates are Hodges and Lehmann's (1963);
the intervals are order statistics of the pairwise averages (signed rank) or differences (rank sum), with exact null
distributions: Hollander, Wolfe & Chicken, Nonparametric Statistical Methods (2014), chapters 3.3 and 4.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from bakeoff.authoring.model import Array


@dataclass(frozen=True, slots=True)
class Interval:
    """A shift with its bounds, which are infinite where there are too few values for the confidence asked for."""

    estimate: float
    low: float
    high: float

    def mirrored(self) -> "Interval":
        """Of the shift in the other direction."""
        return Interval(-self.estimate, -self.high, -self.low)

    def widened(self, half_width: float) -> "Interval":
        """With another, independent uncertainty added in quadrature."""
        if not half_width:
            return self
        below, above = self.estimate - self.low, self.high - self.estimate
        return Interval(
            self.estimate, self.estimate - math.hypot(below, half_width), self.estimate + math.hypot(above, half_width)
        )


def paired(differences: Sequence[float], risk: float) -> Interval:
    """From at least one difference within pairs; each bound is wrong with at most probability `risk`."""
    values = np.asarray(differences, dtype=float)
    i, j = np.triu_indices(len(values))
    return _order_interval((values[i] + values[j]) / 2, signed_rank_cdf(len(values)), risk)


def unpaired(baseline: Sequence[float], candidate: Sequence[float], risk: float) -> Interval:
    """Of candidate − baseline, at least one value each; each bound is wrong with at most probability `risk`."""
    shifts = np.subtract.outer(np.asarray(candidate, dtype=float), np.asarray(baseline, dtype=float))
    return _order_interval(shifts.ravel(), rank_sum_cdf(len(baseline), len(candidate)), risk)


def of_estimate(estimate: float, error: float, freedom: float, risk: float) -> Interval:
    """Of a normally distributed estimate with a standard error of so many degrees of freedom, by Student's t."""
    from scipy.special import stdtrit  # takes a second to import

    half = float(stdtrit(freedom, 1 - risk)) * error
    return Interval(estimate, estimate - half, estimate + half)


def least_pairs(risk: float) -> int:
    """The fewest pairs with which a bound of this risk is finite: 2^-n."""
    return max(1, math.ceil(-math.log2(risk)))


def least_trials(risk: float) -> int:
    """The fewest trials in each of two runs with which a bound of this risk is finite: 1 / C(2n, n)."""
    n = 1
    while 1 / math.comb(2 * n, n) > risk:
        n += 1
    return n


def normal_quantile(risk: float) -> float:
    """How many standard deviations a normal variable exceeds with probability `risk`."""
    return -NormalDist().inv_cdf(risk)


def spread(values: Sequence[float]) -> float:
    """Robust standard deviation: 1.4826 × the median absolute deviation."""
    array = np.asarray(values, dtype=float)
    return float(1.4826 * np.median(np.abs(array - np.median(array))))


@lru_cache(None)
def signed_rank_cdf(n: int) -> Array:
    """P(W ≤ w) of the signed-rank statistic of n pairs without a difference, w = 0 … n(n+1)/2."""
    counts = np.zeros(n * (n + 1) // 2 + 1)
    counts[0] = 1
    for rank in range(1, n + 1):
        counts[rank:] += counts[:-rank].copy()
    cdf: Array = np.cumsum(counts) / 2.0**n
    return cdf


@lru_cache(None)
def rank_sum_cdf(m: int, n: int) -> Array:
    """P(U ≤ u) of the Mann-Whitney statistic of m and n values without a difference, u = 0 … mn.

    The counts are the coefficients of the Gaussian binomial, multiplied up factor by factor in whole numbers.
    """
    counts = [1] + [0] * (m * n)
    for factor in range(1, m + 1):
        for u in range(m * n, n + factor - 1, -1):  # × (1 − q^(n + factor))
            counts[u] -= counts[u - n - factor]
        for u in range(factor, m * n + 1):  # ÷ (1 − q^factor)
            counts[u] += counts[u - factor]
    total = math.comb(m + n, m)
    cdf: Array = np.array([part / total for part in np.cumsum(np.array(counts, dtype=object))], dtype=float)
    return cdf


def _order_interval(statistics: Array, cdf: Array, risk: float) -> Interval:
    """From the k-th smallest to the k-th largest statistic, with the largest k such that P(T ≤ k − 1) ≤ risk."""
    k = int(np.searchsorted(cdf, risk, side="right"))
    ordered = np.sort(statistics)
    if k == 0:
        return Interval(float(np.median(ordered)), -math.inf, math.inf)
    return Interval(float(np.median(ordered)), float(ordered[k - 1]), float(ordered[-k]))
