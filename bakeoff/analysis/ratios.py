"""Which of two cells is faster, and by how much? From the rounds that they ran side by side, with interval and verdict. Pure.

A ratio is of speeds: step time of the other cell / step time of this one. Per round it is the ratio of the mean steps of two
slices, moments apart; per group the median over the rounds; over groups the mean. Logarithms are used throughout.

What separates two processes of the same program (memory layout, threads, caches) does not show in rounds, only between groups.
Two groups tell little about it, so the variance of a pair of cells is moderated by that of all pairs of the run, among them
the A/A control, and by a default (Smyth 2004, Linear models and empirical Bayes methods, eq. 3). docs/decisions/0015-ratios.md
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from statistics import fmean, median, variance

from bakeoff.analysis.intervals import spread
from bakeoff.analysis.pace import rounds
from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status, Trial

BAND = 0.02
# A bound is read after two groups, and again after four where a question was open. Each reading has this error probability, so
# that an interval that was read twice covers with 95 % (Pocock 1977: 0.0294 for both bounds of each of two readings).
RISK = 0.0147
DEFAULT_SD = 0.0075  # between processes, of the logarithm of a ratio, while nothing is known
DEFAULT_DF = 4.0  # weight of the variance of all pairs beside that of one pair, in degrees of freedom
# quantile of Student's t that is exceeded with probability RISK, by degrees of freedom (scipy.special.stdtrit)
QUANTILES = {4: 3.3192, 5: 3.0205, 6: 2.8443, 7: 2.7286, 8: 2.6468, 9: 2.5861, 10: 2.5393, 12: 2.4717, 15: 2.4073, 20: 2.3459}
QUANTILES |= {30: 2.2873, 60: 2.2314, 120: 2.2044}


class SpeedVerdict(StrEnum):
    """Is a cell faster than another one?"""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"  # within the band
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Speed of one cell / speed of another. `log` and `error` (standard error) are logarithms, `freedom` degrees of freedom."""

    log: float
    error: float
    freedom: float
    groups: int
    band: float = BAND

    @property
    def value(self) -> float:
        return math.exp(self.log)

    @property
    def low(self) -> float:
        return math.exp(self.log - self.half_width)

    @property
    def high(self) -> float:
        return math.exp(self.log + self.half_width)

    @property
    def half_width(self) -> float:
        """Of the interval of the logarithm."""
        return quantile(self.freedom) * self.error

    @property
    def verdict(self) -> SpeedVerdict:
        """SAME if the interval is within the band; else FASTER or SLOWER if it does not contain 1."""
        band = math.log1p(self.band)
        if -band <= self.log - self.half_width and self.log + self.half_width <= band:
            return SpeedVerdict.SAME
        if self.low > 1:
            return SpeedVerdict.FASTER
        return SpeedVerdict.SLOWER if self.high < 1 else SpeedVerdict.UNDECIDED

    @property
    def decided(self) -> bool:
        return self.verdict is not SpeedVerdict.UNDECIDED

    def with_groups(self, groups: int) -> "Ratio":
        """As it may be expected to be with more groups."""
        more = groups - self.groups
        error = self.error * math.sqrt(self.groups / groups)
        return Ratio(log=self.log, error=error, freedom=self.freedom + more, groups=groups, band=self.band)

    def may_be_decided(self, groups: int) -> bool:
        """Is it undecided, and may so many groups decide it?"""
        return not self.decided and self.with_groups(groups).decided


def quantile(freedom: float) -> float:
    """Quantile of Student's t that is exceeded with probability RISK; between the entries of QUANTILES those of the smaller."""
    return QUANTILES[max((known for known in QUANTILES if known <= freedom), default=min(QUANTILES))]


@dataclass(frozen=True, slots=True)
class _GroupRatio:
    """Of two members of one group. `error`: standard error of the median over the rounds."""

    log: float
    error: float


