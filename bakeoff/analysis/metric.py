"""What is a metric? How it is read from a cell's result, judged, and written in each table, chart and file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from statistics import median

from bakeoff.analysis import formatting
from bakeoff.analysis.results import CellResult
from bakeoff.records.trial import Status


class JudgedBy(StrEnum):
    """How two runs are compared. INTERVAL: one value per process, judged by the interval of their ratio.

    EXACT: a count that has no noise. LEVEL: one number that may grow by a factor.
    """

    INTERVAL = "interval"
    EXACT = "exact"
    LEVEL = "level"


class Unit(StrEnum):
    """What a number counts; it decides how the number is written."""

    SECONDS = "s"
    BYTES = "bytes"
    PER_SECOND = "items/s"
    COUNT = ""
    ERROR = "error"  # relative, dimensionless


@dataclass(frozen=True, slots=True)
class UnitFormat:
    """How numbers of a unit are written: in text, and by which entry of `formats` in report/draw.js."""

    text: Callable[[float], str]
    in_page: str


UNITS: dict[Unit, UnitFormat] = {
    Unit.SECONDS: UnitFormat(formatting.seconds, "seconds"),
    Unit.BYTES: UnitFormat(formatting.mebibytes, "mib"),
    Unit.PER_SECOND: UnitFormat(lambda value: f"{formatting.figure(value)}/s", "speed"),
    Unit.COUNT: UnitFormat(lambda value: f"{value:.0f}", "count"),
    Unit.ERROR: UnitFormat(lambda value: f"{value:.1e}", "error"),
}


class TableLine(IntEnum):
    """The lines of a cell of the matrix table, from the first. A line of another number stands between them."""

    COMPILE = 10
    SPEED = 20
    RATIOS = 30
    KERNELS = 32
    RESOURCES = 34
    OUTPUT = 40
    MEMORY = 50
    DEVICE = 60
    STATUS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePart:
    """A number in a cell of the matrix table. Parts with the same `line` share it, in the order of `position`."""

    line: int
    legend: str
    position: int = 0
    separator: str = " "  # between the part and the one before it on its line
    legend_separator: str | None = None  # the same in the legend; None: as in the cell
    statuses: tuple[Status, ...] = (Status.OK,)  # of cells that show it


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPart(TablePart):
    """A metric as a part of the table."""

    text: Callable[[float], str]  # the value as text
    missing: str | None = None  # printed where there is no value; None: nothing, and no line if it has no other part
    number: Callable[[CellResult], float | None] | None = None  # what is printed, if it is not the metric's own value


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: how it is read from a cell's result, judged, and written.

    It is read by one of three functions: `of_samples` from a trial's steady samples, `per_trial` as one value per trial, or
    `number` as one number per cell. `number` also replaces the median over trials where only one number is shown.
    """

    name: str  # in budgets.toml, on the command line, in saved runs
    title: str
    unit: Unit
    judged_by: JudgedBy | None = None  # None: shown, not compared between runs
    higher_is_better: bool = False
    words: tuple[str, str] = ("less", "more")  # verdicts: of a lower value, of a higher value
    of_samples: Callable[[Sequence[float]], float] | None = None
    per_trial: Callable[[CellResult], Sequence[float]] | None = None
    number: Callable[[CellResult], float | None] | None = None
    statuses: tuple[Status, ...] | None = (Status.OK,)  # of cells that have it; None: all
    floor: float = 0.0  # in comparisons a smaller value counts as this one: nobody cares about less
    must_agree: str = ""  # another metric of the same samples; if the two disagree, the verdict is undecided
    in_pairs: bool = True  # can `bakeoff ab` measure it?
    in_pairs_by_default: bool = False  # does `bakeoff ab` judge it without being asked to?
    while_compiling: bool = False  # pairs compare it only where both sides compiled at the same time
    always_listed: bool = False  # has a row in a comparison even if it is the same
    hyperparameters: bool = False  # a column in TensorBoard's table of hyperparameters
    zero_is_ideal: bool = False  # any other value is a defect: the report colours it by its own size
    affected_by_contention: bool = (
        False  # other work on the machine changes it: two runs with contention are not compared by it
    )
    parts: tuple[MetricPart, ...] = ()  # its places in the matrix table; none: it is not in the table
    tag: str = ""  # in TensorBoard

    def values(self, result: CellResult) -> list[float]:
        """One per cold trial; empty where the cell has none, or where the metric is one number per cell."""
        if self.statuses is not None and result.status not in self.statuses:
            return []
        if self.of_samples is not None:
            return [self.of_samples(result.steadiness.samples(m)) for m in result.measurements]
        return list(self.per_trial(result)) if self.per_trial is not None else []

    def value(self, result: CellResult) -> float | None:
        """The number of the cell: what tables and charts show. None where it has none."""
        if self.statuses is not None and result.status not in self.statuses:
            return None
        if self.number is not None:
            return self.number(result)
        values = self.values(result)
        return median(values) if values else None

    def formatted(self, value: float) -> str:
        """A value with its unit."""
        return UNITS[self.unit].text(value)

    def worsening(self, ratio: float) -> float:
        """A ratio of candidate to baseline, turned so that more than 1 is worse."""
        return 1 / ratio if self.higher_is_better and ratio else ratio

    @property
    def word_for_worse(self) -> str:
        return self.words[not self.higher_is_better]

    @property
    def word_for_better(self) -> str:
        return self.words[self.higher_is_better]

    @property
    def tensorboard_tag(self) -> str:
        return self.tag or f"metrics/{self.name}"
