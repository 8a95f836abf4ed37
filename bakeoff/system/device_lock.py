"""How is only one cell timed on a device at a time? In the child: a file lock, held while the cell is timed.

Cells may be compiled at the same time. The process that starts them names one lock file for all in the environment variable
DEVICE_LOCK; without it nothing is locked. The kernel releases the lock when its process ends, for whatever reason (flock(2)).
Standard library only.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bakeoff.system.environment import DEVICE_LOCK

NOTE = "compiled at the same time as other cells, on its own CPUs; timed alone on the GPU"


@dataclass(slots=True)
class DeviceLock:
    """The lock on the file `path`, or no lock if it is empty. `waited_s`: seconds spent waiting, to subtract from timings."""

    path: str
    waited_s: float = 0.0
    _file: int = -1

    @classmethod
    def inherited(cls) -> "DeviceLock":
        """The lock that the environment names."""
        return cls(os.environ.get(DEVICE_LOCK, ""))

    @property
    def notes(self) -> tuple[str, ...]:
        """For Measurement.notes: what is different for a cell that shares the machine."""
        return (NOTE,) if self.path else ()

    def take(self) -> None:
        """Take the lock; wait while another process holds it. Does nothing if this process holds it."""
        if not self.path or self._file >= 0:
            return
        start = time.perf_counter()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.waited_s += time.perf_counter() - start

    def leave(self) -> None:
        """Release the lock, explicitly: a process that was forked meanwhile may still hold the file open."""
        if self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            os.close(self._file)
            self._file = -1

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock during the block. If this process held it before, it still does afterwards."""
        taken_here = self._file < 0
        self.take()
        try:
            yield
        finally:
            if taken_here:
                self.leave()
