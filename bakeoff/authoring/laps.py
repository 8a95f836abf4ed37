"""Parts of the first call that a stack times itself, for the phases of its diagnostics."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Laps:
    """Parts of the first call that a stack can tell apart only by standing beside them: name → ns, in order."""

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self.ns: dict[str, int] = {}
        self._clock = clock

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Time the block; equal names add up."""
        start = self._clock()
        try:
            yield
        finally:
            self.ns[name] = self.ns.get(name, 0) + self._clock() - start
