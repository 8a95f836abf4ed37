"""Runs the commands of a user, as separate processes."""

import contextlib
import io
import subprocess
import sys
import warnings
from pathlib import Path
from shutil import which

import pytest

from bakeoff.authoring.discovery import ROOT

# fakes need none, but where no eager one is selected a reference is looked for in the real ones first
NO_TORCH, NO_TENSORFLOW = (f"--interpreter={name}={which('false')}" for name in ("torch", "tensorflow"))

NO_FRAMEWORK = (NO_TORCH, NO_TENSORFLOW)

SHORT = "--timed-s=0.3"  # what a test asks about shows in the first steps


def experiments(
    folder: Path, *arguments: str, models: str = "toy", names: str = "eager,compiler", where: str = "experiments"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *arguments, models=models, names=names, where=where), **how())


def command(
    folder: Path, *arguments: str, models: str = "toy", names: str = "eager,compiler", where: str = "experiments"
) -> list[str]:
    extra = [
        f"--models-from={folder / 'models'}",
        f"--compilers-from={folder / 'stacks'}",
        f"--bakeoff-storage={folder / 'runs'}",
        SHORT,
        "--trials=1",  # unless the test asks for more
    ]
    chosen = [f"--models={models}", f"--stacks={names}", f"--benchmark-storage=file://{folder / 'saved'}"]
    return [sys.executable, "-m", "pytest", where, *extra, *chosen, *arguments]


def pytest_here(*words: str) -> subprocess.CompletedProcess[str]:
    """The output of `python -m pytest WORDS` run in this process, which is faster; for sessions that start no child."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of this session; the inner one has its own filters
        code = pytest.main(list(words))
    return subprocess.CompletedProcess(words, int(code), out.getvalue(), err.getvalue())


def how() -> dict[str, object]:
    return {"capture_output": True, "text": True, "cwd": ROOT, "timeout": 120, "check": False}


def saved(folder: Path) -> list[Path]:
    return sorted((folder / "saved").rglob("*.json"))
