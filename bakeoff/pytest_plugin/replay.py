"""Samples that a child measured → pytest-benchmark, by its public API alone, exact to the last bit.

pytest-benchmark times a round as timer() − timer() around one call. If the call does nothing but move this clock forward by
a duration that a child measured, the round is that duration. Each round starts from 0.0, so that no sample loses a bit.
"""

from collections.abc import Sequence
from typing import Any


class ReplayClock:
    """A timer whose time passes only on request. The one piece of module state here, and it is reset every round."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def rewind(self) -> None:
        self.now = 0.0


child_clock = ReplayClock()
# pytest-benchmark saves a timer under its module and name; an instance has no __name__ of its own to declare
child_clock.__name__ = "child_perf_counter"  # type: ignore[attr-defined]


def replay(benchmark: Any, samples: Sequence[float]) -> None:
    """Record `samples` (seconds) as the rounds of `benchmark`. The test is marked `benchmark(timer=child_clock)`."""
    rest = iter(samples)

    def advance() -> None:
        child_clock.now = next(rest, 0.0)

    benchmark.pedantic(advance, setup=child_clock.rewind, rounds=len(samples))
