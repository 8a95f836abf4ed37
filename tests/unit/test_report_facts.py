"""Do the values that the report shows of a cell follow from the trials alone?"""

from dataclasses import replace
from typing import Any

import pytest

from bakeoff.analysis import summary
from bakeoff.analysis.cost import Costs
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status, Trial
from bakeoff.report import facts
from bakeoff.views.matrix import Matrix
from tests.support.builders import ROOFLINE, SETTINGS, cell, matrix, measurement, trial


def side_by_side(**steps: float) -> list[Trial]:
    """The trials of two groups, by their steps."""
    return [cell("m", stack, step, seed=n + 10 * i, index=i) for i in range(2) for n, (stack, step) in enumerate(steps.items())]


def test_values_of_a_cell() -> None:
    trials = side_by_side(torch_eager=1e-3, torch_inductor=0.5e-3, torch_script=0.502e-3)
    reported = {f.stack: f for f, _ in facts.of(Matrix.of(trials), ROOFLINE)}
    fast = reported["torch_inductor"]
    assert fast.over_eager == pytest.approx(2, rel=0.01)
    assert fast.over_eager_low < fast.over_eager < fast.over_eager_high
    assert fast.over_eager_verdict == "faster"
    assert (fast.over_best, fast.over_best_low, fast.over_best_high) == (1, 1, 1)
    assert {stack for stack, each in reported.items() if each.fastest} == {"torch_inductor", "torch_script"}
    assert fast.trials == 2
    assert fast.break_even.startswith(f"pays back after {fast.break_even_steps:,} steps (")
    assert fast.break_even_steps == pytest.approx((4999 * 0.5 - 49) / 0.5, rel=0.02)
    # 2 Mflop in 0.5 ms, twenty flops a byte: below the machine's limit of 50 Gflop/s at that intensity
    assert fast.flops_per_s == pytest.approx(4e9, rel=0.01)
    assert fast.flops_per_byte == 20
    assert fast.share_of_machine_peak == pytest.approx(0.08, rel=0.01)
    eager = reported["torch_eager"]
    assert (eager.break_even, eager.break_even_steps, eager.over_eager) == ("", None, None)


def test_the_page_and_pick_know_the_same_of_noise() -> None:
    matrix = Matrix.of(side_by_side(torch_eager=1e-3, torch_inductor=0.5e-3, torch_script=0.7e-3))
    reported = {f.stack: f for f, _ in facts.of(matrix, None)}
    step_s = reported["torch_inductor"].step_s  # of the best one
    for total in Costs(matrix.ratios, "m", Mode.INFERENCE).totals(1000):
        each = reported[total.result.cell.stack]
        assert each.compile_low_s + 1000 * step_s / each.over_best_high == pytest.approx(total.span.low, rel=1e-3)
        assert each.compile_high_s + 1000 * step_s / each.over_best_low == pytest.approx(total.span.high, rel=1e-3)


def test_a_speed_that_was_measured_alone_is_compared_with_none() -> None:
    trials = [replace(cell("m", stack, step), group=None) for stack, step in (("torch_eager", 1e-3), ("torch_script", 0.5e-3))]
    for each, _ in facts.of(Matrix.of(trials), None):
        assert each.step_s is not None
        assert (each.over_eager, each.over_best, each.fastest, each.break_even) == (None, None, False, "")


@pytest.mark.parametrize(
    "changes", [{"dtype": "bfloat16"}, {"threads": 2}, {"device": "cuda"}], ids=["bfloat16", "threads", "device"]
)
def test_no_share_of_a_machine_peak_of_other_conditions(changes: dict[str, Any]) -> None:
    found = cell("m", "torch_eager", 1e-3)
    found = replace(found, settings=replace(SETTINGS, **changes))
    (reported, _), *_ = facts.of(Matrix.of([found]), ROOFLINE)
    assert reported.share_of_machine_peak is None


@pytest.mark.parametrize(("moved", "share"), [(1e6, None), (1e8, 1.0)], ids=["in a cache", "through memory"])
def test_memory_bandwidth_limits_only_data_larger_than_the_cache(moved: float, share: float | None) -> None:
    """A tenth of a flop per byte: 10 GB/s allow 1 Gflop/s."""
    found = cell("m", "torch_eager", moved / 1e10)
    assert found.measurement is not None
    found = replace(found, measurement=replace(found.measurement, flops=int(moved / 10), moved_bytes=int(moved)))
    (reported, _), *_ = facts.of(Matrix.of([found]), ROOFLINE)
    assert reported.flops_per_s == pytest.approx(1e9, rel=0.02)
    assert reported.share_of_machine_peak == (None if share is None else pytest.approx(share, rel=0.02))


def test_a_sample_of_several_steps_stands_in_their_middle() -> None:
    made = measurement([1e-4] * 100, steps_per_sample=10, warmup_s=(1e-4,) * 20)
    (_, detail), *_ = facts.of(Matrix.of([trial(made)]), None)
    assert detail.curves[0]["x"] == [*range(20), *range(25, 200, 10)]
    assert len(detail.curves[0]["y"]) == len(detail.curves[0]["x"])


def test_what_a_run_was_judged_when_it_was_saved_is_what_it_is_judged_now() -> None:
    trials = [replace(cell("m0", "torch_script", 1e-3, seed=i), index=i) for i in range(3)] + matrix()
    saved = summary.recorded(summary.of_trials(trials))
    for name, now in Matrix.of(trials).results.items():
        then = Matrix.of(trials, (), saved).results[name]
        assert then.recorded is not None
        assert (then.status, then.reason) == (now.status, now.reason)
        if now.status is Status.OK:
            assert then.steadiness == now.steadiness
    lie = {name: replace(recorded, status=Status.OK) for name, recorded in saved.items()}
    assert Matrix.of(trials, (), lie).results[Cell("branchy", "tf_function", Mode.INFERENCE)].status is Status.UNSUPPORTED
