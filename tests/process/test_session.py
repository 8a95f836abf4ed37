"""Does a session keep the order of cells, separate their caches, and save every trial?"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bakeoff.analysis.results import CellResult
from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import OneTimeCost, Start, Status
from bakeoff.runner.cells import TrialResult
from bakeoff.runner.launch import Launcher
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.preparation import Preparation
from bakeoff.runner.store import ONE_TIME_COST, Store, write
from bakeoff.system.sandbox import Sandbox
from tests.support.planting import TOY, left_behind, planted, settings
from tests.support.sessions import session_of


def test_trials_are_interleaved_over_cells(tmp_path: Path) -> None:
    plan = Plan(
        settings=settings(timed_s=0.05),
        models=[TOY],
        stacks=planted(tmp_path / "s", "Eager", "Compiler"),
        modes=[Mode.INFERENCE],
        trials=2,
        verify=False,  # whether they settle in a noisy minute
    )
    session = session_of(plan, Store(tmp_path / "store"))
    session.run()
    assert [(t.cell.stack, t.index) for t in session.trials] == [("eager", 0), ("compiler", 0), ("eager", 1), ("compiler", 1)]
    assert session.children_s < session.wall_s
    assert not list((session.folder.path / "scratch").glob("*"))


def test_warm_start_finds_what_the_cold_one_left(measure_fakes: Callable[..., dict[str, CellResult]], tmp_path: Path) -> None:
    result = measure_fakes(*planted(tmp_path, "CachesOnDisk", disk_cache=True))["cachesondisk"]
    assert result.status in (Status.OK, Status.UNSTEADY)  # a noisy minute says nothing of caches
    assert result.compile_s > 0.25
    assert result.warm_compile_s is not None
    assert result.warm_compile_s < 0.25
    assert result.measurements[0].caches.left_files == 1
    assert result.warm[0].measurement is not None
    assert result.warm[0].measurement.caches.found_files == 1


def test_cold_start_refuses_a_used_cache(tmp_path: Path) -> None:
    (stack,) = planted(tmp_path / "s", "CachesOnDisk")
    for folder in ("logs", "scratch"):
        (tmp_path / folder).mkdir()
    launcher = Launcher(settings=settings(), folder=tmp_path / "logs", scratch=tmp_path / "scratch")
    private = Sandbox(tmp_path / "private")
    private.make()
    (private.compiler / "stale").write_text("from another trial")
    planned = PlannedCell(Cell("toy", stack.name, Mode.INFERENCE), TOY, stack)
    ended = launcher.run("bakeoff.worker.measure", TrialResult, planned, private, name="used")
    assert ended.failure is not None
    assert ended.failure.error == "CacheNotEmpty"
    assert "compiler/stale" in ended.failure.message


def test_one_time_files_are_copied_so_that_no_cell_changes_another(tmp_path: Path) -> None:
    seed, private = Sandbox(tmp_path / "seed"), Sandbox(tmp_path / "private")
    seed.make()
    (seed.tmp / "header.gch").write_text("precompiled")
    private.make(tmp_path / "seed")
    (private.tmp / "header.gch").write_text("changed by this cell")
    (private.tmp / "other.gch").write_text("of this cell")
    assert list(seed.files()) == ["tmp/header.gch"]
    assert (seed.tmp / "header.gch").read_text() == "precompiled"


def test_one_time_files_made_by_another_session_meanwhile_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells are copying from there."""
    plan = Plan(
        settings=settings(timed_s=0.05),
        models=[TOY],
        stacks=[replace(stack, one_time_cost="fake") for stack in planted(tmp_path / "s", "Eager")],
        modes=[Mode.INFERENCE],
    )
    homes: list[Path] = []

    def paid(preparation: Preparation, stack: StackSource, seed: Path) -> OneTimeCost:
        Sandbox(seed).make()
        record = OneTimeCost(stack=stack.name, wall_s=1.0, files=0, bytes=0, measured_at="")
        homes.append(tmp_path / "store" / "machine" / seed.name)
        Sandbox(homes[0]).make()
        (homes[0] / "tmp" / "theirs").touch()
        write(homes[0] / ONE_TIME_COST, record)
        return record

    monkeypatch.setattr(Preparation, "_pay", paid)
    session = session_of(plan, Store(tmp_path / "store"))
    session.run()
    assert session.trials[0].measurement is not None
    assert (homes[0] / "tmp" / "theirs").exists()


