"""What a comparison says: verdicts, changes, and the rules they are made by (docs/decisions/0006-a-verdict.md)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bakeoff.analysis import intervals
from bakeoff.analysis.metrics import METRICS, Judged, Metric
from bakeoff.records.cell import Cell

ALARM = 0.005  # that any comparison of an unchanged matrix is called worse; and as much that one is called better
MISS = 0.025  # per comparison and bound, that an unchanged one is not called the same, or a change missed
Budget = Callable[[Cell, Metric], float]


class Verdict(StrEnum):
    """Of one metric of one cell, from the baseline to the candidate."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "too noisy to say"
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
    floor: float | None = None  # A/A: how far two halves of one run's trials lie apart, as a ratio − 1
    trials: tuple[int, int] = (0, 0)
    more: int | None = None  # of an undecided one: trials per run (pairs, if paired) with which it would be decided
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All changes between two runs, and what stands beside them."""

    changes: tuple[Change, ...]
    floors: Mapping[str, float] = field(default_factory=dict)  # metric → the A/A floor that 19 of 20 cells stay below
    notes: tuple[str, ...] = ()
    only_compiled: bool = False  # both runs are of cells compiled for a target

    @property
    def timed_cells(self) -> int:
        """Cells whose speed was compared."""
        return sum(c.metric == "step" and c.ratio is not None for c in self.changes)

    @property
    def counted_cells(self) -> int:
        """Cells that have no speed, and whose counts were compared: those compiled for a target."""
        counted = {c.cell for c in self.changes if METRICS.get(c.metric) and METRICS[c.metric].judged is Judged.EXACT}
        return len(counted - {c.cell for c in self.changes if c.metric == "step"}) if self.only_compiled else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How two runs are judged."""

    budget: Budget
    alarm: float = ALARM
    session_sd: Mapping[str, float] = field(default_factory=dict)  # of the logarithm of a metric, from session to session
    pairs: bool = False  # values of equal position were measured as a pair
    looks: tuple[int, ...] = ()  # numbers of pairs after which the verdicts are read
    tests: int | None = None  # judged comparisons in the whole matrix; counted where None
    metrics: Sequence[str] = tuple(METRICS)

    @property
    def alarm_risk(self) -> float:
        """Of one bound at one look. A look with too few pairs for a finite bound cannot err, and gets no share."""
        each = self.alarm / max(1, self.tests or 1)
        return each / max(1, sum(pairs >= intervals.least_pairs(each) for pairs in self.looks))

    @property
    def miss_risk(self) -> float:
        """Of one bound at one look."""
        return MISS / max(1, len(self.looks))
