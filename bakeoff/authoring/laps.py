"""How long does each part of the first call take? For stacks whose framework does not count its phases."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Laps:
    """Times parts of the first call. `ns`: name of the part → nanoseconds, in the order of the parts."""

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self.ns: dict[str, int] = {}
        self._clock = clock

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Time a block. The times of blocks with the same name are added."""
        start = self._clock()
        try:
            yield
        finally:
            self.ns[name] = self.ns.get(name, 0) + self._clock() - start
