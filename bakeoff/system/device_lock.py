"""In the child: cells that are compiled beside each other have the device to themselves while they are timed.

Whoever starts them names one file for all in DEVICE_LOCK; without it there is nothing to wait for. The kernel takes the lock
back when its process ends, however it ends (flock(2)). Standard library only.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bakeoff.system.environment import DEVICE_LOCK

NOTE = "compiled beside other cells, on CPUs of its own; no other is timed on the GPU meanwhile"


@dataclass(slots=True)
class DeviceLock:
    """`waited_s` is what a clock that ran meanwhile has to leave out."""

    path: str
    waited_s: float = 0.0
    _file: int = -1

    @classmethod
    def inherited(cls) -> "DeviceLock":
        """As the environment says."""
        return cls(os.environ.get(DEVICE_LOCK, ""))

    @property
    def notes(self) -> tuple[str, ...]:
        """Fairness: what a cell that shares the machine has to say of itself."""
        return (NOTE,) if self.path else ()

    def take(self) -> None:
        """Wait until nobody else has it."""
        if not self.path or self._file >= 0:
            return
        start = time.perf_counter()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.waited_s += time.perf_counter() - start

    def leave(self) -> None:
        """Explicitly: a process that was forked meanwhile may still hold the file open."""
        if self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            os.close(self._file)
            self._file = -1

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have it for a block; within `take` and `leave` it is there already, and stays."""
        mine = self._file < 0
        self.take()
        try:
            yield
        finally:
            if mine:
                self.leave()
