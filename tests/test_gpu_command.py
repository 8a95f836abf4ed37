"""`make gpu` without a GPU: does it keep its time, go on after what fails, and say so?"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu
from benchmarks.gpu import main, page
from benchmarks.lanes import Lanes, Outcome, Unit, cpu_sets
from harness import archive, discover
from harness.discover import ROOT
from harness.errors import UsageError
from harness.summary import by_cell
from harness.trial import Status, Trial
from tests.builders import cell, measurement, save
from tests.test_gpu import MODELS

CPUS = sorted(os.sched_getaffinity(0))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Says when it ran and where, and ends with the exit code given; interrupted with 2: NAME SECONDS EXIT CPUS [deaf]."""
    text = """
import json, os, pathlib, signal, sys, time
name, seconds, code, cpus, *deaf = sys.argv[1:]
if deaf:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
began = time.monotonic()
print("FAILED", name, "- because")
try:
    time.sleep(float(seconds))
except KeyboardInterrupt:
    code = 2
told = {"began": began, "ended": time.monotonic(), "cpus": sorted(os.sched_getaffinity(0)), "given": cpus}
pathlib.Path(os.environ["TOLD"], name).write_text(json.dumps(told))
sys.exit(int(code))
"""
    (tmp_path / "unit.py").write_text(text)
    (tmp_path / "told").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    return "unit"


@pytest.fixture
def unit(module: str) -> Callable[..., Unit]:
    def made(name: str, seconds: float = 0, code: int = 0, *more: str) -> Unit:
        return Unit(name, (module, name, str(seconds), str(code), "{cpus}", *more))

    return made


def keep_as(folder: Path, unit: Unit, trials: list[Trial]) -> Path:
    """Where the unit's pytest would have saved them."""
    path = save(folder, 1, trials)
    gpu.saved_by(folder, unit).mkdir(parents=True)
    return path.parent.rename(gpu.saved_by(folder, unit) / path.parent.name) / path.name


def told(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in (tmp_path / "told").iterdir()}


def together(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["began"] < other["ended"] and other["began"] < one["ended"])


@pytest.mark.parametrize(
    ("lanes", "count", "sizes"),
    [(None, 16, [2] * 8), (None, 64, [8] * 8), (None, 2, [2]), (3, 16, [5] * 3), (99, 4, [1] * 4), (0, 4, [4])],
)
def test_lanes_have_disjoint_cpus_and_equally_many(lanes: int | None, count: int, sizes: list[int]) -> None:
    found = cpu_sets(lanes, range(100, 100 + count))
    assert [len(each) for each in found] == sizes
    assert len(set().union(*found)) == sum(sizes)


@pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")
def test_lanes_run_at_once_each_on_its_own_cpus(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}, {CPUS[1]}], tmp_path / "logs", grace_s=1.0)
    lanes.work([[unit("a", 1), unit("b", 1), unit("c")]], 30.0)
    found = told(tmp_path)
    assert together(found["a"], found["b"])
    assert {*found["a"]["cpus"], *found["b"]["cpus"]} == {CPUS[0], CPUS[1]}
    assert [len(found[name]["cpus"]) for name in "abc"] == [1, 1, 1]
    assert found["a"]["given"] == "1"
    assert sorted(os.sched_getaffinity(0)) == CPUS


def test_a_wave_begins_when_the_one_before_has_ended(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}, {CPUS[0]}], tmp_path / "logs", grace_s=1.0)
    lanes.work([[unit("short"), unit("long", 1)], [unit("later")]], 30.0)
    found = told(tmp_path)
    assert found["short"]["ended"] < found["long"]["ended"] < found["later"]["began"]


def test_what_fails_stops_nothing(tmp_path: Path, unit: Callable[..., Unit], capsys: pytest.CaptureFixture[str]) -> None:
    lanes = Lanes([{CPUS[0]}], tmp_path / "logs", grace_s=1.0)
    outcomes = lanes.work([[unit("failing", 0, 1), unit("fine")]], 30.0)
    assert [(o.unit.title, o.exit, o.ok) for o in outcomes] == [("failing", 1, False), ("fine", 0, True)]
    assert capsys.readouterr().out.startswith("failing: exit code 1, ")
    text = page(["# H100"], lanes, {})
    assert "  - `FAILED failing - because`" in text
    assert "FAILED fine" not in text


