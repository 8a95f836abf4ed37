"""What the tests of the instrument share."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Settings
from bakeoff.runner.plan import Plan
from bakeoff.runner.session import Session
from bakeoff.runner.store import Store
from benchmarks.lanes import Unit

FAKES = Path(__file__).parent / "fakes"
ROOMS = ("honest", "cheats", "crashes", "diagnosed")
TOY = Source("toy", FAKES / "toy.py")


def pytest_configure() -> None:
    """Each worker of pytest-xdist, and so the children that it starts, keeps to a CPU of its own.

    No test fails because a machine is slow for a moment: hypothesis has no deadline, and draws the same examples every time.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts us in the background may have had it ignored
    with suppress(ImportError):  # `make gpu` runs tests/test_gpu.py where it may not be installed
        from hypothesis import HealthCheck, settings

        settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("tests")
    os.environ["FAKES_OF"] = str(os.getpid())
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker:
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpus[int(worker) % len(cpus)]})
        # not for the sessions that tests start: no terminal has these columns, and pytest-benchmark would switch itself off
        for name in [name for name in os.environ if name == "COLUMNS" or name.startswith("PYTEST_XDIST")]:
            del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with most slow tests first: with a worker a file, none is left with a long one while the others have finished."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])  # stable


def room_of(fault: str) -> str:
    """The module of fakes/ that has a class of this name. Raises ValueError without one."""
    found = [room for room in ROOMS if f"\nclass {fault}(" in (FAKES / f"{room}.py").read_text()]
    if len(found) != 1:
        raise ValueError(f"{fault} is in {found} of {ROOMS}")
    return found[0]


def plant(folder: Path, fault: str, room: str = "", **keys: object) -> Path:
    """A file that makes a class of `room`, by default of whichever of ROOMS has it, a stack; `keys` are those of its HEADER."""
    room = room or room_of(fault)
    folder.mkdir(exist_ok=True)
    path = folder / f"{fault.lower()}.py"
    header = {"framework": "numpy", **({"eager": True} if fault == "Eager" else {}), **keys}
    path.write_text(f"HEADER = {header!r}\nfrom tests.fakes import {room}\nSTACK = {room}.{fault}()\n")
    return path


def planted(folder: Path, *faults: str, room: str = "", **keys: object) -> list[StackSource]:
    """Such files as sources."""
    return [
        StackSource(name=f.lower(), path=plant(folder, f, room, **keys), framework="numpy", eager=f == "Eager", **keys)
        for f in faults
    ]


def settings(**changes: object) -> Settings:
    """Short timings for fake stacks."""
    given = {"size": "small", "batch_size": None, "device": "cpu", "threads": 1, "timeout_s": 30.0, "timed_s": 0.3}
    return Settings(**(given | changes))


def left_behind() -> list[psutil.Process]:
    """What fakes of this run of tests have started and nobody has ended: fakes/crashes.py's STAYS."""
    mine = f"# {os.environ['FAKES_OF']}"
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if p.info["cmdline"] and "98765" in p.info["cmdline"][-1] and p.info["cmdline"][-1].endswith(mine)]


@pytest.fixture(scope="session")
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Make a folder a run's storage in which no test pays again what a machine pays once, whichever worker paid it."""
    base = tmp_path_factory.getbasetemp()
    machine = (base.parent if hasattr(request.config, "workerinput") else base) / "machine"
    machine.mkdir(exist_ok=True)

    def linked(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "machine").symlink_to(machine)
        return folder

    return linked


@pytest.fixture(scope="session")
def measure_fakes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, CellResult]]:
    """Measure fake stacks in one session: stack name → result."""

    def measure(
        *stacks: StackSource, trials: int = 1, mode: Mode = Mode.INFERENCE, room: str = "", **changes: object
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
        session = Session(plan, Store(folder / "store"), say=lambda line: None)
        session.run()
        return {cell.stack: result for cell, result in by_cell(session.trials).items()}

    return measure


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
    pathlib.Path(os.environ["TOLD"], name + ".begun").touch()
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
