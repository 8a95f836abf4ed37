"""Are weights, random data and outputs passed on, generated, compared and saved correctly?"""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.authoring import model
from bakeoff.authoring.model import Weights
from bakeoff.worker import parity


def test_weights_go_there_and_back() -> None:
    weights = Weights({"kernel": np.arange(24.0).reshape(2, 3, 4), "bias": np.arange(3.0)})
    taken = weights.take("kernel", (2, 0, 1))
    assert taken.shape == (4, 2, 3)
    assert np.array_equal(weights.canonical("kernel", taken), weights["kernel"])
    with pytest.raises(ValueError, match="never took the weights bias"):
        weights.finish()


def test_weights_are_generated_once_at_first_use() -> None:
    drawn: list[int] = []

    def draw() -> dict[str, np.ndarray]:
        drawn.append(1)
        return {"ids": np.arange(3), "bias": np.zeros(3, np.float32)}

    weights = Weights(draw)
    assert not drawn
    assert weights.dtype == "float32"
    assert len(weights) == 2
    assert drawn == [1]


finite = st.floats(-1e6, 1e6, width=32)


@given(st.lists(finite, min_size=1, max_size=20), st.integers(0, 19), st.floats(1e-3, 10))
def test_parity_error_finds_the_one_wrong_element(values: list[float], where: int, off: float) -> None:
    reference = np.asarray(values)
    largest = float(np.abs(reference).max())
    output = reference.copy()
    assert parity.error(output, reference) == 0.0
    output[where % len(values)] += off * max(largest, 1.0)
    assert parity.error(output, reference) >= off * 0.99 if largest else parity.error(output, reference) == float("inf")


def test_parity_error_over_more_than_is_compared_at_a_time() -> None:
    reference = np.ones((3, parity.COMPARED_PIECE))
    off = reference.copy()
    off[2, -1] = 1.5
    assert parity.error(off.T, reference.T) == 0.5
    reference[0, 5] = 2.0  # the largest is in another piece than the worst
    assert parity.error(off, reference) == 0.5
    for nothing in (np.nan, np.inf):
        off[1, 7] = nothing
        assert parity.error(off, reference) == np.inf
        assert parity.error(reference, off) == np.inf
        with warnings.catch_warnings(action="error"):
            assert parity.error(off, off) == np.inf


def test_a_large_array_is_the_same_on_any_number_of_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "LARGE", 4096)
    monkeypatch.setattr(model, "PIECE", 1000)
    several = model.Draw(3, 1).normal(5, 1000, scale=2.0, mean=0.5)
    monkeypatch.setattr(model.os, "sched_getaffinity", lambda pid: {0})
    assert (model.Draw(3, 1).normal(5, 1000, scale=2.0, mean=0.5) == several).all()
    assert (model.Draw(3, 2).normal(5, 1000, scale=2.0, mean=0.5) != several).all()
    assert len(np.unique(several)) > 4900  # no piece is another again
    assert abs(several.mean() - 0.5) < 0.1
    assert abs(several.std() - 2.0) < 0.1


def test_parity_error_of_what_cannot_be_compared() -> None:
    reference = np.ones((2, 3))
    assert parity.error(np.ones((3, 2)), reference) == float("inf")
    assert parity.error(np.full((2, 3), np.nan), reference) == float("inf")
    assert parity.error(reference, np.full((2, 3), np.inf)) == float("inf")
    assert parity.error(np.full((2, 3), np.nan), np.full((2, 3), np.nan)) == float("inf")
    assert parity.error(np.ones(0), np.ones(0)) == float("inf")
    check = parity.check({"other": reference}, {"output": reference}, 0, "timed")
    assert (check.error, check.excess(1.0)) == (None, float("inf"))


def test_reference_reads_back(tmp_path: Path) -> None:
    batches = [{"output": np.ones((2, 2)) * i, "gradient.a.b/c": np.zeros(3)} for i in range(12)]
    parity.save(tmp_path / "r.npz", batches)
    back = parity.read(tmp_path / "r.npz")
    assert [sorted(b) for b in back] == [["gradient.a.b/c", "output"]] * 12
    assert [float(b["output"][0, 0]) for b in back] == list(range(12))