def test_when_the_time_is_up_what_runs_is_interrupted_and_the_rest_named(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}, {CPUS[0]}], tmp_path / "logs", grace_s=1.0)
    started = time.monotonic()
    outcomes = lanes.work([[unit("quick"), unit("long", 600), unit("deaf", 600, 0, "deaf"), unit("next")], [unit("last")]], 4.0)
    assert time.monotonic() - started < 6
    assert [(o.unit.title, o.exit, o.cut) for o in outcomes] == [
        ("quick", 0, False),
        ("long", 2, True),
        ("deaf", -signal.SIGKILL, True),
        ("next", None, False),
        ("last", None, False),
    ]
    assert str(outcomes[1]).startswith("long: cut off: what it had measured is saved, ")
    assert str(outcomes[2]).startswith("deaf: cut off: killed, and nothing saved, ")
    assert str(outcomes[3]) == "next: not begun"
    assert not any(o.ok for o in outcomes[1:])


def test_an_interrupt_is_an_early_end(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}], tmp_path / "logs", grace_s=5.0)
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    outcomes = lanes.work([[unit("long", 600), unit("next")]], 60.0)
    assert [(o.unit.title, o.exit, o.cut) for o in outcomes] == [("long", 2, True), ("next", None, False)]


def test_units_ask_of_every_kernel_and_model_and_lie_where_they_say() -> None:
    groups, checks = gpu.units(ROOT / "nowhere")
    everything = [*(unit for group in groups.values() for unit in group), *checks]
    assert all((ROOT / word).is_file() for unit in everything for word in unit.words if word.endswith(".py"))
    assert len({unit.title for unit in everything}) == len({unit.name for unit in everything}) == len(everything)
    operations = {path.stem.removeprefix("kernel_") for path in (ROOT / "models" / "kernels").glob("kernel_*.py")}
    models = {path.stem for path in (ROOT / "models").glob("[!_]*.py")}

    def of(title: str, units: list[Unit]) -> set[str]:
        return {unit.title.removeprefix(f"{title}: ") for unit in units if unit.title.startswith(f"{title}: ")}

    assert {title: of(title, group) for title, group in groups.items()} == {
        "kernels, bfloat16": operations,
        "matrix, bfloat16": models,
        "matrix, float32": models,
    }
    assert of("right on the device", checks) == operations - {"copy"}
    assert of("compiled without it, compiled for it", checks) == set(MODELS)


def test_our_kernels_are_asked_of_models_that_have_something_for_them() -> None:
    rows = tomllib.loads((ROOT / "experiments" / "compiled.toml").read_text())["code"]
    ours = {r["cell"].partition("-")[0].removeprefix("kernel_") for r in rows if "-torch_triton-" in r["cell"]}
    models = {m.name.removeprefix("kernel_") for m in discover.models() if m.in_matrix or m.is_kernel}
    assert models - ours == set(gpu.NOTHING_OF_OURS)


