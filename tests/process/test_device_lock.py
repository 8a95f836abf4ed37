"""If cells compile in parallel, is each one timed alone, and is waiting excluded from all metrics?"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from bakeoff.analysis.results import CellResult
from bakeoff.authoring.discovery import ROOT, StackSource
from bakeoff.records.turns import ROUNDS
from bakeoff.system.device_lock import NOTE, DeviceLock
from bakeoff.system.environment import DEVICE_LOCK
from tests.support.planting import planted

HELD_S = 2.0
HOLDER = """
import json, sys, time
from bakeoff.system.device_lock import DeviceLock
lock, spans = DeviceLock.inherited(), []
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    lock.take()
    with lock.alone():  # is there already
        began = time.monotonic()
        time.sleep(0.01)
    spans.append((began, time.monotonic()))
    lock.leave()
    time.sleep(0.002)  # or whoever waits is not awake before it is taken again
print(json.dumps(spans), flush=True)
if sys.argv[1:]:
    lock.take()
    print("held", flush=True)
    time.sleep(600)
"""


def holder(path: Path, *words: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, DEVICE_LOCK: str(path)}
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )


def free(path: Path) -> bool:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def test_processes_never_hold_the_lock_at_once(tmp_path: Path) -> None:
    processes = [holder(tmp_path / "lock") for _ in range(2)]
    for process in processes:  # they begin together, however long each took to start
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    first, second = (json.loads(process.communicate(timeout=60)[0]) for process in processes)
    assert len(first) == len(second) == 20
    assert first[0][0] < second[-1][1]
    assert second[0][0] < first[-1][1], "one had ended before the other began: nothing was tried"
    spans = sorted([*first, *second])
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_child_that_dies_releases_the_lock(tmp_path: Path) -> None:
    process = holder(tmp_path / "lock", "and stay")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert [process.stdout.readline() for _ in range(3)][2] == "held\n"
    assert not free(tmp_path / "lock")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert free(tmp_path / "lock")


def tuning(folder: Path, tunes: bool) -> StackSource:
    """A stack that compiles for a tenth of a second, and measures meanwhile or not."""
    path = folder / "tuning.py"
    path.write_text(
        f"TUNES = {tunes}"
        + """
HEADER = {"framework": "numpy"}
import fcntl, gc, os
from contextlib import nullcontext, suppress
from bakeoff.system.environment import DEVICE_LOCK
from tests.support.fakes import honest

class Tuning(honest.Eager):
    alone = nullcontext

    def measuring(self, alone):
        self.alone = alone if TUNES else nullcontext
        return nullcontext()

    def compile(self, program):
        with self.alone():
            honest.spend(0.1)
        return super().compile(program)

    def forward(self, x):
        if not gc.isenabled():  # timed
            with open(os.environ[DEVICE_LOCK], "w") as file, suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                raise RuntimeError("timed without the device")
        return super().forward(x)

STACK = Tuning()
"""
    )
    return StackSource(name="tuning", path=path, framework="numpy")


@pytest.mark.parametrize("tunes", [False, True])
def test_waiting_is_in_no_metric_and_the_lock_is_held_while_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure_fakes: Callable[..., dict[str, CellResult]], tunes: bool
) -> None:
    """Somebody else has the device for a while whenever the child asks for it."""
    path = tmp_path / "lock"
    monkeypatch.setenv(DEVICE_LOCK, str(path))
    stack = tuning(tmp_path, tunes)
    held, done = 0.0, threading.Event()
    other = DeviceLock(str(path))
    other.take()  # before the reference, which waits as well

    def watch() -> None:
        nonlocal held
        time.sleep(HELD_S)
        other.leave()
        before = time.monotonic()
        while not done.wait(0.01):
            now = time.monotonic()
            held, before = held + (now - before) * (not free(path)), now

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        (result,) = measure_fakes(stack).values()
    finally:
        done.set()
        thread.join()
    (measured,) = result.measurements
    assert NOTE in measured.notes
    assert held > 0.3, "the timed steps alone go on for 0.3 s"
    assert free(path)
    assert 0.1 < measured.first_call_s < HELD_S


@pytest.mark.parametrize("tunes", [False, True])
def test_a_child_waits_outside_its_clocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure_fakes: Callable[..., dict[str, CellResult]], tunes: bool
) -> None:
    path = tmp_path / "lock"
    stack = tuning(tmp_path, tunes)
    source = stack.path.read_text().replace("STACK =", f"import os; os.environ['{DEVICE_LOCK}'] = {str(path)!r}\nSTACK =")
    stack.path.write_text(source)  # of this child alone: the reference does not wait, so that only the child can have
    other = DeviceLock(str(path))
    other.take()
    threading.Timer(3 * HELD_S, other.leave).start()
    started = time.monotonic()
    (result,) = measure_fakes(stack).values()
    assert time.monotonic() - started > 3 * HELD_S
    (measured,) = result.measurements
    assert 0.1 < measured.first_call_s < HELD_S
    assert sum(measured.warmup_s) < HELD_S
    assert measured.contention.wall_s < HELD_S
    assert result.trials[0].wall_s > 1


LANE = """
import sys
from pathlib import Path
from bakeoff.authoring.discovery import StackSource
from bakeoff.records.cell import Mode
from bakeoff.runner.plan import Plan
from bakeoff.runner.store import Store
from tests.support.planting import TOY, planted, settings
from tests.support.sessions import session_of
folder = Path(sys.argv[1])
stacks = [StackSource(name="tuning", path=Path(sys.argv[2]), framework="numpy"), *planted(folder, "Eager", "Compiler")]
plan = Plan(settings=settings(timed_s=0.05), models=[TOY], stacks=stacks, modes=[Mode.INFERENCE], control=True)
session = session_of(plan, Store(folder / "store"), left_out=["machine_peak"])
session.run()
for trial in session.trials:
    print(trial.cell.stack, len(trial.measurement.slices) if trial.measurement else trial.failure.message)
"""


def test_groups_of_two_lanes_share_a_device(tmp_path: Path) -> None:
    """Each member of either group has the device in its slices only, and none waits for ever."""
    stack = tuning(tmp_path, True)
    lanes = [
        subprocess.Popen(
            [sys.executable, "-c", LANE, str(tmp_path / name), str(stack.path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, DEVICE_LOCK: str(tmp_path / "lock")},
        )
        for name in ("one", "two")
    ]
    for lane in lanes:
        lines = lane.communicate(timeout=100)[0].splitlines()
        assert sorted(lines) == [f"{name} {ROUNDS}" for name in ("compiler", "eager", "eager", "tuning")]
    assert free(tmp_path / "lock")


def test_without_the_lock_nothing_is_reported(measure_fakes: Callable[..., dict[str, CellResult]], tmp_path: Path) -> None:
    (result,) = measure_fakes(*planted(tmp_path, "Eager")).values()
    assert NOTE not in result.measurements[0].notes
