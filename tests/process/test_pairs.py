"""Does an A/B session find planted changes, report no others, and survive an arm that dies? With fake stacks."""

import json
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bakeoff.ab import paired_session
from bakeoff.archive import saved_runs
from bakeoff.authoring.discovery import ROOT
from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Trial
from bakeoff.records.turns import ROUNDS
from tests.support.commands import NO_FRAMEWORK, experiments, how, pytest_here
from tests.support.pairs import ab, run_of, where
from tests.support.planting import plant


def test_a_planted_slow_down_is_found_by_pairs_that_took_turns(folder: Path) -> None:
    done = ab(folder, "KNOB_STEP=1", "KNOB_STEP=2", "--interim-analyses", "4", "--no-control", "--metrics", "step", "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    body = json.loads(done.stdout)
    (change,) = [c for c in body["changes"] if c["metric"] == "step"]
    assert change["verdict"] == "worse"
    assert change["ratio"] == pytest.approx(2, rel=0.35)  # where CPUs are shared, short slices fit in better than long ones
    assert body["accept"].startswith("bakeoff gate ")
    run = run_of(folder)
    assert run.ab is not None
    assert run.ab.alternated == 4
    assert run.ab.finished
    trials = saved_runs.read(run.path).trials
    assert len(trials) == 4
    assert all(isinstance(t.measurement, Measurement) and len(t.measurement.slices) == ROUNDS for t in trials)
    at_once = [t.measurement.compiled_at_once for t in trials if t.measurement is not None]
    assert at_once == [False, True, True, True]  # the first pair shows what two take
    # one step in three begins a slice and is not counted; with the partner's turns it would be three times the sum
    for measured in [t.measurement for t in trials if t.measurement is not None]:
        assert measured.contention.wall_s < 2 * sum(measured.step_s) * measured.steps_per_sample
    words = ["gate", str(run.path), f"--budgets={folder / 'budgets.toml'}"]
    again = subprocess.run([sys.executable, "-m", "bakeoff", *words], **how())  # read, not measured
    assert again.returncode == 1
    assert subprocess.run(["pytest-benchmark", "--storage", str(folder / "saved"), "list"], **how()).returncode == 0


def test_equal_arms_get_the_verdict_same_with_a_control(folder: Path) -> None:
    done = ab(folder, "KNOB_STEP=1", "KNOB_STEP=1", "--interim-analyses", "3", "--metrics", "step", stacks="eager")
    assert done.returncode in (0, 3), done.stdout + done.stderr  # a busy machine may leave it undecided, and no more
    assert "A/A control toy-eager-inference" in done.stdout
    assert "pair 1/3 toy-eager-inference with control: " in done.stderr


def test_each_cell_has_groups_of_its_own(folder: Path) -> None:
    """Cells of one model are measured one after the other, so nothing of one cell says how fast the machine was for another."""
    arms = ("KNOB_STEP=1", "KNOB_STEP=1", "--interim-analyses", "2", "--no-control", "--metrics", "step")
    ab(folder, *arms, stacks="eager,knob")
    run = run_of(folder)
    assert run.ab is not None
    trials = saved_runs.read(run.path).trials
    for arm in (trials, run.ab.trials):
        eager, knob = ({t.group for t in arm if t.cell.stack == stack} for stack in ("eager", "knob"))
        assert (len(eager), len(knob), eager & knob) == (2, 2, set())
    assert {t.group for t in trials} == {t.group for t in run.ab.trials}


def test_another_cell_replaces_a_control_cell_that_fails(folder: Path) -> None:
    plant(folder / "stacks", "RaisesInCompile")
    ab(folder, "KNOB_STEP=1", "KNOB_STEP=1", "--interim-analyses", "2", "--metrics", "step", stacks="raisesincompile,knob")
    run = run_of(folder)
    assert run.ab is not None
    for side in run.ab.control:
        failed, other = side
        assert (failed.cell.stack, failed.status, failed.trials) == ("raisesincompile", "error", 1)
        assert (other.cell.stack, other.trials) == ("knob", 1)


def test_kernel_counts_known_only_from_a_diagnosis_are_gated_in_pairs(folder: Path) -> None:
    """Exactly, and by one untimed child of each arm once nothing is timed any more."""
    plant(folder / "stacks", "CountsKernels", diagnoses=True)
    arms = ("KNOB_KERNELS=3", "KNOB_KERNELS=4", "--interim-analyses", "2", "--no-control", "--metrics", "step")
    done = ab(folder, *arms, stacks="countskernels")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "✗ toy-countskernels-inference kernels: more" in done.stdout
    reported = done.stderr.splitlines()
    diagnosed = [line for line in reported if line.startswith("diagnosed toy-countskernels-inference of KNOB_KERNELS=")]
    assert len(diagnosed) == 2
    assert max(n for n, line in enumerate(reported) if line.startswith("pair ")) < reported.index(diagnosed[0])
    run = run_of(folder)
    assert run.ab is not None
    assert [f.counts["kernels"] for f in (*run.ab.summaries, *run.summaries)] == [3, 4]
    (path,) = (folder / "saved" / saved_runs.PAIRS).glob("*.json")
    path.unlink()
    done = ab(folder, *arms, "--no-diagnosis", stacks="countskernels")
    assert "diagnosed" not in done.stderr
    assert "inference kernels: " not in done.stdout
    assert not any("kernels" in f.counts for f in run_of(folder).summaries)


def test_an_arm_that_hangs_does_not_stop_the_other(folder: Path) -> None:
    """It is stopped by its own time limit, for which the other waits."""
    done = ab(
        folder,
        "KNOB_HANGS=0",
        "KNOB_HANGS=1",
        "--interim-analyses",
        "2",
        "--no-control",
        "--metrics",
        "step",
        "--timeout-s",
        "4",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"broken \((ok|unsteady) → timeout", done.stdout), done.stdout


def test_an_arm_that_dies_is_broken_and_the_other_is_measured_alone(folder: Path) -> None:
    done = ab(folder, "KNOB_STEP=1", "KNOB_DIES=1", "--interim-analyses", "4", "--no-control")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"broken \((ok|unsteady) → crash", done.stdout), done.stdout
    run = run_of(folder)
    assert run.ab is not None
    assert [t.measurement is not None for t in run.ab.trials] == [True]  # no further pairs


