"""Are the exact intervals exact? Compared with scipy's null distributions, and by counting every case."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.analysis import intervals

VALUES = st.floats(-3, 3, allow_nan=False)


@pytest.mark.parametrize("n", [1, 2, 5, 9, 20])
def test_the_signed_rank_distribution_is_scipys(n: int) -> None:
    from scipy.stats import wilcoxon

    cdf = intervals.signed_rank_cdf(n)
    rng = np.random.default_rng(n)
    for _ in range(5):
        differences = rng.normal(size=n)
        found = wilcoxon(differences, alternative="less", method="exact")
        assert cdf[int(found.statistic)] == pytest.approx(found.pvalue)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 5), (7, 7), (10, 12)])
def test_the_rank_sum_distribution_is_scipys(m: int, n: int) -> None:
    from scipy.stats import mannwhitneyu

    cdf = intervals.rank_sum_cdf(m, n)
    rng = np.random.default_rng(m * n)
    for _ in range(5):
        found = mannwhitneyu(rng.normal(size=m), rng.normal(size=n), alternative="less", method="exact")
        assert cdf[int(found.statistic)] == pytest.approx(found.pvalue)


def test_the_signed_rank_distribution_by_counting_every_sign() -> None:
    sums = [sum(rank for rank, sign in enumerate(signs, 1) if sign) for signs in itertools.product((0, 1), repeat=6)]
    counted = [sum(s <= w for s in sums) / len(sums) for w in range(22)]
    assert intervals.signed_rank_cdf(6) == pytest.approx(counted)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=25), st.floats(1e-6, 0.2))
def test_a_paired_interval_holds_its_estimate_and_turns_with_the_sign(values: list[float], risk: float) -> None:
    there = intervals.paired(values, risk)
    back = intervals.paired([-v for v in values], risk)
    assert there.low <= there.estimate <= there.high
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert (there.high < math.inf) == (len(values) >= intervals.least_pairs(risk))


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=12), st.floats(-1, 1))
def test_an_unpaired_interval_follows_a_shift(values: list[float], shift: float) -> None:
    level = intervals.unpaired(values, values, 0.05)
    moved = intervals.unpaired(values, [v + shift for v in values], 0.05)
    assert moved.estimate == pytest.approx(level.estimate + shift, abs=1e-9)
    assert (moved.high < math.inf) == (len(values) >= intervals.least_trials(0.05))


def test_the_interval_misses_as_often_as_it_says() -> None:
    """10,000 A/A comparisons of heavy-tailed noise: each bound is wrong with probability `risk`, whatever the distribution."""
    rng = np.random.default_rng(1)
    wrong = sum(intervals.paired(row, 0.025).low > 0 for row in rng.standard_cauchy((10_000, 12)))
    assert 0.015 < wrong / 10_000 <= 0.027
    wrong = 0
    for _ in range(4_000):
        x, y = rng.standard_cauchy((2, 8))
        wrong += intervals.unpaired(x, y, 0.025).low > 0
    assert 0.015 < wrong / 4_000 <= 0.03


def test_another_uncertainty_adds_in_quadrature() -> None:
    assert intervals.Interval(0.0, -3.0, 3.0).widened(4.0) == intervals.Interval(0.0, -5.0, 5.0)
    assert intervals.normal_quantile(0.025) == pytest.approx(1.96, abs=0.001)
