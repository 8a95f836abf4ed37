"""Runs A/B sessions of fake stacks, as separate processes."""

import subprocess
import sys
from pathlib import Path

from bakeoff.archive import saved_runs
from tests.support.commands import NO_FRAMEWORK, SHORT, how

BUDGETS = (
    "family_wise_error_rate = 0.2\n[saved]\nstep = 0.05\nparity = 1.0\n[ab]\nstep = 0.05\ncompile_cold = 0.5\nparity = 1.0\n"
)


def where(folder: Path) -> list[str]:
    """Options that make a session write only to this folder."""
    return [
        f"--models-from={folder / 'models'}",
        f"--compilers-from={folder / 'stacks'}",
        f"--budgets={folder / 'budgets.toml'}",
        f"--bakeoff-storage={folder / 'runs'}",
        f"--benchmark-storage={folder / 'saved'}",
        *NO_FRAMEWORK,
        SHORT,
    ]


def ab(folder: Path, *arguments: str, stacks: str = "knob") -> subprocess.CompletedProcess[str]:
    words = ["ab", *arguments, *where(folder), "--models=toy", f"--stacks={stacks}"]
    return subprocess.run([sys.executable, "-m", "bakeoff", *words], **how())


def run_of(folder: Path) -> saved_runs.Run:
    (path,) = (folder / "saved" / saved_runs.PAIRS).glob("*.json")
    assert saved_runs.find(path.stem, folder / "saved") == path
    return saved_runs.read_summaries(path)
