"""Do the values in the table follow from the raw numbers by their definitions?"""

from dataclasses import replace

import pytest

from bakeoff.analysis.cost import break_even
from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.results import by_cell, tenth_percentile
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.measurement import Check, Contention, OutOfTurn, Parity, Slice
from bakeoff.records.trial import Failure, Phase, Start, Status
from bakeoff.views.matrix import Matrix
from tests.support.builders import measurement, trial


def test_compile_is_first_call_less_a_step() -> None:
    assert measurement((0.1,) * 9, first_call_s=0.5).compile_s == pytest.approx(0.4)
    assert measurement((0.6,) * 9, first_call_s=0.5).compile_s == 0.0


def test_figures_are_medians_over_trials() -> None:
    found = [trial(measurement((step,) * 100, first_call_s=1 + step), index=i) for i, step in enumerate((0.01, 0.02, 0.5))]
    (result,) = by_cell(found).values()
    assert result.step_s == 0.02
    assert result.value_s == pytest.approx(0.02)
    assert result.throughput == pytest.approx(4 / 0.02)
    assert result.compile_s == pytest.approx(1.0)


def test_compile_time_is_of_those_that_compiled_alone() -> None:
    """Two that compile at once on the same CPUs take twice the time of the clock: in `ab`, but in no cell."""
    once = {"compiled_at_once": True}
    alone, *others = [
        trial(measurement((0.01,) * 100, first_call_s=s, **more), index=i)
        for i, (s, more) in enumerate(((1.01, {}), (2.01, once), (2.21, once)))
    ]
    assert [r.compile_s for r in by_cell([alone, *others]).values()] == [pytest.approx(1.0)]
    assert [r.compile_s for r in by_cell(others).values()] == [pytest.approx(2.1)]  # there is nothing better


@pytest.mark.parametrize(("cpu_s", "status"), [(1.0, Status.UNSTEADY), (0.6, Status.OK)])
def test_stalls_are_the_programs_only_where_it_had_the_cpu(cpu_s: float, status: Status) -> None:
    steps = [0.08 if n % 20 == 10 else 0.001 for n in range(400)]
    spent = Contention(wall_s=1.0, cpu_s=cpu_s, involuntary_switches=0, load_1min=0.0, pressure_s=None)
    (result,) = by_cell([trial(measurement(steps, contention=spent))]).values()
    assert result.status is status
    assert ("by the program's own doing" in result.reason) == (status is Status.UNSTEADY)


def test_tenth_percentile() -> None:
    assert tenth_percentile(list(range(101))) == 10
    assert tenth_percentile([3.0]) == 3.0


def test_a_warm_start_compiles_apart_and_its_steps_count_with_the_others() -> None:
    warm = trial(measurement((0.003,) * 100, first_call_s=0.203), start=Start.WARM, index=1)
    (result,) = by_cell([warm, trial(measurement((0.001,) * 100))]).values()
    assert result.warm_compile_s == pytest.approx(0.2)
    assert result.compile_s == pytest.approx(0.499)
    assert (len(result.cold), [t.index for t in result.measured]) == (1, [0, 1])
    assert result.step_s == pytest.approx(0.002)


def test_the_steps_of_a_warm_start_that_took_no_turns_do_not_count() -> None:
    """An older Bakeoff measured it apart, for its compile time."""
    warm = trial(measurement((0.003,) * 100), start=Start.WARM, group=None)
    (result,) = by_cell([trial(measurement((0.001,) * 100)), warm]).values()
    assert result.step_s == pytest.approx(0.001)
    assert result.warm_compile_s is not None


def test_the_compile_peak_is_that_of_cold_starts() -> None:
    """A warm start compiles nothing, and needs no memory for it."""
    small = replace(measurement().memory, compile_peak_bytes=2**20)
    warm = trial(measurement(memory=small), start=Start.WARM, index=1)
    (result,) = by_cell([trial(measurement()), warm]).values()
    assert result.above_import("compile_peak_bytes") == [2 * 2**20]
    assert len(result.above_import("steady_peak_bytes")) == 2


def test_a_control_is_no_trial_of_the_cell() -> None:
    (result,) = by_cell([trial(measurement()), trial(measurement((0.5,) * 100), control=True)]).values()
    assert len(result.trials) == 1


def test_memory_is_above_the_baseline() -> None:
    (result,) = by_cell([trial(measurement())]).values()
    assert [METRICS[name].value(result) for name in ("compile_peak", "steady_peak")] == [2 * 2**20, 2**20]


def test_one_bad_trial_spoils_the_cell() -> None:
    failure = Failure(status=Status.TIMEOUT, phase=Phase.COMPILE, error="Timeout", message="stopped")
    (result,) = by_cell([trial(measurement()), trial(None, index=1, failure=failure)]).values()
    assert (result.status, result.reason) == (Status.TIMEOUT, "stopped")


def test_without_reference_there_is_no_speed() -> None:
    (result,) = by_cell([trial(measurement(parity=None))]).values()
    assert result.status is Status.ERROR
    assert "no float64 reference" in result.reason


