"""Is the ratio of a pair computed round by round?"""

import math
import random
from dataclasses import replace
from statistics import median

import pytest

from bakeoff.analysis.results import tenth_percentile
from bakeoff.compare.rounds import _ratio, summaries_of_pairs
from bakeoff.records.trial import Trial
from bakeoff.records.turns import ROUNDS
from tests.support.builders import measurement, trial


def pair(before: list[float], after: list[float], *, alternated: bool = True) -> tuple[list[Trial], list[Trial]]:
    return tuple([trial(measurement(steps, alternated=alternated))] for steps in (before, after))  # type: ignore[return-value]


def ratio(arms: tuple[list[Trial], list[Trial]], name: str = "step") -> float:
    (before,), (after,) = summaries_of_pairs(*arms)
    return after.values[name][0] / before.values[name][0]


def test_a_slowdown_is_what_it_is() -> None:
    rng = random.Random(1)
    steps = [0.001 * (1 + 0.05 * rng.random()) for _ in range(400)]
    assert ratio(pair(steps, [1.07 * s for s in steps])) == pytest.approx(1.07)
    assert ratio(pair(steps, [1.07 * s for s in steps]), "step_typical") == pytest.approx(1.07)


def test_a_disturbance_of_both_arms_is_no_change() -> None:
    """A machine that is slow for a third of the session, and one good moment of one side: its 10th percentile would say 0.5."""
    drift = [0.002 if n < 270 else 0.001 for n in range(400)]
    lucky = [0.0005 if n < 45 else s for n, s in enumerate(drift)]
    sides = measurement(drift, alternated=True), measurement(lucky, alternated=True)
    assert tenth_percentile(lucky) == pytest.approx(0.5 * tenth_percentile(drift))
    assert _ratio(*sides, tenth_percentile) == pytest.approx(0.0)


@pytest.mark.parametrize("count", [1, 2, 7, ROUNDS, ROUNDS + 1, 399])
def test_any_number_of_samples(count: int) -> None:
    assert ratio(pair([0.001] * count, [0.0011] * count)) == pytest.approx(1.1)


def test_arms_with_unequal_numbers_of_samples() -> None:
    assert ratio(pair([0.001] * 100, [0.0012] * 61)) == pytest.approx(1.2)


def test_one_after_the_other_keeps_its_own_value() -> None:
    steps = [0.001 + 1e-6 * n for n in range(100)]
    (before,), (after,) = summaries_of_pairs(*pair(steps, [2 * s for s in steps], alternated=False))
    assert after.values["step"][0] == pytest.approx(2 * before.values["step"][0])
    assert math.isclose(after.values["step_typical"][0], 2 * median(steps))


def test_an_arm_that_lacks_a_trial_is_left_as_it_is() -> None:
    base, other = pair([0.001] * 40, [0.003] * 40)
    (before,), (after,) = summaries_of_pairs([*base, trial(None, index=1)], other)
    assert "step" not in before.values or after.values["step"] == [0.003]


def test_compile_times_are_of_the_pairs_that_compiled_at_once() -> None:
    """The first pair of a cell compiles one after the other, to see what memory two take: another moment, no comparison."""

    def side(seconds: list[float]) -> list[Trial]:
        made = [
            measurement([0.001] * 40, alternated=True, first_call_cpu_s=s, compiled_at_once=n > 0)
            for n, s in enumerate(seconds)
        ]
        return [trial(m, index=n) for n, m in enumerate(made)]

    (before,), (after,) = summaries_of_pairs(side([5.0, 2.0, 3.0]), side([1.0, 2.2, 3.3]))
    assert before.values["compile_cold"] == [2.0, 3.0]
    assert after.values["compile_cold"] == [2.2, 3.3]
    assert len(after.values["step"]) == 3
    alone = [trial(replace(t.measurement, compiled_at_once=False), index=t.index) for t in side([5.0, 2.0]) if t.measurement]
    (before,), _ = summaries_of_pairs(alone, alone)
    assert before.values["compile_cold"] == [5.0, 2.0]
