"""Is it measured what a busy CPU does to another, with real children that end in every case?"""

import os
import subprocess
import sys
import time

import psutil
import pytest

from bakeoff.authoring.discovery import ROOT
from bakeoff.machine.neighbours import FEWEST_ROUNDS, LIMIT_S, LoopingChild, NotMeasured, measured

CPUS = sorted(os.sched_getaffinity(0))


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.mark.two_cpus
@pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")
def test_this_machine_is_measured() -> None:
    before, started = children(), time.monotonic()
    found = measured(CPUS[1:], CPUS)
    assert found is not None
    assert time.monotonic() - started < LIMIT_S + 1
    assert found.cpu == CPUS[1]
    assert found.problem() == ""
    assert {other.cpu for other in found.others} <= {*CPUS} - {CPUS[1]}
    for other in found.others:
        assert len(other.beside_s) >= FEWEST_ROUNDS
        assert max(other.ratios) > 0.8  # what a busy CPU does depends on the machine
    assert os.sched_getaffinity(0) == {*CPUS}
    assert children() <= before


def test_a_child_keeps_to_its_cpu_works_and_rests() -> None:
    child = LoopingChild(CPUS[-1], time.monotonic() + 30)
    process = psutil.Process(child._process.pid)
    try:
        assert process.cpu_affinity() == [CPUS[-1]]
        assert 0 < child.loop_s() < 1
        child.work()
        used = process.cpu_times().user
        deadline = time.monotonic() + 20
        while process.cpu_times().user <= used and time.monotonic() < deadline:
            time.sleep(0.02)
        assert process.cpu_times().user > used
        child.rest()
        assert child.loop_s() > 0
    finally:
        child.close()
    assert not process.is_running()


def test_a_child_that_is_dead_or_late_is_reported() -> None:
    child = LoopingChild(CPUS[-1], time.monotonic() + 30)
    child._process.kill()
    child._process.wait()
    with pytest.raises((NotMeasured, OSError)):
        child.loop_s()
    child.close()
    before = children()
    with pytest.raises(NotMeasured, match="did not answer in time"):
        LoopingChild(CPUS[-1], time.monotonic() - 1)
    assert children() <= before
    with pytest.raises(NotMeasured, match="ended early"):
        LoopingChild(10**5, time.monotonic() + 30)  # there is no such CPU
    assert children() <= before


def test_children_end_with_a_killed_parent() -> None:
    """Also the one that works: its standard input ends."""
    parent = f"""
import time
from bakeoff.machine.neighbours import LoopingChild
children = [LoopingChild({CPUS[-1]}, time.monotonic() + 30) for _ in range(2)]
children[0].work()
print(*(child._process.pid for child in children), flush=True)
time.sleep(60)
"""
    ran = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert ran.stdout is not None
    with ran:
        pids = [int(pid) for pid in ran.stdout.readline().split()]
        processes = [psutil.Process(pid) for pid in pids]
        ran.kill()
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []
    assert len(pids) == 2
