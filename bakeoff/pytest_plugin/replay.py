"""How do samples that a child measured get into pytest-benchmark? Through its public API alone, and bit for bit.

pytest-benchmark times a round as timer() − timer() around one call. Here the call only advances the clock by a duration that a
child measured, so the round takes that duration. Each round starts at 0.0, so that no sample is rounded.
"""

from collections.abc import Sequence
from typing import Any


class ReplayClock:
    """A timer whose time advances only when set. Its one instance is module state, but is reset in every round."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def rewind(self) -> None:
        self.now = 0.0


child_clock = ReplayClock()
# pytest-benchmark saves a timer under its module and __name__, which an instance does not have
child_clock.__name__ = "child_perf_counter"  # type: ignore[attr-defined]


def replay(benchmark: Any, samples: Sequence[float]) -> None:
    """Record `samples` (seconds) as the rounds of `benchmark`. The test must be marked `benchmark(timer=child_clock)`."""
    rest = iter(samples)

    def advance() -> None:
        child_clock.now = next(rest, 0.0)

    benchmark.pedantic(advance, setup=child_clock.rewind, rounds=len(samples))
