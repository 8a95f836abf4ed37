"""Does `pytest experiments` do what the documentation says? With fake stacks, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bakeoff.authoring.discovery import ROOT
from tests.support.commands import NO_FRAMEWORK, NO_TORCH, command, experiments, how, pytest_here, saved
from tests.support.planting import FAKES, plant

STACKS = ("Eager", "Compiler", "CachesOnDisk", "WrongOutput", "RaisesInCompile")


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    for fault in STACKS:
        plant(tmp_path / "stacks", fault, **({"disk_cache": True} if fault == "CachesOnDisk" else {}))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "toy.py").write_text((FAKES / "toy.py").read_text())
    return tmp_path


def test_a_run_is_measured_saved_compared_and_shown(stacks: Path) -> None:
    names = "eager,compiler,cachesondisk"
    first = experiments(stacks, "--benchmark-autosave", "--trials=2", names=names)
    assert first.returncode == 0, first.stdout
    assert "toy-cachesondisk-inference warm #2: compile" in first.stdout
    assert "outside children" in first.stdout
    run = json.loads(saved(stacks)[0].read_text())
    for group in "01":  # questions that are open may have asked for more
        of_group = [t["cell"]["stack"] + " control" * t["control"] for t in run["trials"] if t["group"] == group]
        assert of_group == ["eager", "compiler", "cachesondisk", "eager control"]
    assert "A/A control, toy-eager-inference against a copy of itself: ×" in first.stdout
    assert run["command"].startswith("pytest ")
    assert "machine_peak" not in run["tasks"]  # nobody counted these models' flops

    # what pytest-benchmark recorded is what the child measured, to the last bit
    by_name = {b["name"]: b for b in run["benchmarks"]}
    children = [t["measurement"]["step_s"] for t in run["trials"] if t["cell"]["stack"] == "compiler"]
    recorded = by_name["test_step_time[toy-compiler-inference]"]["stats"]["data"]
    assert recorded[-50:] == children[-1][-50:]
    if len(children) == 1:
        assert recorded == children[0][-len(recorded) :]
    assert "test_compile_time[toy-cachesondisk-inference-warm]" in by_name
    assert by_name["test_step_time[toy-compiler-inference]"]["params"] == {
        "model": "toy",
        "stack": "compiler",
        "mode": "inference",
    }

    again = experiments(
        stacks,
        "--benchmark-autosave",
        "--benchmark-compare",
        "--benchmark-compare-fail=min:1.0",  # seconds: of a first call of 34 µs no percentage holds on a busy machine
        f"--benchmark-json={stacks / 'out.json'}",
        f"--benchmark-histogram={stacks / 'plot'}",
        names=names,
    )
    assert again.returncode == 0, again.stdout
    assert "(NOW)" in again.stdout
    assert json.loads((stacks / "out.json").read_text())["trials"]
    assert list(stacks.glob("plot*.svg"))
    for benchmark in run["benchmarks"]:  # a baseline that nobody can reach
        benchmark["stats"] |= {"min": benchmark["stats"]["min"] / 100}
    saved(stacks)[0].write_text(json.dumps(run))
    failing = experiments(stacks, "--benchmark-compare=0001", "--benchmark-compare-fail=min:50%", names=names)
    assert failing.returncode != 0
    assert "Performance has regressed" in failing.stdout + failing.stderr

    compare = [
        str(Path(sys.executable).with_name("pytest-benchmark")),
        f"--storage=file://{stacks / 'saved'}",
        "compare",
    ]
    table = subprocess.run(compare, **how())
    assert table.returncode == 0, table.stderr
    assert "test_step_time[toy-compiler-inference] (0002" in table.stdout

    shown = subprocess.run([sys.executable, "-m", "bakeoff", "show", "--benchmark-storage", str(stacks / "saved")], **how())
    assert "×" in shown.stdout
    assert "cachesondisk" in shown.stdout


def test_error_is_no_measurement_and_failed_is_a_false_claim(stacks: Path) -> None:
    run = experiments(stacks, "--benchmark-autosave", names="eager,wrongoutput,raisesincompile")
    assert run.returncode == 1
    assert "FAILED experiments/test_parity.py::test_parity[toy-wrongoutput-inference]" in run.stdout
    assert "ERROR experiments/test_step_time.py::test_step_time[toy-wrongoutput-inference]" in run.stdout
    assert "ERROR experiments/test_parity.py::test_parity[toy-raisesincompile-inference]" in run.stdout
    assert "planted in compile" in run.stdout
    trials = json.loads(saved(stacks)[0].read_text())["trials"]
    statuses = {t["cell"]["stack"]: t["failure"] and t["failure"]["status"] for t in trials}
    assert statuses == {"eager": None, "wrongoutput": None, "raisesincompile": "error"}
    assert [t["index"] for t in trials if t["failure"]] == [0], "a cell that has failed is in no further group"


def test_an_unsteady_cell_is_an_error_unless_allowed(stacks: Path) -> None:
    plant(stacks / "stacks", "Leaks")
    asked = ["-k", "step_time", *NO_FRAMEWORK]
    assert experiments(stacks, *asked, names="leaks").returncode == 1
    allowed = experiments(stacks, *asked, "--allow-unsteady", "-rs", names="leaks")
    assert allowed.returncode == 0, allowed.stdout
    assert "unsteady: memory grew" in allowed.stdout


def test_one_experiment_measures_only_what_it_needs(stacks: Path) -> None:
    run = experiments(stacks, "-k", "step_time and cachesondisk", names="eager,cachesondisk")
    assert run.returncode == 0, run.stdout
    assert "toy-cachesondisk-inference: compile" in run.stdout
    assert "toy-eager-inference: compile" not in run.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--stacks=tf_xlaa"], "there is no stack tf_xlaa; there are: "),
        (["--models=toy,mpl"], "there is no model mpl; there are: article_net, "),
        (["--models="], "no model named"),
        (["--modes=serving"], "there is no mode serving; there are: inference, loss, gradient, training"),
        (["--size=huge"], "there is no size huge; there are: small, full"),
        (["--device=tpu"], "there is no device tpu; there are: cpu, cuda"),
        (["--trials=0"], "--trials 0: must be at least 1"),
        (["--threads=4096"], "--threads 4096: only"),
        (["--timeout-s=0"], "--timeout-s 0: must be above 0"),
        (["--timeout-s=nan"], "--timeout-s nan: must be above 0"),
        (["--benchmark-json=/dev/null/x.json"], "--benchmark-json: cannot write to /dev/null"),
        (["--interpreter=torch=/proc/version"], "/proc/version cannot be executed"),
        (["--interpreter=jaxx=/bin/python"], "write FRAMEWORK=PATH with one of: "),
        (["--interpreter=torch=/no/such/python"], "there is no file /no/such/python"),
        (["--models-from=/no/such/folder"], "there is no folder /no/such/folder"),
        (["--resume"], "there is no unfinished run"),
        (["--benchmark-autosave", "--benchmark-storage=file:///dev/null/x"], "cannot write to /dev/null/x"),
        (["--bakeoff-storage=/dev/null/x"], "cannot write to /dev/null/x"),
        (["--keep-artifacts=/dev/null/x"], "cannot write to /dev/null/x"),
        (["--keep-artifacts=docs"], "holds files that Bakeoff did not write"),
        (["--shapes=8,x"], "--shapes 8,x: write whole numbers"),
        (["--shapes=0"], "a size is at least 1"),
        (["--shape-models=mpl"], "there is no model mpl; there are: "),
    ],
)
def test_bad_input_is_reported_in_one_line(stacks: Path, arguments: list[str], says: str) -> None:
    run = pytest_here(*command(stacks, *arguments)[3:])
    assert run.returncode == 4
    errors = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1
    assert says in errors[0]
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("room", "text", "says"),
    [
        ("models", "def broken(:\n", "toy2.py, line 1"),
        ("models", "X = 1\n", "toy2.py defines no MODEL"),
    ],
)
def test_a_broken_model_file_is_reported_in_one_line_if_it_is_selected(stacks: Path, room: str, text: str, says: str) -> None:
    (stacks / room / "toy2.py").write_text(text)
    run = pytest_here(*command(stacks, "--collect-only", models="toy,toy2")[3:])
    assert run.returncode == 4
    assert says in run.stdout + run.stderr
    assert pytest_here(*command(stacks, "--collect-only")[3:]).returncode == 0


def test_a_model_without_an_implementation_is_unsupported(stacks: Path) -> None:
    run = experiments(stacks, "-k", "parity", NO_TORCH, names="tf_eager")
    assert "Toy has no TensorFlow implementation" in run.stdout or "tensorflow is not installed" in run.stdout


def test_interrupt_prints_the_matrix_so_far(stacks: Path) -> None:
    plant(stacks / "stacks", "CachesAndHangsIfTold", disk_cache=True)
    names = "eager,compiler,cachesandhangsiftold"
    reported = {**os.environ, "HANG": "1"}
    begun = command(stacks, "--trials=2", names=names)
    child = subprocess.Popen(begun, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=reported)
    deadline = time.monotonic() + 60
    while not list(stacks.glob("runs/runs/*/logs/toy-cachesandhangsiftold-inference-1-warm.log")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    os.kill(child.pid, signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 2
    assert "4 trials are kept: continue with --resume" in out  # of the first group, with its control
    assert "×1.0" in out  # the matrix
    resumed = experiments(stacks, "--resume", "--trials=2", names=names)
    assert resumed.returncode == 0, resumed.stdout
    assert "toy-cachesandhangsiftold-inference warm #2: compile" in resumed.stdout
    assert "test_step_time[toy-compiler-inference]" in resumed.stdout
