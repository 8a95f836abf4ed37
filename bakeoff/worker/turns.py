"""How do the two children of a pair take turns over their timed steps? In the child.

They may compile at the same time, on the same CPUs, so that other load affects both. Then each warms up while the other waits,
and they alternate their timed steps. Two pipes connect them, one in each direction. A byte sent through a pipe gives the other
child the right to run. The parent chooses at random, in advance, who begins each round, and is not involved afterwards. A
child whose partner has died or has never started continues alone. Standard library only.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bakeoff.records.turns import TURNS_FDS


@dataclass(slots=True)
class Turns:
    """One child's ends of the two pipes.

    `begins[i]`: whether this child begins round i. `waits`: whether it warms up first.
    `alone`: whether the partner has gone. `waited_s`: seconds spent waiting for the partner.
    """

    read: int
    write: int
    begins: tuple[bool, ...]
    waits: bool
    alone: bool = False
    waited_s: float = 0.0

    @classmethod
    def inherited(cls, begins: tuple[bool, ...], waits: bool) -> "Turns":
        """With the pipes that the parent opened for this process, which does not pass them on to its own children."""
        read, write = map(int, os.environ[TURNS_FDS].split(","))
        for end in (read, write):
            os.set_inheritable(end, False)
        return cls(read, write, begins, waits)

    def meet(self) -> None:
        """Wait until both children have called this."""
        self._hand_over()
        self._wait()

    def cold(self) -> None:
        """Before warming up: wait until the partner is warm, if the partner warms up first."""
        if not self.waits:
            self._wait()

    def warm(self) -> None:
        """After warming up: let the partner warm up, if it has not done so."""
        if self.waits:
            self._hand_over()

    def rounds(self) -> Iterator[tuple[int, int]]:
        """Yield (round, number of rounds) when this child may run. Asking for the next round lets the partner run."""
        turns = [own for begin in self.begins for own in (begin, not begin)]
        before = not self.waits  # the child that warmed up second has the right to run
        for turn, own in enumerate(turns):
            if own and not before:
                self._wait()
            elif before and not own:
                self._hand_over()
            if own:
                yield turn // 2, len(self.begins)
            before = own

    def finish(self) -> None:
        """If the partner has the last turn, wait until it ends, so that neither is disturbed by what the other does next."""
        while self.begins[-1] and not self.alone:  # `alone` is set at the end of the pipe
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
