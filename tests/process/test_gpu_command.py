"""Does `make gpu` keep its time limit, continue after failures, and report them? Without a GPU."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bakeoff.archive import saved_runs
from benchmarks import gpu
from benchmarks.gpu import main, page
from benchmarks.lanes import Lanes, Outcome, Unit
from tests.support.builders import cell
from tests.support.commands import pytest_here
from tests.support.gpu_runs import keep_as

CPUS = sorted(os.sched_getaffinity(0))


@pytest.mark.parametrize("number", [0, 10, 18, 26, 29])
def test_a_unit_collects_what_its_title_says(tmp_path: Path, number: int) -> None:
    groups, checks = gpu.units(tmp_path)
    unit = [*(unit for group in groups.values() for unit in group), *checks][number]
    words = [word.replace("{cpus}", "1").replace("{lane}", "0") for word in unit.words]
    assert words.pop(0) == "pytest"
    done = pytest_here(*words, "--collect-only", "-q")
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    stacks = 3 - (unit.title.rpartition(": ")[2] in gpu.WITHOUT_OWN_KERNELS) + unit.title.startswith("matrix")
    assert len(tests) == {26: 1, 29: 1}.get(number, stacks), done.stdout
    assert all(unit.title.rpartition(": ")[2] in line for line in tests)


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
        main(["--write", str(page), "--benchmark-storage", str(tmp_path / "saved"), "--lanes", "1", "--minutes", "0.4"])
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
    assert "is not a complete saved run" in text
    assert "| softmax | torch_inductor | 500 µs | ×2.00 ±0.05 | – | 0.2 |" in text
    assert text.endswith("## Matrix, float32\n\nNothing was measured.\n")
    kept = saved_runs.read(gpu.keep(run, tmp_path / "storage", "kernels_bfloat16"))
    assert kept.trials == run.trials
    assert saved_runs.find("gpu_kernels_bfloat16", tmp_path / "storage").name.startswith("0001_")
