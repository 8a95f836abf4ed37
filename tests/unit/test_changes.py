"""Does a comparison report all changes and no others? On summaries with known true values."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bakeoff.analysis import summary
from bakeoff.analysis.metrics import METRICS
from bakeoff.compare import comparable
from bakeoff.compare.changes import compare
from bakeoff.compare.verdicts import Verdict
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.diagnostics import Compiled, Diagnostics
from bakeoff.records.trial import Start, Status
from tests.support.builders import ENVIRONMENT, SETTINGS, measurement, trial
from tests.support.effort import cases
from tests.support.summaries import found, noise, only, rules, verdicts


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, Verdict.SAME), (1.15, Verdict.WORSE), (0.85, Verdict.BETTER), (1.05, Verdict.UNDECIDED)]
)
def test_a_known_factor_has_its_verdict(factor: float, verdict: Verdict) -> None:
    before, after = found(step=noise(1)), found(step=[factor * v for v in noise(2)])
    change = only(compare([before], [after], rules()))
    assert change.verdict is verdict
    assert change.ratio == pytest.approx(factor, rel=0.02)
    assert change.low is not None
    assert change.high is not None
    assert change.low < factor < change.high


def test_one_trial_each_is_undecided_and_the_needed_number_is_reported() -> None:
    change = only(compare([found(step=[0.001])], [found(step=[0.1])], rules()))
    assert change.verdict is Verdict.UNDECIDED
    assert change.ratio == pytest.approx(100)
    assert change.more == 5  # one of C(10, 5) = 252 orders puts all of one run above the other: 1/252 < 0.005


def test_a_larger_matrix_needs_more_evidence() -> None:
    before, after = found(step=noise(1, 6)), found(step=[1.2 * v for v in noise(2, 6)])
    assert only(compare([before], [after], rules())).verdict is Verdict.WORSE
    change = only(compare([before], [after], rules(tests=500)))
    assert change.verdict is Verdict.UNDECIDED
    assert "not certain enough among 500" in change.note


def test_pairs_cancel_common_disturbances() -> None:
    drift = np.exp(np.random.default_rng(3).normal(0, 0.3, 20))
    before, after = found(step=list(0.002 * drift)), found(step=list(0.0022 * drift * np.array(noise(4, 20, 0.005, 1.0))))
    assert only(compare([before], [after], rules())).verdict is Verdict.UNDECIDED
    change = only(compare([before], [after], rules(pairs=True)))
    assert change.verdict is Verdict.WORSE
    assert change.ratio == pytest.approx(1.1, rel=0.01)


def test_interim_analyses_share_the_error_rate_and_impossible_ones_get_none() -> None:
    assert rules(pairs=True, tests=42, interim_analyses=(7, 12, 20)).change_risk == pytest.approx(0.005 / 42)
    assert rules(pairs=True, tests=1, interim_analyses=(7, 12, 20)).change_risk == pytest.approx(0.0025)
    assert rules(tests=42).change_risk == pytest.approx(0.005 / 42)


def test_what_one_session_cannot_know_widens_the_interval() -> None:
    before, after = found(step=noise(1)), found(step=[1.12 * v for v in noise(2)])
    assert only(compare([before], [after], rules())).verdict is Verdict.WORSE
    wide = only(compare([before], [after], rules(session_sd={"step": 0.05})))
    assert wide.verdict is Verdict.UNDECIDED
    assert wide.more is None  # more trials cannot average it out


def test_nothing_inside_the_runs_own_noise_is_a_change() -> None:
    """Halves of a run that differ by 20 % say that this machine makes such differences by itself."""
    before = [found(f"m{n}", [0.002, 0.0024] * 6) for n in range(5)]
    after = [found(f"m{n}", [0.0022, 0.0026] * 6) for n in range(5)]
    comparison = compare(before, after, rules(budget=0.0, family_wise_error_rate=0.2))
    assert comparison.floors["step"] == pytest.approx(0.2, rel=0.1)
    assert set(verdicts(comparison).values()) == {Verdict.UNDECIDED}


def test_fast_and_typical_steps_that_disagree_are_undecided() -> None:
    before = found(values={"step": noise(1), "step_typical": noise(2)})
    after = found(values={"step": [1.3 * v for v in noise(3)], "step_typical": [0.7 * v for v in noise(4)]})
    change = only(compare([before], [after], rules()))
    assert change.verdict is Verdict.UNDECIDED
    assert "disagree" in change.note


def test_cells_are_added_removed_broken_and_fixed() -> None:
    ok = found(step=noise(1))
    broken = found(status=Status.WRONG, reason="off by 3")
    before = [ok, replace(ok, cell=Cell("left", "compiler", Mode.INFERENCE)), found("fixed", status=Status.CRASH, reason="x")]
    before.append(found("slipped", noise(5)))
    after = [broken, replace(ok, cell=Cell("came", "compiler", Mode.INFERENCE)), found("fixed", noise(2))]
    after.append(found("slipped", status=Status.UNSTEADY, reason="drifts"))
    reported = verdicts(compare(before, after, rules()))
    assert reported == {
        ("toy", "cell"): Verdict.BROKEN,
        ("left", "cell"): Verdict.GONE,
        ("fixed", "cell"): Verdict.FIXED,
        ("slipped", "cell"): Verdict.UNDECIDED,
        ("came", "cell"): Verdict.NEW,
    }


def test_a_cell_that_fails_in_the_same_way_is_no_change() -> None:
    gap = found(status=Status.UNSUPPORTED, reason="tf.cond")
    assert compare([gap], [gap], rules()).changes == ()
    crash = compare([gap], [replace(gap, status=Status.CRASH)], rules())
    assert verdicts(crash) == {("toy", "cell"): Verdict.BROKEN}


def test_counts_are_exact_and_errors_have_room() -> None:
    before = found(counts={"breaks": 0, "kernels": 12, "graphs": 1}, levels={"parity": 1e-7})
    after = found(counts={"breaks": 1, "kernels": 11, "graphs": 1}, levels={"parity": 1.4e-7})
    reported = verdicts(compare([before], [after], rules(budget=0.5)))
    assert reported["toy", "breaks"] is Verdict.WORSE
    assert reported["toy", "kernels"] is Verdict.BETTER
    assert reported["toy", "graphs"] is Verdict.SAME
    assert reported["toy", "parity"] is Verdict.SAME
    exact = replace(before, levels={"parity": 0.0})  # an error below rounding counts as none
    assert verdicts(compare([exact], [after], rules(budget=0.5)))["toy", "parity"] is Verdict.SAME
    assert (
        verdicts(compare([exact], [replace(after, levels={"parity": 1e-6})], rules(budget=0.5)))["toy", "parity"]
        is Verdict.WORSE
    )
    after = replace(after, levels={"parity": 1e-5})
    assert verdicts(compare([before], [after], rules(budget=0.5)))["toy", "parity"] is Verdict.WORSE


def test_a_whole_matrix_of_the_same_code_raises_no_alarm() -> None:
    """500 matrices of 42 cells, heavy-tailed noise of 3 %: at most as many alarms as allowed, and the bound is no vacuum."""
    rng, alarms, matrices = np.random.default_rng(7), 0, cases(500)
    for _ in range(matrices):
        runs = [[found(f"m{c}", list(0.002 * np.exp(0.03 * rng.standard_t(3, 10)))) for c in range(42)] for _ in range(2)]
        alarms += any(
            v is Verdict.WORSE for v in verdicts(compare(*runs, rules(budget=0.0, family_wise_error_rate=0.05))).values()
        )
    assert alarms / matrices <= 0.08


def test_a_common_shift_of_all_cells_is_reported() -> None:
    before = [found(f"m{n}", noise(n)) for n in range(8)]
    after = [found(f"m{n}", [1.2 * v for v in noise(n + 50)]) for n in range(8)]
    assert any("changed together" in note for note in compare(before, after, rules()).notes)
    assert not compare(before, before, rules()).notes


def test_figures_are_those_of_the_summary() -> None:
    steps = [0.001 * (1 + n / 10000) for n in range(100)]
    compiled = Diagnostics(graphs=1, recompiles=0, compiled=Compiled(kernels=3, library_calls=2))
    cold = trial(measurement(steps, first_call_cpu_s=2.0), diagnostics=compiled)
    warm = trial(measurement(steps, first_call_cpu_s=0.7), start=Start.WARM, diagnostics=Diagnostics(graphs=1, cache_hits=1))
    (made,) = summary.of_trials([cold, warm])
    assert made.values["step"] == pytest.approx([0.001000990] * 2)
    assert made.values["step_typical"] == pytest.approx([0.00100495] * 2)
    assert made.values["compile_cold"] == [2.0]
    assert made.values["compile_warm"] == [0.7]
    assert made.values["steady_peak"] == [METRICS["steady_peak"].floor] * 2
    assert made.counts == {"breaks": 0, "graphs": 1, "recompiles": 0, "kernels": 3, "library_calls": 2}
    (eager,) = summary.of_trials([replace(cold, eager=True)])
    assert not {"compile_cold", "compile_warm"} & set(eager.values)


def test_what_makes_runs_incomparable_is_named_once() -> None:
    before = [found("a", noise(1)), found("b", noise(2))]
    other = replace(ENVIRONMENT, cpu="another processor", versions={"torch": "2.14"})
    after = [replace(f, environment=other, settings=replace(SETTINGS, batch_size=64)) for f in before]
    reported = comparable.differences(before, after)
    assert [str(d) for d in reported if d.forbids] == [
        "another batch size: the model's own in the baseline, 64 in the candidate",
        "another machine, by its processor: a processor in the baseline, another processor in the candidate",
    ]
    assert [str(d) for d in reported if not d.forbids] == [
        "another version of torch: none in the baseline, 2.14 in the candidate"
    ]
    assert not comparable.differences(before, before)


def test_infinite_bounds_are_not_shown() -> None:
    change = only(compare([found(step=[0.001])], [found(step=[0.001])], rules()))
    assert change.high == math.inf
