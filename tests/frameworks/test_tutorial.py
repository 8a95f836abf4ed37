"""Do the files and commands printed in the tutorial and the README do what these pages say?"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.archive import saved_runs
from bakeoff.authoring.discovery import ROOT
from bakeoff.records.trial import Status
from tests.support.pages import README, TUTORIAL, commands, files, table

PROGRAMS = {"pytest": "pytest", "bakeoff": "bakeoff"}

PACKAGES = ("torch", "tensorflow", "transformers", "keras")
ABSENT = [name for name in PACKAGES if not find_spec(name)]
needs_both = pytest.mark.skipif(bool(ABSENT), reason=f"needs {', '.join(ABSENT)}: pip install '.[torch,tensorflow,tutorial]'")
needs_torch = pytest.mark.skipif("torch" in ABSENT, reason="needs torch: pip install '.[torch]'")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, storage: Callable[[Path], Path]) -> Path:
    """A folder with all files that both pages print."""
    folder = tmp_path_factory.mktemp("user")
    storage(folder / "runs")
    for path, text in {**files(TUTORIAL), **files(README)}.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    return folder


def run(command: str, user: Path) -> str:
    """Do what is printed, with this interpreter; only where the folders are, and where runs are kept, is ours to say."""
    program, *arguments = shlex.split(command.replace("../my_", f"{user}/my_"))
    ours = [f"--bakeoff-storage={user / 'runs'}"]
    if program == "pytest":
        ours += [
            f"--benchmark-storage=file://{user / 'saved'}",
            "--allow-unsteady",
            "--timed-s=0.3",
            "--trials=1",
            "-kstep_time",
        ]
    done = subprocess.run(
        [sys.executable, "-m", PROGRAMS[program], *arguments, *ours],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def measured(command: str, user: Path) -> list[CellResult]:
    """The results that a command saves."""
    before = set(user.glob("saved/**/*.json"))
    run(command, user)
    (saved,) = set(user.glob("saved/**/*.json")) - before
    return list(by_cell(saved_runs.read(saved).trials).values())


def holds(result: CellResult, output: str) -> None:
    """Is a cell what the page says: `ok`, and then with a speed and right, or a status with its reason?"""
    if output == "ok":
        assert result.status in (Status.OK, Status.UNSTEADY), f"{result.cell}: {result.reason}"
        assert result.throughput > 0
        assert result.parity_error is not None
    else:
        assert f"{result.status}: {result.reason}" == output


@needs_both
@pytest.mark.parametrize("command", commands(TUTORIAL, "pytest"))
def test_the_tutorials_models_do_what_it_says(user: Path, command: str) -> None:
    output = table(TUTORIAL)
    results = measured(command, user)
    assert {r.cell.stack for r in results} == set(re.findall(r"--stacks (\S+)", command)[0].split(","))
    for result in results:
        holds(result, output[result.cell.model][result.cell.stack])


@needs_both
@pytest.mark.parametrize("command", commands(TUTORIAL, "bakeoff"))
def test_the_tutorial_explains_what_it_shows(user: Path, command: str) -> None:
    shown = [line.strip() for line in run(command, user).splitlines()]
    (excerpt,) = re.findall(rf"^    \.venv/bin/{re.escape(command)}\n\n```text\n(.*?)^```", TUTORIAL.read_text(), re.M | re.S)
    for line in excerpt.splitlines():
        words = re.split(r"\s{2,}", line.strip())[0]  # figures are another machine's
        assert any(output.startswith(words) for output in shown), (line, shown)


@needs_torch
@pytest.mark.parametrize("command", commands(README, "pytest"))
def test_the_readmes_examples_are_measured(user: Path, command: str) -> None:
    results = measured(command, user)
    assert {(r.cell.model, r.cell.stack) for r in results} >= {("two_layers", "torch_inductor_unfused")}
    for result in results:
        holds(result, "ok")
