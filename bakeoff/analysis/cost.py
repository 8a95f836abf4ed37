"""Which stack takes the least time for a number of steps, compiling included? Pure: for the command line and for reports.

total(N) = compile_s + N × step_s, by the definitions of bakeoff.analysis.results; importing the framework and building the
model are not part of it. Uncertain cases are reported as "cannot be told apart". A stack that had too little of its CPUs is
neither a winner nor a loser: its real total may be lower than what was measured.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bakeoff.analysis.results import CellResult
from bakeoff.records.trial import Status

COMPILE_NOISE = 0.10  # relative, from process to process: as [sessions] in experiments/budgets.toml


@dataclass(frozen=True, slots=True)
class Span:
    """A number, and the bounds between which it may lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Total:
    """The time that a number of steps takes with one stack, compiling included."""

    result: CellResult
    steps: int
    span: Span

    @property
    def seconds(self) -> float:
        return self.span.value

    def near(self, other: "Total") -> bool:
        """Do the bounds overlap, so that the two cannot be told apart?"""
        return self.span.low <= other.span.high and other.span.low <= self.span.high


@dataclass(frozen=True, slots=True)
class FastestFrom:
    """The stack that takes the least time from this number of steps on, until the next range begins."""

    result: CellResult
    from_steps: int
    earliest: int  # lower bound of from_steps, from both stacks' noise
    latest: int | None  # upper bound; None: perhaps never


def totals(results: Iterable[CellResult], steps: int, *, warm: bool = False) -> list[Total]:
    """Of each stack that has a speed, the least first. `warm`: with disk caches, where the stack has them."""
    found = []
    for result in _fit(results):
        compile_s, step_s = compiling(result, warm=warm), stepping(result)
        parts = ((compile_s.value, step_s.value), (compile_s.low, step_s.low), (compile_s.high, step_s.high))
        found.append(Total(result, steps, Span(*(once + steps * each for once, each in parts))))
    return sorted(found, key=lambda total: total.seconds)


@dataclass(frozen=True, slots=True)
class Choice:
    """The winner, or why none is named."""

    winner: Total | None
    undecided: str = ""


def choose(ranking: Sequence[Total]) -> Choice:
    """The stack with the least total, unless one that cannot be compared might have taken less.

    `ranking` is what totals() returned.
    """
    sure = [total for total in ranking if total.result.trust.speed_can_be_compared]
    doubtful = [total for total in ranking if not total.result.trust.speed_can_be_compared]
    if not ranking:
        return Choice(None, "no stack has a speed")
    possible = [total for total in doubtful if not sure or total.span.low <= sure[0].span.high]
    if possible:
        return Choice(None, _undecided([total.result for total in possible]))
    return Choice(sure[0])


def undecided_ranges(results: Iterable[CellResult], *, warm: bool = False) -> str:
    """Why crossings() names nobody: a stack that cannot be compared might take the least time for some number of steps."""
    there = _fit(results)
    ranges = _envelope([r for r in there if r.trust.speed_can_be_compared], warm=warm)
    possible = [r for r in there if not r.trust.speed_can_be_compared and _may_win(r, ranges, warm=warm)]
    return _undecided(possible) if possible else ""


def _may_win(doubtful: CellResult, ranges: Sequence[FastestFrom], *, warm: bool) -> bool:
    """Might it take less than the fastest stack for some number of steps?

    The least totals are concave and its own are a line, so that it suffices to look at the ends of the ranges.
    """
    if not ranges:
        return True
    compile_s, step_s = compiling(doubtful, warm=warm), stepping(doubtful)
    if step_s.low < stepping(ranges[-1].result).high:
        return True
    for fastest in ranges:
        best_compile, best_step = compiling(fastest.result, warm=warm), stepping(fastest.result)
        if compile_s.low + fastest.from_steps * step_s.low <= best_compile.high + fastest.from_steps * best_step.high:
            return True
    return False


def _undecided(possible: Sequence[CellResult]) -> str:
    named = ", ".join(f"{r.cell.stack} ({r.trust.cpu_share:.0%})" for r in possible)
    return f"other work ran beside the measurement, and stacks that may be the fastest had a CPU for too little of it: {named}"


def crossings(results: Iterable[CellResult], *, warm: bool = False) -> list[FastestFrom]:
    """Which stack takes the least time from how many steps on, from 1 upwards; empty where undecided_ranges() says why."""
    there = _fit(results)
    if undecided_ranges(there, warm=warm):
        return []
    return _envelope([r for r in there if r.trust.speed_can_be_compared], warm=warm)


def _envelope(there: Sequence[CellResult], *, warm: bool) -> list[FastestFrom]:
    """The lower envelope of the totals."""
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
        if len(ranges) > 1 and ranges[-1].from_steps == begins:  # its range would contain no whole step
            ranges.pop()
        ranges.append(FastestFrom(now, begins, max(1, math.floor(early) + 1), late))
    return ranges


def stepping(result: CellResult) -> Span:
    """Seconds of a step, with bounds: differences between processes, variation that stays unnoticed, time without a CPU."""
    steadiness, trust = result.steadiness, result.trust
    each = [median(steadiness.samples(m)) for m in result.measurements]
    variation = trust.step_tolerance / 2
    value = result.step_s
    low = min(*each, value * (1 - min(1.0, variation)))
    if not trust.speed_can_be_compared:  # alone it would have taken its CPU time
        low *= trust.cpu_share
    return Span(value, low, max(*each, value * (1 + variation)))


def compiling(result: CellResult, *, warm: bool = False) -> Span:
    """Seconds of compiling, with bounds: differences between processes, but at least COMPILE_NOISE, and at least a step."""
    value = result.compile_s
    each = result.compiles_s
    if warm and result.warm_compile_s is not None:
        value = result.warm_compile_s
        each = [t.measurement.compile_s for t in result.warm if t.measurement is not None]
    off = max(COMPILE_NOISE * value, result.step_s)
    low = max(0.0, min(*each, value - off))
    return Span(value, low if result.trust.speed_can_be_compared else low * result.trust.cpu_share, max(*each, value + off))


def _fit(results: Iterable[CellResult]) -> list[CellResult]:
    return [result for result in results if result.status is Status.OK]