def eager_and_compiled(step_s: float) -> Matrix:
    """Both in one group."""
    eager = measurement((0.01,) * 100, first_call_s=0.02, held_out_step_s=(0.01,))
    compiled = measurement((step_s,) * 100, first_call_s=1.0, held_out_step_s=(step_s,))
    return Matrix.of([trial(eager, stack="eager", eager=True, diagnostics=Diagnostics()), trial(compiled)])


def test_break_even() -> None:
    eager, compiled = (matrix := eager_and_compiled(0.005)).results
    assert break_even(matrix.ratios, compiled).steps == pytest.approx((0.995 - 0.01) / 0.005, abs=1)
    eager, slower = (matrix := eager_and_compiled(0.02)).results
    assert break_even(matrix.ratios, slower).steps is None
    assert break_even(matrix.ratios, eager) is None


def test_table_has_ratios_and_winners() -> None:
    matrix = eager_and_compiled(0.005)
    text = matrix.terminal(100)
    assert "×2.00 ±0.05" in text
    assert "geometric mean of 1 of 1 models" in text
    assert "pays back after 197 steps" in matrix.terminal(100, verbose=True)
    assert "never pays back" in eager_and_compiled(0.02).terminal(100, verbose=True)
    assert "| toy | 10 ms<br>0.01 s | ×2.00 ±0.05<br>0.99 s | compiler |" in matrix.markdown()


def test_a_cell_that_is_not_ok_shows_no_speed() -> None:
    wrong = measurement(parity=Parity(tolerance=1e-5, checks=(Check(batch=1, when="held-out", error=None),)))
    matrix = Matrix.of([trial(wrong)])
    assert matrix.lines(next(iter(matrix.results.values()))) == ["wrong"]


def test_narrow_terminals_get_several_tables() -> None:
    matrix = Matrix.of([trial(measurement(), stack=f"stack_{i}") for i in range(8)])
    text = matrix.terminal(60)
    heads = [line for line in text.splitlines() if "stack_" in line]
    assert len(heads) > 1
    assert all(f"stack_{i}" in "".join(heads) for i in range(8))
    assert max(map(len, text.splitlines())) <= 60


def test_a_warm_start_that_found_nothing_is_an_error() -> None:
    cold = trial(measurement(), diagnostics=Diagnostics(graphs=1, cache_hits=0))
    warm = trial(measurement(), diagnostics=Diagnostics(graphs=1, cache_hits=0), start=Start.WARM)
    (result,) = by_cell([cold, warm]).values()
    assert (result.status, result.reason) == (
        Status.ERROR,
        "warm start: it took nothing from the caches that the cold trial left",
    )


@pytest.mark.parametrize(
    ("unseen_s", "losses", "status"), [(4e-3, (), "error"), (4e-3, (1.0,), "ok"), (12e-3, (1.0,), "error")]
)
def test_a_batch_never_seen_takes_as_long_as_the_others(unseen_s: float, losses: tuple[float, ...], status: str) -> None:
    """In training its parameters were written anew just before: that takes longer, but not ten times as long."""
    made = measurement((1e-3,) * 100, held_out_step_s=(unseen_s, unseen_s), losses=losses)
    (result,) = by_cell([trial(made)]).values()
    assert result.status == status


@pytest.mark.parametrize(
    ("idle", "words"),
    [
        (OutOfTurn(wall_s=10, cpu_s=0.04), ""),  # asking for turns
        (OutOfTurn(wall_s=10, cpu_s=0.4), ""),  # 4 % of its own ten seconds
        (OutOfTurn(wall_s=10, cpu_s=0.7), "0.70 s of CPU time in 10.0 s in which others were timed"),
        (OutOfTurn(wall_s=10, cpu_s=0.1, before_wall_s=40, before_cpu_s=0.28), ""),  # idle workers' threads
        (
            OutOfTurn(wall_s=10, cpu_s=0, before_wall_s=40, before_cpu_s=0.9),
            "0.90 s of CPU time in 40.0 s in which others were",
        ),
    ],
)
def test_a_member_that_works_out_of_turn_is_named(idle: OutOfTurn, words: str) -> None:
    slices = (Slice(samples=10, cpu_s=0.1, wait_s=0.0),) * 100
    found = measurement((0.001,) * 1000, out_of_turn=idle, slices=slices)
    (result,) = by_cell([trial(found)]).values()
    assert (result.status is Status.ERROR) == bool(words)
    assert words in result.reason


def test_a_step_that_returns_early_is_an_error_though_it_never_settles() -> None:
    early = replace(measurement().sync_check, fetch_s=0.02, copy_s=1e-6)
    drifting = tuple(1e-3 * (1 + step / 10) for step in range(200))
    for sync_check, status in ((early, Status.ERROR), (measurement().sync_check, Status.UNSTEADY)):
        (result,) = by_cell([trial(measurement(drifting, sync_check=sync_check))]).values()
        assert result.status is status, result.reason