def test_without_memory_for_two_one_runs_after_the_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bakeoff.__main__ import main

    monkeypatch.setattr(paired_session, "SPARE", float("inf"))  # what is free never covers a second child
    words = ["--models=toy", "--stacks=knob", "--interim-analyses=3", "--no-control", "--metrics=step"]
    assert main(["ab", "KNOB_STEP=1", "KNOB_STEP=2", *words, *where(folder)]) == 1
    assert "0 of 3 pairs took turns; the others ran one process after the other" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "alone", "ends", "pairs"),
    [
        (["--no-control"], True, 6, 2),  # the second child of the third pair
        (["--no-control"], False, 5, 2),  # the first one, while the other waits
        ([], True, 5, 1),  # the second of three of the second pair
    ],
)
def test_an_interrupt_leaves_no_incomplete_pair(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    alone: bool,
    ends: int,
    pairs: int,
) -> None:
    from bakeoff.__main__ import main
    from bakeoff.ab.arm_runner import ArmRunner

    ended, keep = [], ArmRunner.keep

    def interrupted(side: ArmRunner, trial: Trial) -> None:
        ended.append(trial)
        if len(ended) == ends:
            raise KeyboardInterrupt
        keep(side, trial)

    monkeypatch.setattr(ArmRunner, "keep", interrupted)
    if alone:
        monkeypatch.setattr(paired_session, "SPARE", float("inf"))  # what is free never covers a second child
    words = ["--models=toy", "--stacks=knob", "--interim-analyses=8", "--metrics=step", *words]
    assert main(["ab", "KNOB_STEP=1", "KNOB_STEP=2", *words, *where(folder)]) == 130
    assert "saved: " in capsys.readouterr().err
    run = run_of(folder)
    assert run.ab is not None
    assert not run.ab.finished
    assert [t.index for t in run.ab.trials] == list(range(pairs))
    assert [f.trials for f in (*run.ab.summaries, *run.summaries)] == [pairs, pairs]
    assert [f.trials for side in run.ab.control for f in side] == ([] if "--no-control" in words else [pairs, pairs])
    assert not [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]


def test_verdicts_are_items_of_pytest(folder: Path) -> None:
    """Gate against a saved run: items after all cells, in -rf, JUnit XML and the exit code, and without a traceback."""
    budgets = f"--budgets={folder / 'budgets.toml'}"
    first = experiments(folder, "--benchmark-save=base", "--trials=5", names="eager,knob")
    assert first.returncode == 0, first.stdout
    (path,) = saved_runs.runs(folder / "saved")
    body = json.loads(path.read_text())
    for summary in body["summaries"]:
        summary["values"]["step"] = [v / 1.5 for v in summary["values"]["step"]]  # it used to be faster
        summary["values"]["step_typical"] = [v / 1.5 for v in summary["values"]["step_typical"]]
    for vanished in body["summaries"][:1]:
        body["summaries"].append({**vanished, "cell": {**vanished["cell"], "stack": "retired"}})
    path.write_text(json.dumps(body))
    junit = folder / "junit.xml"
    done = experiments(folder, "--gate-against=base", budgets, f"--junit-xml={junit}", "--trials=5", names="eager,knob")
    assert done.returncode == 1
    assert "gate[toy-eager-inference]" in done.stdout  # the other is judged by its ratio to eager, which is as it was
    # the gate's own rule between sessions: nothing is called worse that did not have its CPU (test_gate_bypass)
    assert "slower" in done.stdout or "measured beside other work" in done.stdout
    assert "Traceback" not in done.stdout
    assert 'name="gate[toy-knob-inference]"' in junit.read_text()
    assert "retired" not in done.stdout  # --stacks leaves it out
    rest = {"models": "toy", "where": "experiments"}
    kept = experiments(folder, "--gate-against=nowhere", budgets, names="eager,knob", **rest)
    assert kept.returncode == 4
    assert "there is no saved run nowhere" in kept.stderr


def test_pairs_against_a_revision_inside_pytest(folder: Path) -> None:
    words = ("--ab-against=KNOB_STEP=0.5", "--interim-analyses=4", f"--budgets={folder / 'budgets.toml'}", "-k", "parity")
    done = experiments(folder, *words, *NO_FRAMEWORK, names="knob")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ab[toy-knob-inference]" in done.stdout
    assert "✗ toy-knob-inference step: slower" in done.stdout
    assert run_of(folder).ab is not None
    assert saved_runs.runs(folder / "saved") == []  # nothing that pytest-benchmark would take for a run of its own


def test_the_command_of_the_workflow_exists(tmp_path: Path) -> None:
    text = (ROOT / ".github" / "workflows" / "performance.yml").read_text()
    (line,) = [line for line in text.splitlines() if "pytest experiments" in line]
    words = line.replace('"origin/$BASE"', "HEAD").replace('"$GITHUB_STEP_SUMMARY"', str(tmp_path / "summary.md"))
    words = words.replace("verdicts.xml", str(tmp_path / "verdicts.xml")).split()
    done = pytest_here(*words[1:], "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "budgets.toml::ab[mlp-torch_eager-inference]" in done.stdout
