"""Which stack for so many steps? The choice, from figures that are there. Pure: for the command line and for reports.

total(N) = compile_s + N × step_s, by the definitions of bakeoff.analysis.results; imports and building the model are
in neither. What
is said of noise errs on the side of "cannot be told apart".
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from bakeoff.analysis.results import CellResult
from bakeoff.analysis.steady import TOLERANCE, TOLERANCE_UNVERIFIED
from bakeoff.records.trial import Status

COMPILE_NOISE = 0.10  # of one process's compile time about the next one's: as [sessions] in experiments/budgets.toml


@dataclass(frozen=True, slots=True)
class Span:
    """A figure, and between what it may lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Total:
    """What so many steps take with one stack, compiling included."""

    result: CellResult
    steps: int
    span: Span

    @property
    def seconds(self) -> float:
        return self.span.value

    def near(self, other: "Total") -> bool:
        """Can the two not be told apart?"""
        return self.span.low <= other.span.high and other.span.low <= self.span.high


@dataclass(frozen=True, slots=True)
class FastestFrom:
    """From this number of steps on a stack is the fastest, until the next one is."""

    result: CellResult
    from_steps: int
    earliest: int  # by what is known of both stacks' noise
    latest: int | None  # the same; None: perhaps never


def totals(results: Iterable[CellResult], steps: int, *, warm: bool = False) -> list[Total]:
    """Of each stack that has a speed, the fastest first. `warm`: from disk caches, where the stack has some."""
    found = []
    for result in _fit(results):
        compile_s, step_s = compiling(result, warm=warm), stepping(result)
        parts = ((compile_s.value, step_s.value), (compile_s.low, step_s.low), (compile_s.high, step_s.high))
        found.append(Total(result, steps, Span(*(once + steps * each for once, each in parts))))
    return sorted(found, key=lambda total: total.seconds)


def crossings(results: Iterable[CellResult], *, warm: bool = False) -> list[FastestFrom]:
    """Who is the fastest from how many steps on, from 1 upwards: the lower envelope of the totals."""
    there = _fit(results)
    if not there:
        return []
    cost = {id(r): (compiling(r, warm=warm), stepping(r)) for r in there}
    now = min(there, key=lambda r: (cost[id(r)][0].value + r.step_s, r.step_s))
    ranges = [FastestFrom(now, 1, 1, 1)]
    while faster := [r for r in there if r.step_s < now.step_s]:
        old_compile, old_step = cost[id(now)]
        at = {id(r): (cost[id(r)][0].value - old_compile.value) / (old_step.value - r.step_s) for r in faster}
        now = min(faster, key=lambda r: (at[id(r)], r.step_s))
        new_compile, new_step = cost[id(now)]
        begins = math.floor(at[id(now)]) + 1
        early = (new_compile.low - old_compile.high) / (old_step.high - new_step.low)
        gain = old_step.low - new_step.high
        late = math.floor(max(0.0, new_compile.high - old_compile.low) / gain) + 1 if gain > 0 else None
        if len(ranges) > 1 and ranges[-1].from_steps == begins:  # it would reign over no whole step
            ranges.pop()
        ranges.append(FastestFrom(now, begins, max(1, math.floor(early) + 1), late))
    return ranges


def stepping(result: CellResult) -> Span:
    """Seconds of a step: what its processes differ by, and what a process's step time may wander by unnoticed."""
    steadiness = result.steadiness
    each = [median(steadiness.samples(m)) for m in result.measurements]
    wander = max(steadiness.noise, TOLERANCE if steadiness.verified else TOLERANCE_UNVERIFIED) / 2
    value = result.step_s
    return Span(value, min(*each, value * (1 - min(1.0, wander))), max(*each, value * (1 + wander)))


def compiling(result: CellResult, *, warm: bool = False) -> Span:
    """Seconds of compiling: what its processes differ by, and no less than one process says of the next, or than a step."""
    value = result.compile_s
    each = result.compiles_s
    if warm and result.warm_compile_s is not None:
        value = result.warm_compile_s
        each = [t.measurement.compile_s for t in result.warm if t.measurement is not None]
    off = max(COMPILE_NOISE * value, result.step_s)
    return Span(value, max(0.0, min(*each, value - off)), max(*each, value + off))


def _fit(results: Iterable[CellResult]) -> list[CellResult]:
    return [result for result in results if result.status is Status.OK]
