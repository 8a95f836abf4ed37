"""How long do parts of the first call take? For a stack whose framework has no counters for its phases."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Laps:
    """Times parts of the first call: `ns` maps their names, in order, to nanoseconds."""

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self.ns: dict[str, int] = {}
        self._clock = clock

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Time the block. Blocks with the same name add up."""
        start = self._clock()
        try:
            yield
        finally:
            self.ns[name] = self.ns.get(name, 0) + self._clock() - start
