"""Are two training steps compared correctly, by the right values and tolerances?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.records.measurement import Check, Parity
from bakeoff.worker.training import BUCKETS, distances, sketch
from tests.support.effort import cases


@settings(max_examples=cases(100))
@given(st.integers(0, 2**32), st.floats(1e-6, 1.0))
def test_a_sketch_keeps_distances(seed: int, off: float) -> None:
    rng = np.random.default_rng(seed)
    a, difference = rng.normal(size=(2, 300, 100))
    b = a + off * difference
    distance = np.linalg.norm(sketch(a) - sketch(b))
    assert distance == pytest.approx(np.linalg.norm(a - b), rel=0.1)  # standard deviation 1.6 %
    assert len(sketch(a)) == BUCKETS


def test_a_sketch_takes_every_element() -> None:
    a = np.zeros(3_000_000, np.float32)  # three chunks
    for place in (0, 1_048_576, 2_999_999):
        b = a.copy()
        b[place] = 1.0
        assert np.linalg.norm(sketch(a) - sketch(b)) == 1.0
    assert (sketch(a[:100]) == a[:100]).all()


def test_distances() -> None:
    start = {"start.w": np.array([1.0, 1.0])}
    left = {"loss": np.array([2.0]), "parameter.w": np.array([0.9, 1.0]), "gradient.w": np.zeros(2)}
    same = distances(left, left, start)
    assert set(same.values()) == {0.0}
    moved = distances({**left, "parameter.w": np.array([0.8, 1.0])}, left, start)
    assert moved["parameter.w"] == pytest.approx(1.0)  # twice as far
    unmoved = distances({**left, "parameter.w": np.array([1.0, 1.0])}, left, start)
    assert unmoved["parameter.w"] == pytest.approx(1.0)
    resting = distances(left, {**left, "parameter.w": np.array([1.0, 1.0])}, start)
    assert 1e13 < resting["parameter.w"] < float("inf")  # in float64 it did not move
    assert distances({**left, "gradient.w": np.array([1e-9, 0])}, left, start)["gradient.w"] == float("inf")
    assert distances({"loss": left["loss"]}, left, start)["parameter.w"] == float("inf")


def test_each_check_has_its_own_tolerance() -> None:
    tight, loose = (
        Check(batch=0, when="first", error=2e-5, tolerance=1e-5),
        Check(batch=0, when="first", error=0.02, tolerance=0.1),
    )
    assert not Parity(tolerance=1e-5, checks=(tight, loose)).holds
    assert Parity(tolerance=1e-5, checks=(tight, loose)).worst is tight
    assert Parity(tolerance=1e-5, checks=(loose,)).holds
    assert not Parity(tolerance=1e-5, checks=()).holds
