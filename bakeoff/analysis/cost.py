"""Which stacks take the least time for a number of steps, compiling included? Pure: for the command line and for reports.

total(N) = compile_s + N × step_s, by the definitions of bakeoff.analysis.results; importing the framework and building the
model are not part of it. Speeds are compared by their ratios (bakeoff.analysis.ratios), so that stacks that cannot be told
apart win together. A stack that was not measured side by side with the others cannot be ranked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bakeoff.analysis.ratios import Ratio, Ratios, SpeedVerdict
from bakeoff.analysis.results import CellResult
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status

COMPILE_NOISE = 0.10  # relative, from process to process: as [sessions] in experiments/budgets.toml
MOST_COUNTED_STEPS = 1e15  # no larger number is counted: a file written by hand may hold any number


@dataclass(frozen=True, slots=True)
class Span:
    """A number, and the bounds between which it may lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Total:
    """The time that a number of steps takes with one stack, compiling included. `wins`: no other is shown to take less."""

    result: CellResult
    steps: int
    span: Span
    wins: bool

    @property
    def seconds(self) -> float:
        return self.span.value


@dataclass(frozen=True, slots=True)
class FastestFrom:
    """The stack that takes the least time from this number of steps on, until the next range begins."""

    result: CellResult
    from_steps: int
    earliest: int  # bounds of from_steps
    latest: int


@dataclass(frozen=True, slots=True)
class BreakEven:
    """After how many steps compiling has paid for itself. `steps` is None for never, and where that is not decided."""

    decided: bool
    steps: int | None = None
    earliest: int | None = None
    latest: int | None = None

    def __str__(self) -> str:
        if not self.decided:
            return "not decided"
        if self.steps is None:
            return "never pays back"
        return f"pays back after {self.steps:,} steps ({self.earliest:,} to {self.latest:,})"


class Costs:
    """What the stacks of one model and mode cost. `among`: names of stacks, or None for all. `warm`: from disk caches."""

    def __init__(
        self, ratios: Ratios, model: str, mode: Mode, among: Sequence[str] | None = None, *, warm: bool = False
    ) -> None:
        self._ratios, self._warm = ratios, warm
        able = [r for r in ratios.row(model, mode) if r.status is Status.OK and (among is None or r.cell.stack in among)]
        best = ratios.best(model, mode, [r.cell.stack for r in able])
        self._best = None if best is None else ratios.results[best]
        self.ranked = [r for r in able if best is not None and ratios.between(r.cell, best) is not None]
        self.alone = [r.cell.stack for r in able if r not in self.ranked]  # not measured side by side with the best one

    def totals(self, steps: int) -> list[Total]:
        """Of each stack, the least first."""
        spans = {r.cell: self._total(r, steps) for r in self.ranked}
        if not spans:
            return []
        first = min(self.ranked, key=lambda r: spans[r.cell].value)
        found = [Total(r, steps, spans[r.cell], self._may_be_as_good(r, first, steps)) for r in self.ranked]
        return sorted(found, key=lambda total: total.seconds)

    def ranges(self) -> list[FastestFrom]:
        """Which stack takes the least time from how many steps on, from 1 upwards. One follows another only if it is faster."""
        if not self.ranked:
            return []
        now = min(self.ranked, key=lambda r: (self._compiling(r).value, r.step_s))
        ranges, others = [FastestFrom(now, 1, 1, 1)], [r for r in self.ranked if r is not now]
        while later := [(r, paid) for r in others if (paid := self._overtakes(r, now)) is not None]:
            now, paid = min(later, key=lambda pair: (pair[1].steps or 0, self._speed(pair[0])))
            others.remove(now)
            begins, earliest, latest = (max(1, steps or 0) for steps in (paid.steps, paid.earliest, paid.latest))
            if ranges[-1].from_steps >= begins:  # its range would contain no whole step
                ranges.pop()
            ranges.append(FastestFrom(now, begins, earliest, latest) if ranges else FastestFrom(now, 1, 1, latest))
        return ranges

    def _overtakes(self, result: CellResult, before: CellResult) -> BreakEven | None:
        """When `result` has taken less time than `before`; None if it never does, or if that is not decided."""
        ratio = self._ratios.between(result.cell, before.cell)
        if ratio is None or ratio.verdict is not SpeedVerdict.FASTER:
            return None
        return paid_after(self._compiling(result), self._compiling(before), before.step_s, ratio)

    def _speed(self, result: CellResult) -> float:
        """The inverse of its speed over the best one's."""
        ratio = self._over_best(result)
        return 1 / ratio.value

    def _over_best(self, result: CellResult) -> Ratio:
        assert self._best is not None
        ratio = self._ratios.between(result.cell, self._best.cell)
        assert ratio is not None  # it is in `ranked`
        return ratio

    def _total(self, result: CellResult, steps: int) -> Span:
        compile_s, ratio = self._compiling(result), self._over_best(result)
        assert self._best is not None
        step_s = self._best.step_s
        parts = ((compile_s.value, ratio.value), (compile_s.low, ratio.high), (compile_s.high, ratio.low))
        return Span(*(once + steps * step_s / speed for once, speed in parts))

    def _may_be_as_good(self, result: CellResult, first: CellResult, steps: int) -> bool:
        """Is it not shown to take more time than `first`, or only by less than the band?"""
        ratio = self._ratios.between(result.cell, first.cell)
        if result is first or ratio is None:  # None: no group had both, only each of them and the best one
            return True
        own, best = self._compiling(result), self._compiling(first)
        low = own.low - best.high + steps * first.step_s * (1 / ratio.high - 1)
        high = own.high - best.low + steps * first.step_s * (1 / ratio.low - 1)
        return low <= 0 or high <= self._ratios.band * self._total(first, steps).value

    def _compiling(self, result: CellResult) -> Span:
        return compiling(result, warm=self._warm)


