"""What do comparisons need of a cell? Computed once, when the run is saved, by the definitions of bakeoff.analysis.metrics.

A run of 500 cells holds a million samples; its summaries are a few thousand numbers.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from bakeoff.analysis.metric import JudgedBy, Metric
from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.ratios import Ratios
from bakeoff.analysis.results import CellResult, RecordedStatus
from bakeoff.analysis.steady import Steadiness
from bakeoff.analysis.trust import Trust
from bakeoff.records.cell import Cell
from bakeoff.records.trial import Environment, Settings, Status, Trial

_NAME = re.compile(r"\w{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioSummary:
    """Speed over the framework's eager stack, as in Ratio: logarithm, standard error, degrees of freedom."""

    log: float
    error: float
    freedom: float
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSummary:
    """One cell of one run. `values`, `counts` and `levels` hold the metrics by name, according to how they are judged."""

    cell: Cell
    status: Status
    reason: str
    framework: str
    settings: Settings
    environment: Environment | None
    trials: int
    eager: bool = False
    values: dict[str, list[float]] = field(default_factory=dict)  # one value per trial
    counts: dict[str, int] = field(default_factory=dict)  # without noise
    levels: dict[str, float] = field(default_factory=dict)
    parity: float | None = None  # only in runs saved before `levels` were: __post_init__ moves it there
    block: int = 1  # successive steps that a sample of step time is the mean of
    cpu_share: float = 1.0  # this and the next three: see Trust
    verified: bool = False
    noise: float = 0.0
    reference: bool = True
    ratio_eager: RatioSummary | None = None  # None for eager stacks, and in runs without groups
    steady_from: int | None = None  # step after the first call; None in runs saved before this was

    def __post_init__(self) -> None:
        if self.parity is not None:
            object.__setattr__(self, "levels", {"parity": self.parity} | self.levels)

    @property
    def trust(self) -> Trust:
        """How far these numbers can be trusted: the same property as CellResult's."""
        return Trust(cpu_share=self.cpu_share, noise=self.noise, verified=self.verified, reference=self.reference)

    def all_of(self, metric: Metric) -> list[float]:
        """Everything that is known of a metric: one value per trial, or one number; empty if nothing is."""
        if metric.name in self.values:
            return self.values[metric.name]
        return [float(known[metric.name]) for known in (self.counts, self.levels) if metric.name in known]

    def problem(self) -> str:
        """Why this cannot be a summary: it may come from a file that was written by hand. Empty if it can."""
        if not (_NAME.fullmatch(self.cell.model) and _NAME.fullmatch(self.cell.stack)):
            return "a cell's model or stack has a name that is not made of letters, digits and underscores"
        for name, values in self.values.items():
            least = 1e-12 if name in METRICS and METRICS[name].of_samples else 0.0  # no step takes no time
            if not all(least <= value < 1e18 for value in values):
                return f"{name} of {self.cell} has a value that is negative, zero or beyond all bounds"
        for metric in METRICS.values():
            other = metric.must_agree
            if other and len(self.values.get(metric.name, ())) != len(self.values.get(other, ())):
                return f"{metric.name} of {self.cell} lacks its {other}"
        ratio = self.ratio_eager
        if ratio is not None and not (abs(ratio.log) < 50 and 0 < ratio.error < 50 and 1 <= ratio.freedom < 1e6):
            return f"the ratio of {self.cell} to eager is beyond all bounds"
        if not all(0 <= count < 2**53 for count in self.counts.values()):
            return f"{self.cell} has a count that is negative or beyond all bounds"
        if self.environment is not None and not 0 <= self.environment.memory_bytes < 2**60:
            return f"the machine of {self.cell} has a memory beyond all bounds"
        return ""


def recorded(found: Iterable[CellSummary]) -> dict[Cell, RecordedStatus]:
    """Statuses that a saved run's summaries hold, so that reading its trials need not compute them again."""
    return {
        s.cell: RecordedStatus(
            s.status, s.reason, Steadiness(s.status is not Status.UNSTEADY, s.steady_from, s.verified, "", s.noise)
        )
        for s in found
        if s.steady_from is not None
    }


def of_trials(trials: Iterable[Trial]) -> list[CellSummary]:
    """The summary of each cell."""
    ratios = Ratios.of(trials)
    return [of_result(result, ratios) for result in ratios.results.values()]


def of_result(result: CellResult, ratios: Ratios | None = None) -> CellSummary:
    """A cell that is not ok has no values, only its status and the counts of its diagnosis. `ratios`: of the run."""
    over = None if ratios is None or result.eager else ratios.over_eager(result.cell)
    trust = result.trust
    measured = bool(result.measurements)
    numbers = {metric: metric.value(result) for metric in METRICS.values() if metric.judged_by is not None}
    known = {metric: number for metric, number in numbers.items() if number is not None}
    return CellSummary(
        cell=result.cell,
        status=result.status,
        reason=result.reason,
        framework=result.framework,
        settings=result.trials[0].settings,
        environment=next((t.environment for t in result.trials if t.environment is not None), None),
        trials=len(result.trials),
        eager=result.eager,
        values=_values(result),
        counts={metric.name: int(number) for metric, number in known.items() if metric.judged_by is JudgedBy.EXACT},
        levels={metric.name: number for metric, number in known.items() if metric.judged_by is JudgedBy.LEVEL},
        ratio_eager=None
        if over is None
        else RatioSummary(log=over.log, error=over.error, freedom=over.freedom, groups=over.groups),
        steady_from=result.steadiness.start if measured else 0,
        verified=trust.verified if measured else False,
        noise=trust.noise if result.status is Status.OK else 0.0,
        reference=trust.reference,
        cpu_share=trust.cpu_share,
        block=max((m.steps_per_sample for m in result.measurements), default=1),
    )


def _values(result: CellResult) -> dict[str, list[float]]:
    """Of the metrics with an interval, and of those that must agree with one."""
    wanted = [m for m in METRICS.values() if m.judged_by is JudgedBy.INTERVAL]
    wanted += [METRICS[m.must_agree] for m in wanted if m.must_agree]
    found = {metric: metric.values(result) for metric in wanted}
    return {metric.name: [max(metric.floor, float(v)) for v in values] for metric, values in found.items() if values}
