"""Fixtures of the tests with fake stacks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring.discovery import StackSource
from bakeoff.records.cell import Mode
from bakeoff.runner.plan import Plan
from bakeoff.runner.store import Store
from benchmarks.lanes import Unit
from tests.support.pairs import BUDGETS
from tests.support.planting import FAKES, TOY, plant, planted, settings
from tests.support.sessions import session_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for fault in ("Eager", "Knob"):
        plant(tmp_path / "stacks", fault)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "toy.py").write_text((FAKES / "toy.py").read_text())
    (tmp_path / "budgets.toml").write_text(BUDGETS)
    return tmp_path


@pytest.fixture(scope="session")
def measure_fakes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, CellResult]]:
    """Measure fake stacks in one session: stack name → result."""

    def measure(
        *stacks: StackSource,
        trials: int = 1,
        mode: Mode = Mode.INFERENCE,
        room: str = "",
        **changes: object,
    ) -> dict[str, CellResult]:
        folder = tmp_path_factory.mktemp("fakes")
        plan = Plan(
            settings=settings(**changes),
            models=[TOY],
            stacks=stacks,
            modes=[mode],
            trials=trials,
            all_stacks=planted(folder, "Eager", room=room),
        )
        session = session_of(plan, Store(folder / "store"))
        session.run()
        return {cell.stack: result for cell, result in by_cell(session.trials).items()}

    return measure


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A unit that records when and on which CPUs it ran: NAME SECONDS EXIT CPUS [deaf]. Interrupted, it exits with 2."""
    text = """
import json, os, pathlib, signal, sys, time
name, seconds, code, cpus, *deaf = sys.argv[1:]
if deaf:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
began = time.monotonic()
print("FAILED", name, "- because")
try:
    pathlib.Path(os.environ["REPORTED"], name + ".begun").touch()
    time.sleep(float(seconds))
except KeyboardInterrupt:
    code = 2
reported = {"began": began, "ended": time.monotonic(), "cpus": sorted(os.sched_getaffinity(0)), "given": cpus}
pathlib.Path(os.environ["REPORTED"], name).write_text(json.dumps(reported))
sys.exit(int(code))
"""
    (tmp_path / "unit.py").write_text(text)
    (tmp_path / "reported").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("REPORTED", str(tmp_path / "reported"))
    return "unit"


@pytest.fixture
def unit(module: str) -> Callable[..., Unit]:
    def made(name: str, seconds: float = 0, code: int = 0, *more: str) -> Unit:
        return Unit(name, (module, name, str(seconds), str(code), "{cpus}", *more))

    return made
