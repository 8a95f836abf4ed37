"""Is a forked child as separate from others as a new process, and is there one if its server dies?"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status
from bakeoff.runner.launch import Ended, Launcher
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.preparation import Preparation
from bakeoff.system.pages import can_populate
from bakeoff.worker.fork_server import _fork, _Received
from tests.support.planting import TOY, planted, settings

Child = Callable[..., Ended[dict[str, Any]]]
FRAMEWORK, BROKEN = "tests.support.fakes.framework", "tests.support.fakes.broken_framework"
OBSERVED = """
from tests.support.fakes import framework, honest
class Observed(honest.Compiler):
    value = {value}
STACK = Observed()
"""


def source(folder: Path, name: str = "one", text: str = OBSERVED, value: int = 1) -> StackSource:
    path = folder / f"{name}.py"
    path.write_text(f'HEADER = {{"framework": "{FRAMEWORK}"}}\n' + text.format(value=value))
    return StackSource(name=name, path=path, framework=FRAMEWORK)


def planned(stack: StackSource) -> PlannedCell:
    return PlannedCell(Cell("toy", stack.name, Mode.INFERENCE), TOY, stack)


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    for folder in ("logs", "scratch"):
        (tmp_path / folder).mkdir()
    launcher = Launcher(settings=settings(timeout_s=4.0), folder=tmp_path / "logs", scratch=tmp_path / "scratch")
    yield launcher
    launcher.close()


@pytest.fixture
def child(launcher: Launcher) -> Child:
    """Run a child of a stack, after the child that imports the framework."""

    def run(stack: StackSource, forked: bool = True, **options: object) -> Ended[dict[str, Any]]:
        if not launcher._servers:
            assert launcher.import_framework(planned(stack)).failure is None
        with launcher.sandbox() as sandbox:
            where = "tests.support.fakes.observing"
            ended = launcher.run(
                where,
                dict[str, Any],
                planned(stack),
                sandbox,
                name=stack.name,
                options=options,
                fork_server=0 if forked else None,
            )
            if ended.result:
                ended.result["sandbox"] = str(sandbox.root)
            return ended

    return run


def ends(process: psutil.Process) -> bool:
    """Does a process end in the next seconds?"""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_a_forked_child_has_what_a_new_process_has(tmp_path: Path, child: Child) -> None:
    stack = source(tmp_path)
    first, second, new = (child(stack, forked).result for forked in (True, True, False))
    assert first is not None
    assert second is not None
    assert new is not None
    assert first["server"] == second["server"]
    assert new["parent"] == os.getpid()
    assert len({found["mark"] for found in (first, second, new)}) == 3
    for found in (first, second, new):
        own = str(Path(found["sandbox"], "tmp"))
        assert found["folders"] == [own, own, own]  # also the constant of a module that the server imported
        assert found["asked"].startswith(found["sandbox"])
        assert found["work"] == str(Path(found["sandbox"], "work"))
        assert found["group"]
        assert found["cpus"] == new["cpus"]
    assert (tmp_path / "logs" / "one.log").read_text() == "output of one\n"


def test_a_users_stack_is_loaded_by_each_child(tmp_path: Path, child: Child) -> None:
    """It may have changed, or start threads, which a forked process would not have."""
    found = [child(source(tmp_path, value=value)).result for value in (1, 22)]
    assert [r["value"] for r in found if r] == [1, 22]


def test_a_child_that_dies_leaves_its_server(tmp_path: Path, child: Child) -> None:
    stack = source(tmp_path)
    before, dead, after = child(stack), child(stack, does="die"), child(stack)
    assert dead.failure is not None
    assert (dead.failure.status, dead.failure.error) == (Status.CRASH, "SIGKILL")
    assert before.result is not None
    assert after.result is not None
    assert after.result["server"] == before.result["server"]


@pytest.mark.parametrize(
    ("does", "status"),
    [
        ("kill its keeper", Status.CRASH),
        ("kill its server", Status.CRASH),
        ("stop its keeper", Status.OK),
        ("hang", Status.TIMEOUT),
    ],
)
def test_no_child_outlasts_its_time(tmp_path: Path, child: Child, does: str, status: Status) -> None:
    start = time.monotonic()
    ended = child(source(tmp_path), does=does)
    assert (ended.failure.status if ended.failure else Status.OK) is status
    assert time.monotonic() - start < 20
    assert child(source(tmp_path)).result is not None  # the next one, forked or not


def test_a_server_that_has_died_is_replaced_by_new_processes(tmp_path: Path, launcher: Launcher, child: Child) -> None:
    stack = source(tmp_path)
    child(stack)
    os.kill(launcher._servers[FRAMEWORK, 0]._process.pid, signal.SIGKILL)
    after = child(stack).result
    assert after is not None
    assert after["parent"] == os.getpid()


def test_an_order_that_is_gone_leaves_the_server(tmp_path: Path, launcher: Launcher, child: Child) -> None:
    """As after a time limit: the sandbox is deleted before the server reads the order."""
    before = child(source(tmp_path)).result
    assert before is not None
    read, write = os.pipe()
    message = f"{tmp_path / 'gone'}\n{tmp_path / 'one.py'}".encode()
    socket.send_fds(launcher._servers[FRAMEWORK, 0]._orders, [message], [write, write, write])
    os.close(write)
    after = child(source(tmp_path)).result
    os.close(read)
    assert after is not None
    assert after["server"] == before["server"]


def test_no_descendant_survives(tmp_path: Path, child: Child) -> None:
    """Also one that has left the child's group and has no environment of its own."""
    assert child(source(tmp_path), does="leave a daemon").result is not None
    left = [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    assert len(left) == 1  # the server


def test_a_file_that_cannot_be_loaded_fails_as_in_a_new_process(tmp_path: Path, child: Child) -> None:
    stack = source(tmp_path, "broken", "STACK = 1 / 0\n")
    forked, new = (child(stack, forked).failure for forked in (True, False))
    assert forked is not None
    assert new is not None
    assert (forked.status, forked.phase, forked.message) == (new.status, new.phase, "ZeroDivisionError: division by zero")


def test_a_framework_that_cannot_be_imported_is_reported_in_time(tmp_path: Path, launcher: Launcher) -> None:
    """One of its descendants keeps the socket open."""
    stack = StackSource(name="broken", path=source(tmp_path).path, framework=BROKEN)
    start = time.monotonic()
    ended = launcher.import_framework(planned(stack))
    assert time.monotonic() - start < 4
    assert ended.failure is not None
    assert (ended.failure.status, ended.failure.error) == (Status.CRASH, "exit 3")
    assert not launcher._servers


def test_closing_ends_all_servers(tmp_path: Path, launcher: Launcher, child: Child) -> None:
    found = child(source(tmp_path)).result
    assert found is not None
    server = psutil.Process(found["server"])
    launcher.close()
    assert ends(server)


def test_nothing_is_forked_for_a_gpu(tmp_path: Path) -> None:
    """CUDA cannot be used in a process that was forked from one that has initialized it."""
    (tmp_path / "logs").mkdir()
    launcher = Launcher(settings=settings(device="cuda"), folder=tmp_path / "logs", scratch=tmp_path)
    (stack,) = planted(tmp_path / "s", "Eager")
    ended = launcher.import_framework(planned(stack))
    assert ended.failure is None
    assert ended.result is not None
    assert ended.result["peak_bytes"] > 2**20
    assert not launcher._servers


PAGES = 2000
TOUCH = f"""
import mmap, os, resource, sys
from bakeoff.system import pages
memory = mmap.mmap(-1, {PAGES} * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE)
def touch():
    for n in range({PAGES}):
        memory[n * mmap.PAGESIZE] = 1
touch()
found = pages.in_memory()
if os.fork() == 0:
    if sys.argv[1] == "at once":
        pages.populate(found)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    touch()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not can_populate(), reason="needs Linux 5.14")
@pytest.mark.parametrize(("how", "most", "least"), [("at once", 20, 0), ("later", 2 * PAGES, PAGES)])
def test_a_forked_process_can_copy_its_parents_pages_at_once(how: str, most: int, least: int) -> None:
    """Otherwise its first call pays for a page fault per page that it writes to."""
    found = subprocess.run([sys.executable, "-c", TOUCH, how], capture_output=True, text=True, check=True)
    assert least <= int(found.stdout) <= most


def test_without_the_list_of_pages_no_timed_child_is_forked() -> None:
    """The first call of one would take too long. The parent then starts a new process."""
    before, pages = psutil.Process().children(), os.memfd_create("pages")
    timed = _Received(path="", stack_path="", log=-1, phases=-1, status=-1, turns=-1)
    assert _fork(timed, None, pages=(pages,)) is None
    assert psutil.Process().children() == before
    os.close(pages)


def test_only_stacks_of_bakeoffs_own_are_timed_in_forked_children(tmp_path: Path) -> None:
    """A user's file may set variables that its framework reads when it is imported."""
    (theirs,) = planted(tmp_path, "Eager")
    ours = discovery.stacks()
    preparation = Preparation.__new__(Preparation)  # only the plan's settings are read
    for device, target in (("cpu", ""), ("cuda", ""), ("cpu", "interpreter")):
        preparation.plan = Plan(settings=settings(device=device, target=target), models=[], stacks=[], modes=[], all_stacks=[])
        on_cpu = (device, target) == ("cpu", "") and can_populate()
        assert preparation.forks(ours["torch_eager"]) == on_cpu
        assert not preparation.forks(theirs)
        assert not preparation.forks(ours["torch_ddp_2"])  # it needs more CPUs than its server has