@dataclass(frozen=True)
class Ratios:
    """All ratios of a run. `controls`: the trials of the A/A control."""

    results: Mapping[Cell, CellResult]
    controls: Sequence[Trial] = ()
    band: float = BAND
    _known: dict[tuple[Cell, Cell], list[_GroupRatio]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, trials: Iterable[Trial], band: float = BAND, *, results: Mapping[Cell, CellResult] | None = None) -> "Ratios":
        """Of the trials of a run. `results`: what `by_cell` makes of them, if it is known."""
        every = list(trials)
        return cls(by_cell(every) if results is None else results, [t for t in every if t.control], band)

    def between(self, cell: Cell, other: Cell) -> Ratio | None:
        """Speed of `cell` / speed of `other`. None if one of them has no speed, or if no group had both."""
        if cell == other:
            return Ratio(log=0.0, error=0.0, freedom=DEFAULT_DF, groups=len(self._timed(cell)), band=self.band)
        found = self._pairs(cell, other)
        return self._ratio(found) if found else None

    def over_eager(self, cell: Cell) -> Ratio | None:
        """Speed of a cell / speed of the eager stack of its framework."""
        eager = self.eager(cell)
        return None if eager is None else self.between(cell, eager)

    def eager(self, cell: Cell) -> Cell | None:
        """The cell of the eager stack of the same framework."""
        own = self.results.get(cell)
        same = (r for r in self.row(cell.model, cell.mode) if own is not None and r.framework == own.framework)
        return next((r.cell for r in same if r.eager and r.status is Status.OK), None)

    def row(self, model: str, mode: Mode) -> list[CellResult]:
        """The results of one model in one mode."""
        return [r for cell, r in self.results.items() if (cell.model, cell.mode) == (model, mode)]

    def best(self, model: str, mode: Mode, among: Collection[str] | None = None) -> Cell | None:
        """The cell with the highest speed, if speeds can be compared.

        `among`: names of stacks; None: all that run a model alone. None if no cell has a speed, or if there are several, and no
        group had two of them.
        """
        able = self._able(model, mode, among)
        groups = {cell: {trial.group for trial in self._timed(cell)} - {None} for cell in able}
        beside = {cell: sum(cell == other or not groups[cell].isdisjoint(groups[other]) for other in able) for cell in able}
        best = max(able, key=beside.__getitem__, default=None)  # in split groups: one that can be compared with most others
        if best is None or beside[best] < min(2, len(able)):
            return None
        for cell in able:
            ratio = self.between(cell, best)
            if ratio is not None and ratio.log > 0:
                best = cell
        return best

    def over_best(self, cell: Cell, among: Collection[str] | None = None) -> Ratio | None:
        """Speed of a cell / speed of the best one of its model and mode."""
        best = self.best(cell.model, cell.mode, among)
        return None if best is None or self.results[cell].status is not Status.OK else self.between(cell, best)

    def winners(self, model: str, mode: Mode, among: Collection[str] | None = None) -> list[str]:
        """The stacks that cannot be told apart from the best one, the best one first."""
        best = self.best(model, mode, among)
        if best is None:
            return []
        others = [cell for cell in self._able(model, mode, among) if cell != best]
        over = [(cell, ratio) for cell in others if (ratio := self.between(cell, best)) is not None]
        near = sorted((-ratio.log, cell.stack) for cell, ratio in over if ratio.verdict is not SpeedVerdict.SLOWER)
        return [best.stack, *(stack for _, stack in near)]

    def never_beside_best(self, model: str, mode: Mode) -> list[str]:
        """The stacks with a speed that no group had together with the best one, as happens where groups were split."""
        best = self.best(model, mode)
        able = self._able(model, mode, None)
        return [cell.stack for cell in able if best is not None and cell != best and self.between(cell, best) is None]

    @cached_property
    def control(self) -> Ratio | None:
        """Speed of the A/A control / speed of the cell that it is a copy of: 1, but for noise. None without a control."""
        return self._ratio(self._control_pairs) if self._control_pairs else None

    @cached_property
    def _control_pairs(self) -> list[_GroupRatio]:
        """One per group that had the control and the cell that it is a copy of."""
        pairs = [(x, y) for x in self.controls if x.cell in self.results for y in self.results[x.cell].measured]
        return [ratio for x, y in pairs if x.group == y.group and (ratio := _of_group(x, y)) is not None]

    def _able(self, model: str, mode: Mode, among: Collection[str] | None) -> list[Cell]:
        """The cells that have a speed; without those of several workers, if `among` does not name them."""
        able = [r for r in self.row(model, mode) if r.status is Status.OK]
        return [r.cell for r in able if (r.trials[0].workers is None if among is None else r.cell.stack in among)]

    def _timed(self, cell: Cell) -> list[Trial]:
        result = self.results.get(cell)
        return result.measured if result is not None and result.status is Status.OK else []

    def _pairs(self, cell: Cell, other: Cell) -> list[_GroupRatio]:
        """One per group that had both. They are computed once."""
        if (cell, other) not in self._known:
            groups: dict[int, list[_GroupRatio]] = {}
            for x in self._timed(cell):
                for y in self._timed(other):
                    if x.group is not None and x.group == y.group and (ratio := _of_group(x, y)) is not None:
                        groups.setdefault(x.index, []).append(ratio)
            self._known[cell, other] = [parts[0] for parts in groups.values()]
        return self._known[cell, other]

    def _ratio(self, found: Sequence[_GroupRatio]) -> Ratio:
        groups, own = len(found), len(found) - 1
        between = variance([ratio.log for ratio in found]) if own else 0.0
        moderated = (DEFAULT_DF * self._variance + own * between) / (DEFAULT_DF + own)
        within = fmean(ratio.error**2 for ratio in found)
        return Ratio(
            log=fmean(ratio.log for ratio in found),
            error=math.sqrt(max(moderated, within) / groups),
            freedom=DEFAULT_DF + own,
            groups=groups,
            band=self.band,
        )

    @cached_property
    def _variance(self) -> float:
        """Between processes, of the logarithm of a ratio: of all cells over their eager, and of the control."""
        found: list[tuple[float, int]] = []  # variance, degrees of freedom
        for cell in self.results:
            eager = self.eager(cell)
            logs = [ratio.log for ratio in self._pairs(cell, eager)] if eager is not None and eager != cell else []
            if len(logs) > 1:
                found.append((variance(logs), len(logs) - 1))
        if control := self._control_pairs:
            found.append((fmean(ratio.log**2 for ratio in control), len(control)))
        total = sum(freedom for _, freedom in found)
        # a median, since a few cells may differ much more than the others; that of chi-squared / freedom is below 1
        typical = median(v / CHI_SQUARED.get(freedom, 1.0) for v, freedom in found) if found else 0.0
        return (DEFAULT_DF * DEFAULT_SD**2 + total * typical) / (DEFAULT_DF + total)


