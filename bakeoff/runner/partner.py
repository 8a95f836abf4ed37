"""What does the parent prepare for two children that take turns? One end of each of two pipes."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from bakeoff.records.trial import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """What a child of a pair needs of the other one."""

    fds: tuple[int, int]  # its ends of the pipes: to read, to write
    begins: tuple[bool, ...]
    waits: bool
    at_once: bool  # does it compile while the other one does?
    on_phase: Callable[[Phase], None]


class Ends:
    """One child's ends of the pipes, held until the child has its own."""

    def __init__(self, read: int, write: int) -> None:
        self.fds = read, write
        self._open = True

    def close(self) -> None:
        """Once."""
        if self._open:
            self._open = False
            for end in self.fds:
                with contextlib.suppress(OSError):
                    os.close(end)
