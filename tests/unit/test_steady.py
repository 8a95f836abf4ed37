"""Is the beginning of the steady state found, or that there is none?"""

import numpy as np
import pytest

from bakeoff.analysis.steady import judge
from bakeoff.records.measurement import Measurement
from tests.support.builders import measurement


def noisy(shape: list[float], seed: int, noise: float = 0.01) -> Measurement:
    """A series with contention: log-normal noise, and one step in twenty up to three times as long."""
    rng = np.random.default_rng(seed)
    series = np.asarray(shape) * np.exp(noise * rng.standard_normal(len(shape)))
    series *= np.where(rng.random(len(shape)) < 0.05, 1 + 2 * rng.random(len(shape)), 1)
    return measurement(tuple(series[20:]), warmup_s=tuple(series[:20]))


def trials(shape: list[float], count: int) -> list[Measurement]:
    return [noisy(shape, seed) for seed in range(count)]


@pytest.mark.parametrize("count", [1, 3, 6])
def test_flat(count: int) -> None:
    verdict = judge(trials([1e-3] * 200, count))
    assert (verdict.steady, verdict.verified) == (True, count >= 3)
    assert verdict.start <= 25


@pytest.mark.parametrize("count", [1, 3, 6])
def test_warm_up_that_the_online_rule_missed(count: int) -> None:
    """20 % slower for the first 60 steps."""
    verdict = judge(trials([1.2e-3] * 60 + [1e-3] * 140, count))
    assert verdict.steady
    assert 55 <= verdict.start <= 66


def test_small_late_change_needs_several_trials() -> None:
    """5 %: seen in the profile of six trials, within the tolerance of one."""
    verdict = judge(trials([1.05e-3] * 60 + [1e-3] * 140, 6))
    assert verdict.steady
    assert 55 <= verdict.start <= 66
    assert judge(trials([1.05e-3] * 60 + [1e-3] * 140, 1)).start <= 25


@pytest.mark.parametrize("count", [1, 3])
def test_late_change_is_no_steady_state(count: int) -> None:
    verdict = judge(trials([1e-3] * 170 + [1.3e-3] * 30, count))
    assert not verdict.steady
    assert "+30%" in verdict.reason or "+29%" in verdict.reason or "+31%" in verdict.reason


@pytest.mark.parametrize("count", [1, 3])
def test_growth_is_no_steady_state(count: int) -> None:
    assert not judge(trials([1e-3 * (1 + n / 100) for n in range(200)], count)).steady


def test_samples_leave_out_the_warm_up_in_blocks() -> None:
    blocks = measurement((3e-3,) * 10 + (1e-3,) * 90, steps_per_sample=5, warmup_s=(3e-3,) * 20)
    verdict = judge([blocks])
    assert verdict.start == 70
    assert verdict.samples(blocks) == (1e-3,) * 90


def test_few_steps_are_taken_as_they_are() -> None:
    assert judge([measurement((1.0, 1.0, 1.0), warmup_s=(1.0, 1.0))]).steady


def test_growing_memory_is_not_steady() -> None:
    from dataclasses import replace

    memory = replace(measurement().memory, timed_bytes=tuple(n * 4 * 2**20 for n in range(9)))
    assert "memory grew by 16 MiB" in judge([measurement(memory=memory)]).reason
    # as dlrm trained on tf.function: one buffer of an embedding's gradient, and a little more, kept by the allocator
    kept = replace(memory, timed_bytes=(861024256, *(863784960,) * 4, 867520512, 867651584, 880451584, 880451584))
    assert judge([measurement(memory=kept)]).steady
    sawtooth = replace(memory, timed_bytes=tuple((n % 3) * 40 * 2**20 for n in range(9)))
    assert judge([measurement(memory=sawtooth)]).steady


def test_no_trials() -> None:
    with pytest.raises(ValueError, match="no trials"):
        judge([])


def test_a_change_smaller_than_what_separates_the_processes_is_noise() -> None:
    """5 % late in the steps: a change where three processes agree, nothing where they are 8 % apart themselves."""
    shape = [1e-3] * 130 + [1.05e-3] * 70
    assert not judge([noisy(shape, seed, noise=0.003) for seed in range(3)]).steady
    apart = [noisy([s * level for s in shape], seed, noise=0.003) for seed, level in enumerate((1.0, 1.04, 1.08))]
    assert judge(apart).steady


def test_a_change_that_not_every_process_shows_is_the_machines() -> None:
    """Two of three slow down by 30 %, at step 110 and step 170; and all three do, at 140."""
    early, late, flat = ([1e-3] * n + [1.3e-3] * (200 - n) for n in (110, 170, 200))
    verdict = judge([noisy(shape, seed, noise=0.003) for seed, shape in enumerate((early, late, flat))])
    assert verdict.steady
    same = judge([noisy([1e-3] * 140 + [1.3e-3] * 60, seed, noise=0.003) for seed in range(3)])
    assert not same.steady


def test_noise_is_reported() -> None:
    """Each of five processes is slow at other times, and all are at the end, by chance."""
    rng = np.random.default_rng(1)
    series = [np.where(np.repeat(rng.random(20) < 0.5, 10), 1e-3, 1.4e-3) for _ in range(5)]
    for s in series:
        s[-15:] = 1.4e-3
    verdict = judge([noisy(list(s), seed, noise=0.003) for seed, s in enumerate(series)])
    assert verdict.steady
    assert 0.3 < verdict.noise < 0.5