def test_a_stack_whose_one_time_cost_cannot_be_paid_gets_no_child(tmp_path: Path) -> None:
    """One child finds it out for all stacks with this cost."""
    text = """
from bakeoff.authoring.errors import Unavailable
from tests.support.fakes import honest
HEADER = {"framework": "numpy", "one_time_cost": "compiler"}
class Needs(honest.Compiler):
    def pay_one_time_cost(self):
        raise Unavailable("it needs a compiler: apt-get install g++")
STACK = Needs()
"""
    stacks = []
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(text)
        stacks.append(StackSource(name=name, path=tmp_path / f"{name}.py", framework="numpy", one_time_cost="compiler"))
    plan = Plan(settings=settings(), models=[TOY], stacks=stacks, modes=[Mode.INFERENCE])
    session = session_of(plan, Store(tmp_path / "store"), left_out=["machine_peak"])
    session.run()
    failures = [t.failure for t in session.trials]
    assert [(f.status, f.message) for f in failures if f] == [
        (Status.UNAVAILABLE, "it needs a compiler: apt-get install g++")
    ] * 2
    logs = {path.name for path in (session.folder.path / "logs").iterdir()}
    assert logs == {"numpy-import.log", "compiler-one-time-cost.log"}


def test_cells_of_a_missing_framework_are_reported(tmp_path: Path) -> None:
    stacks = planted(tmp_path / "s", "Compiler")
    missing = [type(s)(name=s.name, path=s.path, framework="no_such_framework") for s in stacks]
    plan = Plan(settings=settings(), models=[TOY], stacks=missing, modes=[Mode.INFERENCE])
    session = session_of(plan, Store(tmp_path / "store"))
    session.run()
    (trial,) = session.trials
    assert trial.failure is not None
    assert trial.failure.status is Status.UNAVAILABLE
    assert trial.failure.message == "no_such_framework is not installed: pip install '.[no_such_framework]'"


def test_another_interpreter_runs_a_frameworks_children(tmp_path: Path) -> None:
    """A script that leaves a trace and hands over to this Python."""
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\necho used >> {tmp_path}/trace\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    plan = Plan(
        settings=settings(timed_s=0.05),
        models=[TOY],
        stacks=planted(tmp_path / "s", "Eager"),
        modes=[Mode.INFERENCE],
        interpreters={"numpy": str(other)},
        verify=False,
    )
    session = session_of(plan, Store(tmp_path / "store"))
    session.run()
    assert session.trials[0].measurement is not None
    started = (tmp_path / "trace").read_text().count("used")
    assert started == 2  # the fork server, which forks the child of the reference, and the measurement


INTERRUPTED = """
import sys
from pathlib import Path
from bakeoff.records.cell import Mode
from bakeoff.runner.cells import TrialResult
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.session import Session
from tests.support.sessions import session_of
from bakeoff.runner.store import Store, write
from tests.support.planting import TOY, planted, settings
folder = Path(sys.argv[1])
stacks = planted(folder / "s", *sys.argv[3:])
plan = Plan(settings=settings(), models=[TOY], stacks=stacks, modes=[Mode.INFERENCE], verify=False)
session = session_of(plan, Store(folder / "store"), resume=sys.argv[2] == "resume", say=lambda line: print(line, flush=True))
session.run()
"""


def test_interrupt_keeps_finished_trials_and_resume_continues(tmp_path: Path) -> None:
    stacks = ("Eager", "Compiler", "HangsIfTold", "NoOp")
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    reported = {**os.environ, "HANG": "1"}
    child = subprocess.Popen(
        [*command, "begin", *stacks], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=reported
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(2)]
    assert "[2/4] toy-compiler" in lines[1]
    time.sleep(1)  # the third is hanging now
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode != 0
    saved = sorted(p.name for p in (tmp_path / "store").glob("runs/*/timing/*"))
    assert saved == ["toy-compiler-inference-0-cold.json", "toy-eager-inference-0-cold.json"]

    again = subprocess.run([*command, "resume", *stacks], capture_output=True, text=True, timeout=60, check=True)
    assert "[1/2] toy-hangsiftold" in again.stdout
    assert len(list((tmp_path / "store").glob("runs/*/timing/*"))) == 4


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGKILL,)])
def test_nothing_is_left_behind(tmp_path: Path, signals: tuple[signal.Signals, ...]) -> None:
    """However the session ends, its child and the child's own children end, too; a killed one's own children do not."""
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path), "begin", "Eager", "HangsStubbornly"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        assert "[1/2]" in session.stdout.readline()
        time.sleep(2)
        workers = psutil.Process(session.pid).children()
        assert workers
        for number in signals:
            session.send_signal(number)
            time.sleep(0.3)
        session.communicate(timeout=20)
    _, alive = psutil.wait_procs(workers, timeout=10)  # one that were left would sleep for an hour
    assert not alive
    rest = left_behind()
    for process in rest:
        process.kill()
    assert not rest or signals == (signal.SIGTERM,) or signals == (signal.SIGKILL,)


