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

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import OneTimeCost, Start, Status, Trial
from bakeoff.records.turns import ROUNDS
from bakeoff.runner.cells import TrialResult
from bakeoff.runner.group import Group
from bakeoff.runner.launch import Launcher
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.preparation import Preparation
from bakeoff.runner.session import Session
from bakeoff.runner.store import ONE_TIME_COST, Store, write
from bakeoff.system.sandbox import Sandbox
from tests.support.planting import TOY, left_behind, planted, settings
from tests.support.sessions import session_of


def test_each_group_has_all_cells_and_a_control(tmp_path: Path) -> None:
    plan = Plan(
        settings=settings(timed_s=0.05),
        models=[TOY],
        stacks=planted(tmp_path / "s", "Eager", "Compiler"),
        modes=[Mode.INFERENCE],
        trials=2,
        control=True,
    )
    session = session_of(plan, Store(tmp_path / "store"))
    session.run()
    assert [(t.group, t.index, t.cell.stack, t.control) for t in session.trials] == [
        (str(number), number, stack, control)
        for number in range(2)
        for stack, control in (("eager", False), ("compiler", False), ("eager", True))
    ]
    assert {len(t.measurement.slices) for t in session.trials if t.measurement} == {ROUNDS}
    assert len(by_cell(session.trials)) == 2, "a control is not a cell"
    assert session.children_s < session.wall_s, "waiting for others was counted"
    assert not list((session.folder.path / "scratch").glob("*"))
    logs = {path.stem for path in (session.folder.path / "logs").iterdir()}
    assert logs >= {f"toy-eager-inference-{number}-{what}" for number in range(2) for what in ("cold", "control")}


