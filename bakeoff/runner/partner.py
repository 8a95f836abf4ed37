"""What does the parent prepare for two children that take turns? Two pipes; each child gets one end of each."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from bakeoff.records.trial import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """What one child of a pair needs for taking turns with the other one."""

    fds: tuple[int, int]  # file descriptors of its ends of the pipes: to read, to write
    begins: tuple[bool, ...]  # per round: does this child go first?
    waits: bool  # does it warm up first, and wait while the other one warms up?
    at_once: bool  # do both compile at the same time?
    on_phase: Callable[[Phase], None]


class Ends:
    """One child's ends of the pipes in the parent, open until the child has inherited them."""

    def __init__(self, read: int, write: int) -> None:
        self.fds = read, write
        self._open = True

    def close(self) -> None:
        """Close both ends. A second call does nothing."""
        if self._open:
            self._open = False
            for end in self.fds:
                with contextlib.suppress(OSError):
                    os.close(end)
