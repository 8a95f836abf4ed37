"""How much does a busy CPU slow the children's first CPU? Measured, because a virtual machine's kernel may not know its cores.

A child runs a short loop on that CPU, again and again. During every second loop another child keeps another CPU busy.
"""

import datetime
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Protocol

from bakeoff.records.neighbours import Neighbour, Neighbours

EACH_S = 0.8  # for each other CPU: the cores of a virtual machine's CPUs can change within a second
MOST_S = 2.4  # for all other CPUs together
LIMIT_S = 4.0  # with starting the children
FEWEST_ROUNDS = 8  # rounds; with fewer there is no result
MOST_OTHERS = 8  # CPUs that are tried
SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"

# A byte on standard input is an order, and a line on standard output its answer. Without a parent the input ends, and so does
# the child. The time is CPU time: another process on the same CPU does not count, but another one on the same core does.
CHILD = """
import os, select, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
def loop(times):
    total = 0
    for number in range(times):
        total += number & 7
loop(60_000)
os.write(1, b"ready\\n")
while order := os.read(0, 1):
    if order == b"t":
        started = time.thread_time()
        loop(60_000)
        os.write(1, b"%.9f\\n" % (time.thread_time() - started))
    elif order == b"w":
        os.write(1, b"works\\n")
        while not select.select([0], [], [], 0)[0]:
            loop(2_000)
    else:
        os.write(1, b"rests\\n")
"""


class NotMeasured(Exception):
    """Why there is no result."""


class Looping(Protocol):
    """A child on one CPU."""

    def loop_s(self) -> float:
        """CPU seconds of one loop."""
        ...

    def work(self) -> None:
        """Keep the CPU busy until `rest`."""
        ...

    def rest(self) -> None:
        """Stop working."""
        ...

    def close(self) -> None:
        """End the child."""
        ...


Start = Callable[[int, float], Looping]  # (CPU, time.monotonic() at which the child must have answered every order)


class LoopingChild:
    """A child as a process. Raises NotMeasured if it ends, or does not answer in time."""

    def __init__(self, cpu: int, deadline: float) -> None:
        self._deadline = deadline
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", CHILD, str(cpu)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the parent, which ends its children
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def loop_s(self) -> float:
        return float(self._ordered(b"t"))

    def work(self) -> None:
        self._ordered(b"w")

    def rest(self) -> None:
        self._ordered(b"r")

    def close(self) -> None:
        self._process.kill()
        with self._process:  # closes the pipes, and waits
            pass

    def _ordered(self, order: bytes) -> bytes:
        assert self._process.stdin is not None
        self._process.stdin.write(order)
        return self._answer()

    def _answer(self) -> bytes:
        assert self._process.stdout is not None
        left = self._deadline - time.monotonic()
        if not select.select([self._process.stdout], [], [], max(0.0, left))[0]:
            raise NotMeasured("a child did not answer in time")
        answer = self._process.stdout.read(64)
        if not answer:
            raise NotMeasured("a child ended early")
        return bytes(answer)


def of_this_machine(cpus: Iterable[int], say: Callable[[str], None] = lambda reason: None) -> Neighbours | None:
    """The neighbours of the children's CPUs, measured once in this process. None if there is only one CPU.

    It raises nothing: if it fails, `say` is called with the reason, and the result is None.
    """
    found, reason = _once(tuple(sorted(cpus)), tuple(sorted(os.sched_getaffinity(0))))
    if reason:
        say(f"what the other CPUs do to the children's CPU was not measured: {reason}")
    return found


@cache
def _once(cpus: tuple[int, ...], usable: tuple[int, ...]) -> tuple[Neighbours | None, str]:
    try:
        return measured(cpus, usable), ""
    except (NotMeasured, OSError, ValueError, subprocess.SubprocessError) as error:
        return None, str(error)


def measured(
    cpus: Sequence[int],
    usable: Sequence[int],
    *,
    start: Start = LoopingChild,
    clock: Callable[[], float] = time.monotonic,
    siblings: Callable[[int], tuple[int, ...]] | None = None,
) -> Neighbours | None:
    """What each other usable CPU does to the first of `cpus`. None if there is no other. Raises NotMeasured.

    The children end in every case, also after an interrupt.
    """
    cpu = cpus[0]
    known = (siblings or siblings_of)(cpu)
    # first those that the kernel names; then those where anything may run while the children have theirs
    others = sorted({*usable} - {cpu}, key=lambda other: (other not in known, other in cpus, other))
    tried = others[:MOST_OTHERS]
    if not tried:
        return None
    began = clock()
    with ExitStack() as ending:

        def started(on: int) -> Looping:
            child = start(on, began + LIMIT_S)
            ending.callback(child.close)
            return child

        looping, busy = started(cpu), {other: started(other) for other in tried}
        rounds = _rounds(looping, busy, clock, min(EACH_S * len(tried), MOST_S))
    if len(rounds[tried[-1]]) < FEWEST_ROUNDS:
        raise NotMeasured(f"only {len(rounds[tried[-1]])} rounds in the time that there is")
    return Neighbours(
        cpu=cpu,
        others=tuple(_neighbour(other, rounds[other]) for other in sorted(tried)),
        left_out=tuple(sorted(others[MOST_OTHERS:])),
        threads_per_core=len(known) or None,
        measured_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _rounds(
    looping: Looping, busy: dict[int, Looping], clock: Callable[[], float], duration_s: float
) -> dict[int, list[tuple[float, float, float]]]:
    """CPU → (alone, beside it, alone) of each round. The CPUs take turns; what ends one round begins the next one."""
    rounds: dict[int, list[tuple[float, float, float]]] = {other: [] for other in busy}
    end = clock() + duration_s
    before = looping.loop_s()
    while clock() < end:
        for other, neighbour in busy.items():
            neighbour.work()
            beside = looping.loop_s()
            neighbour.rest()
            after = looping.loop_s()
            rounds[other].append((before, beside, after))
            before = after
    return rounds


def _neighbour(cpu: int, rounds: Sequence[tuple[float, float, float]]) -> Neighbour:
    before, beside, after = zip(*rounds, strict=True)
    return Neighbour(cpu=cpu, before_s=before, beside_s=beside, after_s=after)


def siblings_of(cpu: int) -> tuple[int, ...]:
    """The CPUs on the core of this one, itself included, as the kernel knows them; empty if it says nothing."""
    try:
        return cpu_list(Path(SIBLINGS.format(cpu)).read_text())
    except (OSError, ValueError):
        return ()


def cpu_list(text: str) -> tuple[int, ...]:
    """The CPUs of a list as the kernel writes it, such as "0-1,32-33". Raises ValueError if it is none."""
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)