def test_the_second_group_starts_from_the_caches_of_the_first(
    measure_fakes: Callable[..., dict[str, CellResult]], tmp_path: Path
) -> None:
    result = measure_fakes(*planted(tmp_path, "CachesOnDisk", disk_cache=True), trials=2)["cachesondisk"]
    assert result.status in (Status.OK, Status.UNSTEADY)  # a noisy minute says nothing of caches
    assert [t.index for t in result.trials] == [0]
    assert [t.index for t in result.warm] == [1]
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
from bakeoff.runner.plan import Plan
from bakeoff.runner.store import Store
from tests.support.sessions import session_of
from tests.support.planting import TOY, planted, settings
folder = Path(sys.argv[1])
stacks = [s for name in sys.argv[4:] for s in planted(folder / "s", name, disk_cache=name.startswith("Caches"))]
asked = {"stacks": stacks, "modes": [Mode.INFERENCE], "trials": int(sys.argv[3]), "control": True}
plan = Plan(settings=settings(timed_s=0.05), models=[TOY], **asked)
session = session_of(plan, Store(folder / "store"), resume=sys.argv[2] == "resume", say=lambda line: print(line, flush=True))
session.run()
"""


def begun(folder: Path, trials: int, *stacks: str) -> "subprocess.Popen[str]":
    """A session in a process of its own, in which HangsIfTold hangs."""
    return subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(folder), "begin", str(trials), *stacks],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HANG": "1"},
    )


def interrupted(folder: Path, child: str, trials: int, *stacks: str) -> list[str]:
    """The trials that are kept of a session that was interrupted one second after `child` had begun."""
    with begun(folder, trials, *stacks) as session:
        wait_for(folder, child)
        time.sleep(1)
        session.send_signal(signal.SIGINT)
        session.communicate(timeout=30)
    assert session.returncode != 0
    return kept(folder)


def wait_for(folder: Path, child: str) -> None:
    """Until the log of a child is there."""
    deadline = time.monotonic() + 60
    while not list(folder.glob(f"store/runs/*/logs/{child}.log")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kept(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("store/runs/*/timing/*"))


def resumed(folder: Path, trials: int, *stacks: str) -> str:
    command = [sys.executable, "-c", INTERRUPTED, str(folder), "resume", str(trials), *stacks]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout


def test_an_interrupt_in_the_first_group_keeps_finished_trials_and_resume_repeats_the_rest(tmp_path: Path) -> None:
    stacks = ("RaisesInCompile", "Eager", "HangsIfTold")
    failed = "toy-raisesincompile-inference-0-cold"
    assert interrupted(tmp_path, "toy-hangsiftold-inference-0-cold", 1, *stacks) == [failed]
    output = resumed(tmp_path, 1, *stacks)
    assert "raisesincompile" not in output
    assert "[3/3] toy-eager-inference control" in output
    of_eager = ["toy-eager-inference-0-cold", "toy-eager-inference-0-control"]
    assert kept(tmp_path) == [*of_eager, "toy-hangsiftold-inference-0-cold", failed]


def test_an_interrupt_in_the_second_group_keeps_the_first_and_resume_has_warm_starts(tmp_path: Path) -> None:
    """The caches of the first group are gone, so that it is repeated, too."""
    stacks = ("Eager", "CachesAndHangsIfTold")
    first = ["toy-cachesandhangsiftold-inference-0-cold", "toy-eager-inference-0-cold", "toy-eager-inference-0-control"]
    assert interrupted(tmp_path, "toy-cachesandhangsiftold-inference-1-warm", 2, *stacks) == first
    resumed(tmp_path, 2, *stacks)
    second = ["toy-cachesandhangsiftold-inference-1-warm", "toy-eager-inference-1-cold", "toy-eager-inference-1-control"]
    assert kept(tmp_path) == sorted([*first, *second])


def unfinished(session: Session, *lost: str) -> None:
    """As an interrupt would have left it, before these trials had ended."""
    run = session.folder.path / "run.json"
    run.write_text(run.read_text().replace('"finished": true', '"finished": false'))
    for name in lost:
        (session.folder.path / "timing" / f"{name}.json").unlink()


def run_of(folder: Path, *stacks: StackSource, resume: bool = False, trials: int = 2) -> Session:
    short, eager = settings(timed_s=0.05), planted(folder / "e", "Eager")
    plan = Plan(
        settings=short, models=[TOY], stacks=stacks, modes=[Mode.INFERENCE], all_stacks=eager, trials=trials, control=True
    )
    return session_of(plan, Store(folder / "store"), resume=resume)


@pytest.mark.parametrize("lost", ["toy-cachesondisk-inference-1-warm", "toy-compiler-inference-1-cold"])
def test_resume_has_a_warm_start_whichever_trial_of_the_second_group_is_missing(tmp_path: Path, lost: str) -> None:
    stacks = [*planted(tmp_path / "s", "CachesOnDisk", disk_cache=True), *planted(tmp_path / "s", "Compiler")]
    first = run_of(tmp_path, *stacks)
    first.run()
    names = sorted(path.name for path in (first.folder.path / "timing").iterdir())
    unfinished(first, lost)
    again = run_of(tmp_path, *stacks, resume=True)
    again.run()
    second = [(t.cell.stack, t.start) for t in again.trials if t.index == 1 and not t.control]
    assert second == [("cachesondisk", Start.WARM), ("compiler", Start.COLD)]
    assert sorted(path.name for path in (again.folder.path / "timing").iterdir()) == names
    before, after = ({t.cell: t.finished_at for t in session.trials if t.index == 0} for session in (first, again))
    assert all(before[cell] < after[cell] for cell in before), "warm starts need caches of the first group"


def test_resume_repeats_the_group_that_was_interrupted_and_no_other(tmp_path: Path) -> None:
    stacks = planted(tmp_path / "s", "Eager", "Compiler")
    first = run_of(tmp_path, *stacks)
    first.run()
    time.sleep(1)  # times are known to the second
    unfinished(first, "toy-compiler-inference-1-cold")
    again = run_of(tmp_path, *stacks, resume=True)
    again.run()
    before, after = ({(t.index, t.cell): t.finished_at for t in s.trials if not t.control} for s in (first, again))
    assert before.keys() == after.keys()
    assert {index for index, cell in before if before[index, cell] != after[index, cell]} == {1}


def test_trials_of_a_group_that_is_repeated_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a second interrupt would leave a mixture of two groups, which --resume would take for one."""
    stacks = planted(tmp_path / "s", "Eager", "Compiler")
    first = run_of(tmp_path, *stacks, trials=1)
    first.run()
    unfinished(first, "toy-compiler-inference-0-cold")
    again = run_of(tmp_path, *stacks, resume=True, trials=1)
    assert len(again.trials) == 2

    def interrupt(group: Group[Trial]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Group, "_begin", interrupt)
    with pytest.raises(KeyboardInterrupt):
        again.run()
    third = run_of(tmp_path, *stacks, resume=True, trials=1)
    third.folder.close()
    assert third.trials == []


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGKILL,)])
def test_nothing_is_left_behind(tmp_path: Path, signals: tuple[signal.Signals, ...]) -> None:
    """However the session ends, all children of the group and their own children end, too; a killed one's own do not."""
    with begun(tmp_path, 1, "Eager", "HangsStubbornly") as session:
        deadline = time.monotonic() + 60
        while len(left_behind()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        workers = psutil.Process(session.pid).children()
        assert len(workers) >= 2
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
