"""What does a comparison say? Verdicts, changes, and the rules by which they are made (docs/decisions/0006-a-verdict.md)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bakeoff.analysis import intervals
from bakeoff.analysis.metric import JudgedBy, Metric
from bakeoff.analysis.metrics import METRICS, SPEED, compared, with_intervals
from bakeoff.records.cell import Cell

# probability that any comparison of an unchanged matrix is called worse; and the same for better
FAMILY_WISE_ERROR_RATE = 0.005
MISS = 0.025  # probability per comparison and bound that an unchanged one is not called the same, or a change is missed
Budget = Callable[[Cell, Metric], float]


class Verdict(StrEnum):
    """Of one metric of one cell, from the baseline to the candidate. These words are in JSON and CSV; text has the metric's."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    NEW = "new"
    GONE = "gone"
    BROKEN = "broken"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One metric of one cell between two runs. `low` and `high` bound the ratio: 1 − 2·MISS of intervals cover it."""

    cell: Cell
    metric: str
    verdict: Verdict
    baseline: float | None = None  # median over trials, in the metric's unit
    candidate: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    budget: float | None = None
    floor: float | None = None  # A/A: difference between the two halves of one run's trials, as a ratio − 1
    trials: tuple[int, int] = (0, 0)
    more: int | None = None  # of an undecided one: trials per run (pairs, if paired) that would decide it
    note: str = ""

    @property
    def words(self) -> str:
        """The verdict in the metric's own words: faster, slower, fewer, more."""
        metric = METRICS.get(self.metric)
        if metric is None or self.verdict not in (Verdict.BETTER, Verdict.WORSE):
            return str(self.verdict)
        return metric.word_for_better if self.verdict is Verdict.BETTER else metric.word_for_worse


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All changes between two runs, and notes on them."""

    changes: tuple[Change, ...]
    floors: Mapping[str, float] = field(default_factory=dict)  # metric → 95th percentile of the cells' A/A floors
    notes: tuple[str, ...] = ()
    of_speed: bool = True  # whether speeds were to be compared
    only_compiled: bool = False  # both runs are of cells compiled for a target

    @property
    def timed_cells(self) -> int:
        """Cells whose speed was compared; where no speed was asked for, cells with any other metric that has an interval."""
        if not self.of_speed:
            return len({c.cell for c in self.changes if c.ratio is not None and c.metric in with_intervals()})
        return sum(c.metric == SPEED and c.ratio is not None for c in self.changes)

    @property
    def counted_cells(self) -> int:
        """Cells without a speed whose counts were compared: those compiled for a target."""
        counted = {c.cell for c in self.changes if METRICS.get(c.metric) and METRICS[c.metric].judged_by is JudgedBy.EXACT}
        return len(counted - {c.cell for c in self.changes if c.metric == SPEED}) if self.only_compiled else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How two runs are judged."""

    budget: Budget
    family_wise_error_rate: float = FAMILY_WISE_ERROR_RATE
    session_sd: Mapping[str, float] = field(default_factory=dict)  # of the logarithm of a metric, from session to session
    pairs: bool = False  # values at the same position were measured as a pair
    interim_analyses: tuple[int, ...] = ()  # numbers of pairs after which verdicts are read
    tests: int | None = None  # comparisons in the whole matrix; None: counted
    metrics: Sequence[str] = field(default_factory=lambda: tuple(compared()))

    @property
    def change_risk(self) -> float:
        """Error probability of one bound at one interim analysis, for calling a change.

        An analysis with too few pairs for a finite bound cannot err, and gets no share.
        """
        each = self.family_wise_error_rate / max(1, self.tests or 1)
        return each / max(1, sum(pairs >= intervals.least_pairs(each) for pairs in self.interim_analyses))

    @property
    def miss_risk(self) -> float:
        """Error probability of one bound at one interim analysis, for denying a change."""
        return MISS / max(1, len(self.interim_analyses))
