"""Can the gate be bypassed? Each test is a way that once worked."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakeoff.ab.arms import Arm
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive.paired import Ab
from bakeoff.archive.saved_runs import Run
from bakeoff.compare import reports
from bakeoff.compare.budgets import BudgetTable, read_budgets
from bakeoff.compare.changes import compare
from bakeoff.compare.gate import GateExit, of_change
from bakeoff.compare.rounds import summaries_of_pairs
from bakeoff.compare.verdicts import Verdict
from bakeoff.pytest_plugin.verdicts import VerdictFailed, VerdictPlugin
from bakeoff.records.trial import Status
from tests.support.builders import measurement, trial
from tests.support.summaries import call, found, matrix, noise, only, rules, save


def test_metrics_missing_in_the_candidate_are_undecided(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reported = [replace(f, counts={"kernels": 5}, levels={"parity": 1e-7}) for f in matrix(1)]
    save(runs, 1, reported)
    save(runs, 2, [replace(f, counts={}) for f in reported])
    save(runs, 3, [replace(f, levels={}) for f in reported])
    assert call(runs, "gate", "1", "2") == 3
    assert "the candidate does not" in capsys.readouterr().out
    assert call(runs, "gate", "1", "3") == 3


def test_unsteady_cells_do_not_get_the_verdict_same(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drifting = replace(found("m9"), status=Status.UNSTEADY, reason="drifts")
    save(runs, 1, [*matrix(1), drifting])
    assert call(runs, "gate", "1", "1") == 3
    wrong = replace(found("m9"), status=Status.WRONG, reason="off")
    save(runs, 2, [*matrix(1), wrong])
    assert call(runs, "gate", "2", "2") == 0
    assert "failed in the same way in both runs, and not judged: m9-compiler-inference" in capsys.readouterr().out


def test_slow_typical_steps_behind_fast_ones(runs: Path) -> None:
    """Twice as slow in most steps, and the fastest tenth as before."""
    save(runs, 1, matrix(1))
    save(
        runs, 2, [replace(f, values=f.values | {"step_typical": [2 * v for v in f.values["step_typical"]]}) for f in matrix(1)]
    )
    assert call(runs, "gate", "1", "2") == 3


def test_steps_timed_in_blocks_are_not_single_steps(runs: Path) -> None:
    save(runs, 1, matrix(1))
    save(runs, 2, [replace(f, block=3) for f in matrix(1)])
    assert call(runs, "gate", "1", "2") == 3


def test_unequal_numbers_of_samples_are_no_change() -> None:
    """Identical code; the 10th percentile of one sample is not that of five."""
    arms = [[], []]  # type: ignore[var-annotated]
    for seed in range(40):
        for side, count in zip(arms, (24, 104), strict=True):
            side.append(trial(measurement(noise(seed + count, count, 0.05), alternated=True), index=seed))
    (before,), (after,) = summaries_of_pairs(*arms)
    assert "step" in after.values
    ratios = [b / a for a, b in zip(before.values["step"], after.values["step"], strict=True)]
    assert sum(ratios) / len(ratios) == pytest.approx(1.0, abs=0.008)


def pairs(finished: bool, planned: int) -> Ab:
    arm = Arm(label="x")
    return Ab(
        baseline=arm,
        candidate=arm,
        metrics=("step",),
        interim_analyses=(12,),
        planned=planned,
        finished=finished,
        summaries=matrix(1),
    )


@pytest.mark.parametrize(("finished", "planned", "code"), [(True, 1, 0), (False, 1, 3), (True, 5, 3)])
def test_a_session_that_was_cut_short_does_not_pass(runs: Path, finished: bool, planned: int, code: int) -> None:
    save(runs, 1, matrix(1), ab=pairs(finished, planned))
    assert call(runs, "gate", "1") == code
    assert call(runs, "gate", "1", "--cells", "nothing-*") == 2


def test_cells_compiled_for_a_target_are_gated(runs: Path) -> None:
    def made(spilt: int) -> list[object]:
        return [replace(found(m), status=Status.COMPILED, values={}, counts={"kernels": 3, "spill_bytes": spilt}) for m in "ab"]

    save(runs, 1, made(0))  # type: ignore[arg-type]
    save(runs, 2, made(4096))  # type: ignore[arg-type]
    save(runs, 3, [made(0)[0], replace(found("b"), status=Status.ERROR, reason="no")])  # type: ignore[list-item]
    assert call(runs, "gate", "1", "1") == 0
    assert call(runs, "gate", "1", "2") == 1
    assert call(runs, "gate", "3", "1") == 0  # it compiles now
    assert call(runs, "gate", "1", "2", "--accept", "one block more \U0001f680") == 0
    assert call(runs, "gate", "1", "2") == 0
    assert call(runs, "gate", "1", "1") == 0


def test_a_second_accepted_change_counts(runs: Path) -> None:
    for number, breaks in ((1, 0), (2, 1), (3, 3)):
        save(runs, number, [replace(f, counts={"breaks": breaks}) for f in matrix(1)])
    assert call(runs, "gate", "1", "2", "--accept", "first") == 0
    assert call(runs, "gate", "1", "3") == 1
    assert call(runs, "gate", "1", "3", "--accept", "second") == 0
    assert call(runs, "gate", "1", "3") == 0
    assert (runs / "budgets.toml").read_text().count("[[row]]") == 1


def test_the_pairs_of_a_file_are_checked_too(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lying = replace(
        pairs(True, 1), summaries=[replace(f, values={"step": [0.0] * 12, "step_typical": [0.0] * 12}) for f in matrix(1)]
    )
    save(runs, 1, matrix(1), ab=lying)
    assert call(runs, "gate", "1") == 2
    assert "not a complete saved run" in capsys.readouterr().err


def test_history_of_a_cell_without_a_value(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(runs, 1, [replace(found("m1"), status=Status.UNSUPPORTED, reason="no")])
    assert call(runs, "history", "m1-*") == 0
    assert "m1-compiler-inference" in capsys.readouterr().out


def test_saved_runs_of_a_busy_machine_cannot_block() -> None:
    before, slower = found(step=noise(1)), found(step=noise(2, level=0.003))
    assert only(compare([before], [slower], rules())).verdict is Verdict.WORSE
    reported = only(compare([before], [replace(slower, cpu_share=0.6)], rules()))
    assert reported.verdict is Verdict.UNDECIDED
    assert "it had a CPU for 60% of the time" in reported.note
    # in a pair, other load affects both arms alike
    assert only(compare([before], [replace(slower, cpu_share=0.6)], rules(pairs=True))).verdict is Verdict.WORSE


@pytest.mark.parametrize("level", [0.0005, 0.0009, 0.001, 0.003])
def test_saved_runs_of_a_busy_machine_cannot_pass(level: float) -> None:
    """A baseline that was slow because of other work hides a change for the worse."""
    after = found(step=noise(2, level=level))
    change = only(compare([replace(found(step=noise(1)), cpu_share=0.55)], [after], rules()))
    assert (change.verdict, change.low, change.high) == (Verdict.UNDECIDED, None, None)
    assert of_change(change, BudgetTable({"step": 0.05}, [])) is GateExit.UNDECIDED


@pytest.mark.parametrize("share", [0.5, 0.93, 1.0])
def test_a_slower_median_does_not_pass(share: float) -> None:
    """Whatever the low percentile says."""
    before = found(values={"step": noise(1), "step_typical": noise(2)})
    after = found(values={"step": [share * v for v in noise(3)], "step_typical": [1.9 * v for v in noise(4)]})
    change = only(compare([before], [after], rules()))
    assert "disagree" in change.note
    assert of_change(change, BudgetTable({"step": 0.05}, [])) is GateExit.UNDECIDED


def test_a_value_of_zero_is_undecided() -> None:
    change = only(compare([found(step=[0.0, *noise(1)])], [found(step=noise(2))], rules()))
    assert change.verdict is Verdict.UNDECIDED
    assert "a value of 0 has no ratio" in change.note


def test_an_accepted_change_passes_though_an_older_row_covers_the_cell(runs: Path) -> None:
    for number, breaks in ((1, 0), (2, 3)):
        save(runs, number, [replace(f, counts={"breaks": breaks}) for f in matrix(1)])
    budgets = runs / "budgets.toml"
    old = '\n# of last year\n[[row]]\ncells = "*"\nmetric = "breaks"\nbudget = 1\nreason = "old"\n'
    budgets.write_text(budgets.read_text() + old)
    assert call(runs, "gate", "1", "2") == 1
    assert call(runs, "gate", "1", "2", "--accept", "new") == 0
    assert call(runs, "gate", "1", "2") == 0
    assert budgets.read_text().endswith(old.lstrip("\n"))


def test_pairs_of_other_metrics_than_speed_can_pass(runs: Path) -> None:
    values = {"compile_cold": noise(1)}
    one = [replace(found("m1"), values=values)]
    save(runs, 1, one, ab=replace(pairs(True, 1), metrics=("compile_cold",), summaries=one))
    assert call(runs, "gate", "1") == 0


def test_a_row_of_a_cell_that_was_not_selected_is_no_error(runs: Path) -> None:
    save(runs, 1, matrix(1))
    budgets = runs / "budgets.toml"
    row = '\n[[row]]\ncells = "resnet50-*"\nmetric = "step"\nbudget = 0.1\nreason = "another subset"\n'
    budgets.write_text(budgets.read_text() + row)
    assert call(runs, "gate", "1", "1") == 0


def pairs_of(control: tuple[list[CellSummary], list[CellSummary]]) -> Run:
    """Twenty pairs of a cell that became 50 % slower, with this control."""
    before, after = ([found("m1", [factor * v for v in noise(1, 20)])] for factor in (1.0, 1.5))
    arms = Arm(label="before"), Arm(label="after")
    ab = Ab(
        baseline=arms[0],
        candidate=arms[1],
        metrics=("step",),
        interim_analyses=(20,),
        planned=1,
        finished=True,
        summaries=before,
        control=control,
    )
    return Run(path=Path("0001_x.json"), summaries=after, ab=ab)


def test_values_with_unknown_noise_are_undecided(runs: Path) -> None:
    """Also where the control's cell failed late, and its successor had too few pairs."""
    budgets, crash = read_budgets(runs / "budgets.toml"), {"status": Status.CRASH, "reason": "signal 6"}

    def control(count: int, factor: float = 1.0, **failure: Any) -> tuple[list[CellSummary], list[CellSummary]]:
        before, after = ([found("calm", [f * v for v in noise(seed, count)], **failure)] for seed, f in ((2, 1.0), (3, factor)))
        return before, after

    lost = ([found("toy", **crash)], [found("toy", noise(3, 1))])
    given = {
        "calm": control(20),
        "wild": control(20, 1.3),
        "never settled": control(20, status=Status.UNSTEADY, values={}),
        "lost": lost,
        "replaced": (lost[0] + control(17)[0], lost[1] + control(17)[1]),
        "replaced by a wild one": (lost[0] + control(17, 1.3)[0], lost[1] + control(17, 1.3)[1]),
        "replaced late": (lost[0] + control(3)[0], lost[1] + control(3)[1]),
        "short": control(3, 1.3),
    }
    judged = {name: reports.of_pairs(pairs_of(control), budgets, gate=True) for name, control in given.items()}
    exits = {name: report.decision.exit for name, report in judged.items() if report.decision is not None}
    assert {name for name, code in exits.items() if code is GateExit.REGRESSION} == {"calm", "replaced", "short"}
    assert {name for name, code in exits.items() if code is GateExit.UNDECIDED} == set(exits) - {"calm", "replaced", "short"}
    failed = "the A/A control toy-compiler-inference failed (crash: signal 6)"
    reported = {name for name, report in judged.items() if any(failed in note for note in report.notes)}
    assert reported == {name for name in given if name.startswith(("lost", "replaced"))}
    for name, words in (
        ("lost", "the noise of this session is unknown"),
        ("wild", "is not the same"),
        ("never settled", "is not the same"),
    ):
        decided = judged[name].decision
        assert decided is not None
        assert words in decided.summary
        plugin = VerdictPlugin(SimpleNamespace(getoption=lambda option: None))  # type: ignore[arg-type]  # asked of options only
        plugin._reports["ab"] = judged[name]
        with pytest.raises(VerdictFailed, match=words):
            plugin.judge(SimpleNamespace(how="ab", cell=found("m1").cell))  # type: ignore[arg-type]  # nor of more than these