# median of chi-squared / its degrees of freedom (scipy.special.chdtri)
CHI_SQUARED = {1: 0.4549, 2: 0.6931, 3: 0.7887, 4: 0.8392, 5: 0.8703}


def _of_group(trial: Trial, other: Trial) -> _GroupRatio | None:
    """Speed of one member / speed of another, over the rounds of their group."""
    if trial.measurement is None or other.measurement is None:
        return None
    logs = [
        math.log(y / x) for x, y in zip(rounds(trial.measurement), rounds(other.measurement), strict=False) if x > 0 and y > 0
    ]
    if not logs:
        return None
    return _GroupRatio(median(logs), 1.2533 * spread(logs) / math.sqrt(len(logs)))


def undecided_cells(trials: Iterable[Trial], cells: Collection[Cell], band: float, most: int) -> set[Cell]:
    """The cells that another group should measure, because a question about them is open that `most` groups may decide.

    The questions are: is it faster than eager, and is it among the winners? With each such cell come those that it is
    compared with. Empty if there is none.
    """
    ratios = Ratios.of(trials, band)
    wanted: set[Cell] = set()
    for cell in cells:
        others = (ratios.eager(cell), ratios.best(cell.model, cell.mode))
        for other in others:
            ratio = ratios.between(cell, other) if other is not None and other != cell else None
            if ratio is not None and ratio.may_be_decided(most):
                wanted |= {cell, *(each for each in others if each is not None)}
    return wanted