def test_resume_measures_a_cell_again_whose_warm_start_is_missing(tmp_path: Path) -> None:
    stacks = planted(tmp_path / "s", "CachesOnDisk", disk_cache=True)
    eager = planted(tmp_path / "s", "Eager")
    short = settings(timed_s=0.05)
    plan = Plan(settings=short, models=[TOY], stacks=stacks, modes=[Mode.INFERENCE], all_stacks=eager, verify=False)
    home = Store(tmp_path / "store")
    first = session_of(plan, home)
    first.run()
    run = first.folder.path / "run.json"
    run.write_text(run.read_text().replace('"finished": true', '"finished": false'))  # as an interrupt would have left it
    next((first.folder.path / "timing").glob("*-warm.json")).unlink()
    again = session_of(plan, home, resume=True)
    assert [t.start for t in again.trials] == [Start.COLD]
    again.run()
    assert [t.start for t in again.trials] == [Start.COLD, Start.WARM]


def test_a_run_of_one_framework_does_not_import_another_one_for_the_reference(tmp_path: Path) -> None:
    """The eager stack is not selected, and that of another framework comes first in the list of all stacks."""
    (eager,) = planted(tmp_path / "s", "Eager")
    other = replace(eager, name="another", framework="msgspec")  # any package that can be imported
    plan = Plan(
        settings=settings(timed_s=0.05),
        models=[TOY],
        stacks=planted(tmp_path / "s", "Compiler"),
        modes=[Mode.INFERENCE],
        all_stacks=[other, eager],
        verify=False,
    )
    session = session_of(plan, Store(tmp_path / "store"), left_out=["machine_peak"])
    session.run()
    assert session.trials[0].measurement is not None
    assert session.trials[0].measurement.parity is not None
    logs = {path.name for path in (session.folder.path / "logs").iterdir()}
    assert logs == {"numpy-import.log", "toy-eager-inference-reference.log", "toy-compiler-inference-0-cold.log"}


COUNTED = """
from dataclasses import dataclass
from bakeoff import Sizes
from tests.support.fakes.toy import Toy

@dataclass(frozen=True)
class Counted(Toy):
    def flops(self): return 2 * self.batch_size * 8 * 3

MODEL = Sizes(small=Counted(), full=Counted())
"""


@pytest.mark.parametrize("counted", [True, False])
def test_the_machine_peak_is_measured_if_a_model_counts_its_flops(tmp_path: Path, counted: bool) -> None:
    (tmp_path / "counted.py").write_text(COUNTED)
    model = Source("counted", tmp_path / "counted.py") if counted else TOY
    stacks = planted(tmp_path / "s", "Eager")
    plan = Plan(settings=settings(timed_s=0.05), models=[model], stacks=stacks, modes=[Mode.INFERENCE])
    session = session_of(plan, Store(tmp_path / "store"))
    session.run()
    measured = session.trials[0].measurement
    assert measured is not None
    if not counted:
        assert "machine_peak" not in session.records
        assert measured.flops is measured.moved_bytes is None
        return
    assert measured.flops == 2 * 4 * 8 * 3
    assert measured.moved_bytes == 4 * (8 * 3 + 4 * 8 + 4 * 3)  # weights, inputs, outputs, once each
    (machine_peak,) = session.records["machine_peak"]
    assert machine_peak.failure is None
    assert machine_peak.threads == 1
    assert machine_peak.flops_per_s is not None
    assert machine_peak.bytes_per_s is not None
    # within what any machine of these years does with one thread
    assert 1e8 < machine_peak.bytes_per_s < 1e12
    assert 1e9 < machine_peak.flops_per_s < 1e12