def break_even(ratios: Ratios, cell: Cell) -> BreakEven | None:
    """Against the eager stack of the same framework; None for that stack itself, and where there is no ratio."""
    eager, ratio = ratios.eager(cell), ratios.over_eager(cell)
    if eager is None or eager == cell or ratio is None:
        return None
    if not ratio.decided or ratio.verdict is SpeedVerdict.SAME:
        return BreakEven(decided=False)
    if ratio.verdict is SpeedVerdict.SLOWER:
        return BreakEven(decided=True)
    result, other = ratios.results[cell], ratios.results[eager]
    return paid_after(compiling(result), compiling(other), other.step_s, ratio)


def paid_after(compile_s: Span, other_compile_s: Span, other_step_s: float, ratio: Ratio) -> BreakEven:
    """After how many steps of a program that is faster, by `ratio`, its longer compiling has paid for itself."""

    def steps(more_s: float, ratio: float) -> int:
        return math.ceil(min(MOST_COUNTED_STEPS, max(0.0, more_s) / (other_step_s * (1 - 1 / ratio))))

    return BreakEven(
        decided=True,
        steps=steps(compile_s.value - other_compile_s.value, ratio.value),
        earliest=steps(compile_s.low - other_compile_s.high, ratio.high),
        latest=steps(compile_s.high - other_compile_s.low, ratio.low),
    )


def compiling(result: CellResult, *, warm: bool = False) -> Span:
    """Seconds of compiling, with bounds: differences between processes, but at least COMPILE_NOISE, and at least a step."""
    value, each = result.compile_s, result.compiles_s
    if warm and result.warm_compile_s is not None:
        value = result.warm_compile_s
        each = [t.measurement.compile_s for t in result.warm if t.measurement is not None]
    off = max(COMPILE_NOISE * value, result.step_s)
    return Span(value, max(0.0, min(*each, value - off)), max(*each, value + off))
