"""Is a forked child as separate from others as a new process, and is there one if its server dies?"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bakeoff.authoring.discovery import StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status
from bakeoff.runner.launch import Ended, Launcher
from bakeoff.runner.plan import PlannedCell
from tests.support.planting import TOY, planted, settings

Child = Callable[..., Ended[dict[str, Any]]]
OBSERVING = """
import os
import signal
from tests.support.fakes import honest
HEADER = {"framework": "numpy"}
READ_WHEN_IMPORTED = os.environ["TMPDIR"]
class Observed(honest.Compiler):
    pass
STACK = Observed()
"""


def source(folder: Path, name: str, text: str = OBSERVING) -> StackSource:
    path = folder / f"{name}.py"
    path.write_text(text)
    return StackSource(name=name, path=path, framework="numpy")


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    for folder in ("logs", "scratch"):
        (tmp_path / folder).mkdir()
    launcher = Launcher(settings=settings(), folder=tmp_path / "logs", scratch=tmp_path / "scratch")
    yield launcher
    launcher.close()


@pytest.fixture
def child(launcher: Launcher) -> Child:
    """Run a child of a stack, after the child that imports the framework."""

    def run(stack: StackSource, forked: bool = True, **options: object) -> Ended[dict[str, Any]]:
        planned = PlannedCell(Cell("toy", stack.name, Mode.INFERENCE), TOY, stack)
        if not launcher._servers:
            assert launcher.import_framework(planned).failure is None
        with launcher.sandbox() as sandbox:
            where = "tests.support.fakes.observing"
            ended = launcher.run(where, dict[str, Any], planned, sandbox, name=stack.name, options=options, forked=forked)
            if ended.result:
                ended.result["sandbox"] = str(sandbox.root)
            return ended

    return run


def test_a_forked_child_has_what_a_new_process_has(tmp_path: Path, child: Child) -> None:
    stack = source(tmp_path, "one")
    first, second, new = (child(stack, forked).result for forked in (True, True, False))
    assert first is not None
    assert second is not None
    assert new is not None
    assert first["parent"] == second["parent"] != os.getpid() == new["parent"]
    assert len({found["mark"] for found in (first, second, new)}) == 3
    for found in (first, second, new):
        own = str(Path(found["sandbox"], "tmp"))
        assert found["folders"] == [own, own, own]  # also the constant of a module that the server imported
        assert found["asked"].startswith(found["sandbox"])
        assert found["work"] == str(Path(found["sandbox"], "work"))
        assert found["group"]
        assert found["cpus"] == new["cpus"]
    assert (tmp_path / "logs" / "one.log").read_text() == "output of one\n"


def test_a_stack_is_loaded_in_a_server_of_its_own(tmp_path: Path, child: Child) -> None:
    found = [child(source(tmp_path, name)).result for name in ("one", "two")]
    assert [r["imported"] for r in found if r] == [["bakeoff_extra_one"], ["bakeoff_extra_two"]]


def test_a_child_that_dies_leaves_its_server(tmp_path: Path, child: Child) -> None:
    stack = source(tmp_path, "one")
    before, dead, after = child(stack), child(stack, dies="itself"), child(stack)
    assert dead.failure is not None
    assert (dead.failure.status, dead.failure.error) == (Status.CRASH, "SIGKILL")
    assert before.result is not None
    assert after.result is not None
    assert after.result["parent"] == before.result["parent"]


def test_a_server_that_dies_is_replaced_by_new_processes(tmp_path: Path, launcher: Launcher, child: Child) -> None:
    stack = source(tmp_path, "one")
    before, dead, after = child(stack), child(stack, dies="with its server"), child(stack)
    assert dead.failure is not None
    assert dead.failure.status is Status.CRASH
    assert before.result is not None
    assert after.result is not None
    assert after.result["parent"] not in (before.result["parent"], os.getpid())  # the framework's server has forked another
    os.kill(launcher._servers["numpy"]._process.pid, signal.SIGKILL)
    assert child(stack).result["parent"] == os.getpid()


def test_a_file_that_cannot_be_loaded_fails_as_in_a_new_process(tmp_path: Path, child: Child) -> None:
    stack = source(tmp_path, "broken", "HEADER = {'framework': 'numpy'}\nSTACK = 1 / 0\n")
    forked, new = (child(stack, forked).failure for forked in (True, False))
    assert forked is not None
    assert new is not None
    assert (forked.status, forked.phase, forked.message) == (new.status, new.phase, "ZeroDivisionError: division by zero")


def test_closing_ends_all_servers(tmp_path: Path, launcher: Launcher, child: Child) -> None:
    found = child(source(tmp_path, "one")).result
    assert found is not None
    server = psutil.Process(found["parent"])
    launcher.close()
    deadline = time.monotonic() + 10
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


def test_nothing_is_forked_for_a_gpu(tmp_path: Path) -> None:
    """CUDA cannot be used in a process that was forked from one that has initialized it."""
    (tmp_path / "logs").mkdir()
    launcher = Launcher(settings=settings(device="cuda"), folder=tmp_path / "logs", scratch=tmp_path)
    (stack,) = planted(tmp_path / "s", "Eager")
    ended = launcher.import_framework(PlannedCell(Cell("baseline", "numpy", Mode.INFERENCE), stack, stack))
    assert ended.failure is None
    assert ended.result is not None
    assert ended.result["peak_bytes"] > 2**20
    assert not launcher._servers