@pytest.mark.parametrize("number", [0, 10, 18, 26, 29])
def test_a_unit_collects_what_its_title_says(number: int) -> None:
    groups, checks = gpu.units(ROOT / "nowhere")
    unit = [*(unit for group in groups.values() for unit in group), *checks][number]
    words = [word.replace("{cpus}", "1").replace("{lane}", "0") for word in unit.words]
    done = subprocess.run(
        [sys.executable, "-m", *words, "--collect-only", "-q"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    stacks = 3 - (unit.title.rpartition(": ")[2] in gpu.NOTHING_OF_OURS) + unit.title.startswith("matrix")
    assert len(tests) == {26: 1, 29: 1}.get(number, stacks), done.stdout
    assert all(unit.title.rpartition(": ")[2] in line for line in tests)


def test_the_page_has_a_merged_table_a_group_and_survives_a_broken_run(tmp_path: Path) -> None:
    units = [Unit(f"kernels, bfloat16: {name}", ()) for name in ("copy", "softmax", "cut")]
    for unit, model in zip(units, ("kernel_copy", "kernel_softmax", "kernel_rotary"), strict=True):
        path = keep_as(tmp_path, unit, [cell(model, "torch_eager", 0.001), cell(model, "torch_inductor", 0.0005)])
        if unit.title.endswith("cut"):
            path.write_text("{")
    run, problems = gpu.merged(tmp_path, units)
    assert run is not None
    assert [str(trial.cell) for trial in run.trials] == [
        f"kernel_{name}-torch_{stack}-inference" for name in ("copy", "softmax") for stack in ("eager", "inductor")
    ]
    lanes = Lanes([{0}], tmp_path, outcomes=[Outcome(units[0], 0, 12.0)])
    text = page(["# H100"], lanes, {"kernels, bfloat16": (run, problems), "matrix, float32": (None, [])})
    assert text.startswith("# H100\n")
    assert "- kernels, bfloat16: copy: ok, 12 s" in text
    assert "is not a whole saved run" in text
    assert "| softmax | torch_inductor | 500 µs | 0.2 (200%)" in text  # of the copy, which another unit has measured
    assert text.endswith("## Matrix, float32\n\nNothing was measured.\n")
    kept = archive.read(gpu.keep(run, tmp_path / "storage", "kernels_bfloat16"))
    assert kept.trials == run.trials
    assert archive.find("gpu_kernels_bfloat16", tmp_path / "storage").name.startswith("0001_")


@pytest.mark.parametrize(("sleeps", "code", "exits"), [(600, 0, 0), (0, 1, 1)])
def test_only_further_trials_may_be_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: Callable[..., Unit], sleeps: int, code: int, exits: int
) -> None:
    monkeypatch.setattr(gpu, "HOME", tmp_path / "home")
    monkeypatch.setattr(gpu, "gpu", lambda: "H100")
    monkeypatch.setattr(gpu, "units", lambda folder: ({"matrix, float32": [unit("a")]}, [unit("b")]))
    monkeypatch.setattr(gpu, "verifying", lambda folder, group: [unit("a, verified", sleeps, code), unit("c, verified", 600)])
    page = tmp_path / "page.md"
    assert main(["--write", str(page), "--storage", str(tmp_path / "saved"), "--lanes", "1", "--minutes", "0.45"]) == exits
    assert "c, verified: not begun" in page.read_text() or "c, verified: cut off" in page.read_text()


@pytest.mark.parametrize(("code", "exits"), [(0, 0), (1, 1)])
def test_the_command_writes_its_page_and_passes_only_if_all_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: Callable[..., Unit], code: int, exits: int
) -> None:
    monkeypatch.setattr(gpu, "HOME", tmp_path / "home")
    monkeypatch.setattr(gpu, "gpu", lambda: "H100")
    monkeypatch.setattr(gpu, "units", lambda folder: ({"matrix, float32": [unit("a")]}, [unit("b", 0, code)]))
    written = tmp_path / "page.md"
    assert main(["--write", str(written), "--storage", str(tmp_path / "saved"), "--lanes", "1", "--minutes", "1"]) == exits
    assert "1 lane of " in written.read_text()
    assert "- a: ok" in written.read_text()


def test_what_did_not_settle_is_verified_and_all_trials_decide(tmp_path: Path) -> None:
    unit = Unit("matrix, float32: mlp", ("pytest", "--stacks", "torch_eager,torch_inductor", "--trials", "1"))
    settled = cell("mlp", "torch_eager", 0.001)
    rising = measurement([0.001] * 150 + [0.002] * 150, unseen_step_s=(0.001,))
    keep_as(tmp_path, unit, [settled, replace(cell("mlp", "torch_inductor", 0.001), measurement=rising)])
    (more,) = gpu.verifying(tmp_path, [unit])
    assert more.title == "matrix, float32: mlp, verified"
    assert more.words[len(unit.words) :][:4] == ("--trials", "2", "--stacks", "torch_inductor")
    keep_as(tmp_path, more, [replace(cell("mlp", "torch_inductor", 0.001, seed), index=seed) for seed in (0, 1)])
    run, _ = gpu.merged(tmp_path, [unit])
    assert run is not None
    assert [(trial.cell.stack, trial.index) for trial in run.trials] == [
        ("torch_eager", 0), ("torch_inductor", 0), ("torch_inductor", 1), ("torch_inductor", 2),
    ]  # fmt: skip
    assert all(result.status is Status.OK for result in by_cell(run.trials).values())


def test_a_wave_may_follow_from_the_one_before_even_where_time_is_up(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}], tmp_path / "logs", grace_s=1.0)

    def waves() -> Iterator[list[Unit]]:
        yield [unit("long", 600)]
        assert "long" in told(tmp_path), "asked before all that ran had ended"
        yield [unit("more")]

    outcomes = lanes.work(waves(), 3.0)
    assert [(o.unit.title, o.exit, o.cut) for o in outcomes] == [("long", 2, True), ("more", None, False)]


def test_without_a_gpu_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none() -> str:
        raise UsageError("PyTorch sees no GPU here")

    monkeypatch.setattr(gpu, "gpu", none)
    monkeypatch.setattr(Lanes, "work", lambda *_: pytest.fail("it began all the same"))
    assert main([]) == 2
    assert capsys.readouterr().err == "PyTorch sees no GPU here\n"
