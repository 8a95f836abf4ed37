"""How does a child of a group take its turns? It asks its parent through a socket, and waits for the answer.

While it waits it should use no CPU, because another member is compiled or timed. What it uses all the same is recorded: CPU
time of all its threads and of its descendants. Standard library only.
"""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bakeoff.records.measurement import OutOfTurn
from bakeoff.records.turns import TURNS_FD, Answers, Asks
from bakeoff.system import procfs
from bakeoff.system.device_lock import DeviceLock


@dataclass(slots=True)
class Idle:
    """What a process did while it waited. Times in seconds."""

    wall_s: float = 0.0
    cpu_s: float = 0.0  # of all threads and descendants
    own_cpu_s: float = 0.0  # without the descendants


@dataclass(slots=True)
class Turns:
    """The child's end of the socket. `waited_s`: seconds of waiting for the parent.

    `before`: between the warm-up and the first slice; `between`: between the slices.
    """

    parent: socket.socket
    device: DeviceLock  # held in a slice, left while waiting
    waited_s: float = 0.0
    before: Idle = field(default_factory=Idle)
    between: Idle = field(default_factory=Idle)
    _began: float = 0.0  # of the present slice

    @classmethod
    def inherited(cls, device: DeviceLock) -> "Turns | None":
        """With the socket that the parent opened for this process, which does not pass it on. None outside of a group."""
        if TURNS_FD not in os.environ:
            return None
        end = int(os.environ[TURNS_FD])
        os.set_inheritable(end, False)
        return cls(socket.socket(fileno=end), device)

    def reach(self, stage: Asks) -> Answers:
        """Ask to go on after `stage`. Waits for the answer."""
        return self._ask(stage)

    def rounds(self, slice_s: float) -> Iterator[bool]:
        """Yield once per slice, when it may begin: is it the last one? Asking for the next one ends the slice.

        `slice_s`: expected duration of a slice.
        """
        ask, numbers = Asks.WARM, f"{slice_s:.6f}"
        while True:
            start, own_s = time.perf_counter(), time.process_time()
            # finding the descendants of a process with many threads takes a millisecond, so it lies outside of `used_s`
            descendants_s, used_s = procfs.descendants_cpu_s(), procfs.cpu_s_with_children()
            self.device.leave()
            answer = self._ask(ask, numbers)
            self.device.take()
            used_s = procfs.cpu_s_with_children() - used_s
            idle = self.before if ask is Asks.WARM else self.between
            idle.cpu_s += max(0.0, used_s + procfs.descendants_cpu_s() - descendants_s)
            idle.own_cpu_s += time.process_time() - own_s
            idle.wall_s += time.perf_counter() - start
            self._began = time.monotonic()
            yield answer is Answers.LAST
            if answer is Answers.LAST:
                return
            ask, numbers = Asks.SLICE, f"{self._began:.6f} {time.monotonic():.6f}"

    def out_of_turn(self) -> OutOfTurn:
        """What this process did while it waited."""
        return OutOfTurn(
            wall_s=self.between.wall_s,
            cpu_s=self.between.cpu_s,
            before_wall_s=self.before.wall_s,
            before_cpu_s=self.before.cpu_s,
        )

    def finish(self) -> None:
        """After the last slice: wait until the others have had theirs."""
        ended = time.monotonic()
        self.device.leave()
        self._ask(Asks.TIMED, f"{self._began:.6f} {ended:.6f}")
        self.device.take()

    def _ask(self, ask: Asks, numbers: str = "") -> Answers:
        start = time.perf_counter()
        answer = b""
        with contextlib.suppress(OSError):  # without a parent there is nobody to wait for
            self.parent.send(f"{ask} {numbers}".encode())
            answer = self.parent.recv(64)
        self.waited_s += time.perf_counter() - start
        return Answers(answer.decode()) if answer else Answers.LAST
