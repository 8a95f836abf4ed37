"""`make gpu` without a GPU: does it keep its time, go on after what fails, and say so?"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.analysis.results import by_cell
from bakeoff.archive import saved_runs
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.records.trial import Status, Trial
from benchmarks import gpu
from benchmarks.gpu import main, page
from benchmarks.lanes import Lanes, Outcome, Unit
from tests.builders import cell, measurement, save
from tests.test_gpu import MODELS

CPUS = sorted(os.sched_getaffinity(0))


def keep_as(folder: Path, unit: Unit, trials: list[Trial]) -> Path:
    """Where the unit's pytest would have saved them."""
    path = save(folder, 1, trials)
    gpu.saved_by(folder, unit).mkdir(parents=True)
    return path.parent.rename(gpu.saved_by(folder, unit) / path.parent.name) / path.name


def test_units_ask_of_every_kernel_and_model_and_lie_where_they_say(tmp_path: Path) -> None:
    groups, checks = gpu.units(tmp_path)
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
    models = {m.name.removeprefix("kernel_") for m in discovery.models() if m.in_matrix or m.is_kernel}
    assert models - ours == set(gpu.NOTHING_OF_OURS)


@pytest.mark.parametrize("number", [0, 10, 18, 26, 29])
def test_a_unit_collects_what_its_title_says(tmp_path: Path, number: int) -> None:
    groups, checks = gpu.units(tmp_path)
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
    kept = saved_runs.read(gpu.keep(run, tmp_path / "storage", "kernels_bfloat16"))
    assert kept.trials == run.trials
    assert saved_runs.find("gpu_kernels_bfloat16", tmp_path / "storage").name.startswith("0001_")


@pytest.mark.parametrize(("sleeps", "code", "exits"), [(600, 0, 0), (0, 1, 1)])
def test_only_further_trials_may_be_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: Callable[..., Unit], sleeps: int, code: int, exits: int
) -> None:
    monkeypatch.setattr(gpu, "HOME", tmp_path / "home")
    monkeypatch.setattr(gpu, "gpu", lambda: "H100")
    monkeypatch.setattr(gpu, "units", lambda folder: ({"matrix, float32": [unit("a")]}, [unit("b")]))
    monkeypatch.setattr(gpu, "verifying", lambda folder, group: [unit("a, verified", sleeps, code), unit("c, verified", 600)])
    page = tmp_path / "page.md"
    assert (
        main(["--write", str(page), "--benchmark-storage", str(tmp_path / "saved"), "--lanes", "1", "--minutes", "0.6"])
        == exits
    )
    assert "c, verified: not begun" in page.read_text() or "c, verified: cut off" in page.read_text()


@pytest.mark.parametrize(("code", "exits"), [(0, 0), (1, 1)])
def test_the_command_writes_its_page_and_passes_only_if_all_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: Callable[..., Unit], code: int, exits: int
) -> None:
    monkeypatch.setattr(gpu, "HOME", tmp_path / "home")
    monkeypatch.setattr(gpu, "gpu", lambda: "H100")
    monkeypatch.setattr(gpu, "units", lambda folder: ({"matrix, float32": [unit("a")]}, [unit("b", 0, code)]))
    written = tmp_path / "page.md"
    assert (
        main(["--write", str(written), "--benchmark-storage", str(tmp_path / "saved"), "--lanes", "1", "--minutes", "1"])
        == exits
    )
    assert "1 lane of " in written.read_text()
    assert "- a: ok" in written.read_text()


def test_what_did_not_settle_is_verified_and_all_trials_decide(tmp_path: Path) -> None:
    unit = Unit("matrix, float32: mlp", ("pytest", "--stacks", "torch_eager,torch_inductor", "--trials", "1"))
    settled = cell("mlp", "torch_eager", 0.001)
    rising = measurement([0.001] * 150 + [0.002] * 150, held_out_step_s=(0.001,))
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


def test_without_a_gpu_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none() -> str:
        raise UsageError("PyTorch sees no GPU here")

    monkeypatch.setattr(gpu, "gpu", none)
    monkeypatch.setattr(Lanes, "work", lambda *_: pytest.fail("it began all the same"))
    assert main([]) == 2
    assert capsys.readouterr().err == "PyTorch sees no GPU here\n"
