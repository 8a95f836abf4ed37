"""In the child: two children of a pair meet when both have compiled, and take turns over their timed steps.

They compile at once, on the same CPUs, so that a slow moment falls on both; each warms up while the other waits. Each holds
one end of two pipes; the byte that goes through them is the right to run. The parent says beforehand who begins each round, at
random, and takes no part. A child whose partner has died, or never came, goes on alone. Standard library only.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bakeoff.records.turns import TURNS_FDS


@dataclass(slots=True)
class Turns:
    """`begins[i]`: does this child begin round i? `waits`: it warms up first, so that the other one's arrival starts them."""

    read: int
    write: int
    begins: tuple[bool, ...]
    waits: bool
    alone: bool = False
    waited_s: float = 0.0

    @classmethod
    def inherited(cls, begins: tuple[bool, ...], waits: bool) -> "Turns":
        """With the pipes that the parent left open for this process alone."""
        read, write = map(int, os.environ[TURNS_FDS].split(","))
        for end in (read, write):
            os.set_inheritable(end, False)
        return cls(read, write, begins, waits)

    def meet(self) -> None:
        """Wait until both have come here."""
        self._hand_over()
        self._wait()

    def cold(self) -> None:
        """Wait, where the other one warms up first, until it is warm."""
        if not self.waits:
            self._wait()

    def warm(self) -> None:
        """This child is warm: the other one's turn to warm up, if it has not yet."""
        if self.waits:
            self._hand_over()

    def rounds(self) -> Iterator[tuple[int, int]]:
        """Yields (round, of how many) when this child may run, and hands over when asked for the next."""
        owners = [mine for begin in self.begins for mine in (begin, not begin)]
        before = not self.waits  # whoever comes second begins as if it had just run
        for turn, mine in enumerate(owners):
            if mine and not before:
                self._wait()
            elif before and not mine:
                self._hand_over()
            if mine:
                yield turn // 2, len(self.begins)
            before = mine

    def finish(self) -> None:
        """Wait until the partner, if it ran last, has ended: what follows is not timed, but must not be disturbed either."""
        while self.begins[-1] and not self.alone:  # until the end of its pipe
            self._wait()

    def _wait(self) -> None:
        start = time.perf_counter()
        if not self.alone and not os.read(self.read, 1):
            self.alone = True
        self.waited_s += time.perf_counter() - start

    def _hand_over(self) -> None:
        try:
            if not self.alone:
                os.write(self.write, b".")
        except BrokenPipeError:
            self.alone = True
