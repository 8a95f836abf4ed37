"""`make gpu` without a GPU: does it keep its time, go on after what fails, and say so?"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakeoff.authoring.discovery import ROOT
from benchmarks import gpu
from benchmarks.gpu import main
from benchmarks.lanes import Unit

CPUS = sorted(os.sched_getaffinity(0))


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


@pytest.mark.parametrize(("sleeps", "code", "exits"), [(600, 0, 0), (0, 1, 1)])
def test_only_further_trials_may_be_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: Callable[..., Unit], sleeps: int, code: int, exits: int
) -> None:
    monkeypatch.setattr(gpu, "HOME", tmp_path / "home")
    monkeypatch.setattr(gpu, "gpu", lambda: "H100")
    monkeypatch.setattr(gpu, "units", lambda folder: ({"matrix, float32": [unit("a")]}, [unit("b")]))
    monkeypatch.setattr(gpu, "verifying", lambda folder, group: [unit("a, verified", sleeps, code), unit("c, verified", 600)])
    page = tmp_path / "page.md"
    assert main(["--write", str(page), "--storage", str(tmp_path / "saved"), "--lanes", "1", "--minutes", "0.6"]) == exits
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
