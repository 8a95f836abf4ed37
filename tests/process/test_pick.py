"""Does `bakeoff pick --measure` measure and save? With fake stacks."""

import subprocess
import sys
from pathlib import Path

from bakeoff.archive import saved_runs
from bakeoff.authoring.discovery import ROOT
from tests.support.planting import FAKES, plant


def test_measure_measures_now(tmp_path: Path) -> None:
    for fault in ("Eager", "Compiler"):
        plant(tmp_path / "stacks", fault)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "toy.py").write_text((FAKES / "toy.py").read_text())
    rooms = {"--models-from": "models", "--compilers-from": "stacks", "--bakeoff-storage": "runs"}
    rooms["--benchmark-storage"] = "saved"
    places = [f"{flag}={tmp_path / room}" for flag, room in rooms.items()]
    words = ["pick", "toy", "--steps", "100", "--stacks", "eager,compiler", "--measure", "--threads", "1"]
    ran = subprocess.run(
        [sys.executable, "-m", "bakeoff", *words, *places],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert ran.returncode in (0, 3), ran.stderr
    assert "measured now" in ran.stdout
    assert "winner" in ran.stdout or "undecided" in ran.stdout  # by their noise
    assert len(saved_runs.runs(tmp_path / "saved")) == 1
