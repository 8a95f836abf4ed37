"""Is a batch split over workers correctly, and is scaling computed against the same stack with one worker?"""

from dataclasses import replace

import numpy as np
import pytest

from bakeoff.analysis.cost import Span
from bakeoff.analysis.results import by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import load
from bakeoff.authoring.errors import Unsupported
from bakeoff.authoring.model import Draw
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Trial
from bakeoff.views import scaling_table
from tests.support import builders


def test_a_batch_is_split_along_its_items() -> None:
    for source in discovery.models():
        if source.in_gallery or source.is_kernel:
            continue
        model = load(source.path, "MODEL").at("small")
        batch = model.batch(Draw(0), 0)
        parts = [model.shard(batch, index, 2) for index in range(2)]
        axes = model.batch_axes or (0,) * len(batch.inputs)
        for i, axis in enumerate(axes):
            assert batch.inputs[i].shape[axis] == model.batch_size
            np.testing.assert_array_equal(np.concatenate([p.inputs[i] for p in parts], axis), batch.inputs[i])
        np.testing.assert_array_equal(np.concatenate([p.target for p in parts]), batch.target)
        with pytest.raises(Unsupported, match="does not split evenly over 3 workers"):
            replace(model, batch_size=64).shard(batch, 0, 3)


def _trial(stack: str, workers: int | None, step_s: float) -> Trial:
    found = builders.measurement((step_s,) * 100)
    return replace(builders.trial(found, stack=stack), cell=Cell("toy", stack, Mode.TRAINING), workers=workers)


def test_scaling_efficiency_is_of_the_same_stack_with_one_worker() -> None:
    trials = [_trial("eager", None, 0.001), _trial("a_1", 1, 0.004), _trial("b_1", 1, 0.002), _trial("b_2", 2, 0.00125)]
    rows = {row.result.cell.stack: row for row in scaling_table.rows(trials)}
    assert list(rows) == ["a_1", "b_1", "b_2"]
    assert rows["a_1"].efficiency == rows["b_1"].efficiency == Span(1.0, 1.0, 1.0)
    efficiency = rows["b_2"].efficiency
    assert efficiency.value == pytest.approx(0.8)
    assert efficiency.low < 0.8 < efficiency.high
    assert scaling_table.rows(trials[3:])[0].efficiency is None  # nothing to compare with
    alone = [replace(trial, group=None) for trial in trials]
    assert {row.result.cell.stack: row.efficiency for row in scaling_table.rows(alone)}["b_2"] is None
    text = scaling_table.terminal(trials, 100)
    assert "0.80 ±0.02" in text
    assert "3,200 samples" in text
    assert scaling_table.terminal(trials[:1], 100) == ""


def test_waiting_for_another_worker_is_no_contention() -> None:
    waited = replace(builders.measurement(), contention=replace(builders.measurement().contention, cpu_s=0.5))
    shares = [
        by_cell([replace(builders.trial(waited), workers=workers)]).popitem()[1].trust.cpu_share for workers in (None, 1, 2)
    ]
    assert shares == [0.5, 0.5, 1.0]
