"""What is known of a cell as a number? One definition per metric: every table, chart, file and verdict iterates over METRICS.

To add a metric, add a definition here, and nothing anywhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from bakeoff.analysis import formatting
from bakeoff.analysis.results import CellResult, tenth_percentile
from bakeoff.records.trial import Status

CELL = "cell"  # in budgets.toml and comparisons: the cell itself, which may be missing or broken


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


TEXT: dict[Unit, Callable[[float], str]] = {
    Unit.SECONDS: formatting.seconds,
    Unit.BYTES: formatting.mebibytes,
    Unit.PER_SECOND: lambda value: f"{formatting.figure(value)}/s",
    Unit.COUNT: lambda value: f"{value:.0f}",
    Unit.ERROR: lambda value: f"{value:.1e}",
}


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
        return TEXT[self.unit](value)

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


def compared() -> dict[str, Metric]:
    """Those that two runs are compared by."""
    return {name: metric for name, metric in METRICS.items() if metric.judged_by is not None}


def with_intervals() -> list[str]:
    """Names of those that have one value per process."""
    return [name for name, metric in METRICS.items() if metric.judged_by is JudgedBy.INTERVAL]


def in_pairs() -> list[str]:
    """Names of those that `bakeoff ab` can measure."""
    return [name for name in with_intervals() if METRICS[name].in_pairs]


def in_pairs_by_default() -> list[str]:
    """Names of those that `bakeoff ab` judges without being asked to."""
    return [name for name in in_pairs() if METRICS[name].in_pairs_by_default]


def of_samples() -> dict[str, Callable[[Sequence[float]], float]]:
    """Metric → statistic of the samples of a trial's steps."""
    return {name: metric.of_samples for name, metric in METRICS.items() if metric.of_samples is not None}


def _compile_cpu_s(result: CellResult) -> list[float]:
    """CPU time of the first calls: steadier than wall time. Eager compiles nothing."""
    return [] if result.eager else [m.first_call_cpu_s for m in result.measurements]


def _warm_compile_cpu_s(result: CellResult) -> list[float]:
    found = [] if result.eager else [t.measurement for t in result.warm]
    return [m.first_call_cpu_s for m in found if m is not None]


def _compile_s(result: CellResult) -> float:
    return result.compile_only.first_call_s if result.compile_only is not None else result.compile_s


def _captured(name: str) -> Callable[[CellResult], float | None]:
    """A count in Diagnostics. Eager captures nothing, so it has none."""

    def read(result: CellResult) -> float | None:
        found = result.diagnostics
        count: int | None = getattr(found, name) if found is not None and found.graphs is not None else None
        return count

    return read


def _compiled(name: str) -> Callable[[CellResult], float | None]:
    """A count in Compiled; a run without diagnosis does not know it."""

    def read(result: CellResult) -> float | None:
        found = result.diagnostics
        known = found is not None and found.graphs is not None and found.compiled is not None
        count: int | None = getattr(found.compiled, name) if known and found is not None else None
        return count

    return read


def _assembled(name: str) -> Callable[[CellResult], float | None]:
    """A count of kernels that were compiled for a target and assembled."""

    def read(result: CellResult) -> float | None:
        made = result.compile_only
        count: int | None = getattr(made, name) if made is not None and made.kernels else None
        return count

    return read


def _parity_error(result: CellResult) -> float | None:
    if result.compile_only is None:
        return result.parity_error
    return result.compile_only.parity.error if result.compile_only.parity else None


TIME = ("faster", "slower")
MEMORY = ("less", "more")
NUMBER = ("fewer", "more")
ALL: tuple[Metric, ...] = (
    Metric(
        name="throughput",
        title="throughput",
        unit=Unit.PER_SECOND,
        higher_is_better=True,
        words=("slower", "faster"),
        number=lambda result: result.throughput,
        hyperparameters=True,
        tag="throughput/items_per_s",
    ),
    Metric(
        name="step",  # contention only adds time, so that a low percentile is the steadiest
        title="step",
        unit=Unit.SECONDS,
        judged_by=JudgedBy.INTERVAL,
        words=TIME,
        of_samples=tenth_percentile,
        must_agree="step_typical",
        in_pairs_by_default=True,
        always_listed=True,
        tag="step/10th_percentile_s",
    ),
    Metric(
        name="step_typical",
        title="step, median",
        unit=Unit.SECONDS,
        words=TIME,
        of_samples=median,
        hyperparameters=True,
        tag="step/median_s",
    ),
    Metric(
        name="compile_cold_wall",
        title="compile time, cold",
        unit=Unit.SECONDS,
        words=TIME,
        number=_compile_s,
        statuses=(Status.OK, Status.COMPILED),
        hyperparameters=True,
        tag="compile/cold_s",
    ),
    Metric(
        name="compile_warm_wall",
        title="compile time, warm",
        unit=Unit.SECONDS,
        words=TIME,
        number=lambda result: result.warm_compile_s,
        hyperparameters=True,
        tag="compile/warm_s",
    ),
    Metric(
        name="compile_cold",
        title="compile cold, CPU",
        unit=Unit.SECONDS,
        judged_by=JudgedBy.INTERVAL,
        words=TIME,
        per_trial=_compile_cpu_s,
        floor=0.1,
        in_pairs_by_default=True,
        while_compiling=True,
        always_listed=True,
        tag="compile/cold_cpu_s",
    ),
    Metric(
        name="compile_warm",
        title="compile warm, CPU",
        unit=Unit.SECONDS,
        judged_by=JudgedBy.INTERVAL,
        words=TIME,
        per_trial=_warm_compile_cpu_s,
        floor=0.1,
        in_pairs=False,  # pairs have no warm trials
        tag="compile/warm_cpu_s",
    ),
    Metric(
        name="compile_peak",
        title="memory, compile peak",
        unit=Unit.BYTES,
        judged_by=JudgedBy.INTERVAL,
        words=MEMORY,
        per_trial=lambda result: result.above_import("compile_peak_bytes"),
        floor=8 * 2**20,  # what is less depends on the allocators, and a ratio of it means nothing
        tag="memory/compile_peak_bytes",
    ),
    Metric(
        name="steady_peak",
        title="memory, steady peak",
        unit=Unit.BYTES,
        judged_by=JudgedBy.INTERVAL,
        words=MEMORY,
        per_trial=lambda result: result.above_import("steady_peak_bytes"),
        floor=8 * 2**20,
        in_pairs_by_default=True,
        hyperparameters=True,
        tag="memory/steady_peak_bytes",
    ),
    Metric(
        name="device_peak",
        title="memory of the device, peak",
        unit=Unit.BYTES,
        words=MEMORY,
        number=lambda result: result.device_peak_bytes,
        tag="memory/device_peak_bytes",
    ),
    *(
        Metric(
            name=name,
            title=title,
            unit=Unit.COUNT,
            judged_by=JudgedBy.EXACT,
            words=NUMBER,
            number=read,
            statuses=None,
            zero_is_ideal=name in ("breaks", "recompiles", "spill_bytes"),
            tag=f"diagnostics/{name}",
        )
        for name, title, read in (
            ("breaks", "graph breaks", _captured("break_count")),
            ("graphs", "graphs", _captured("graphs")),
            ("recompiles", "recompiles", _captured("recompiles")),
            ("kernels", "kernels", _compiled("kernels")),
            ("library_calls", "library calls", _compiled("library_calls")),
            ("registers", "registers, most", _assembled("registers")),  # of a kernel compiled for a target
            ("spill_bytes", "bytes spilled", _assembled("spill_bytes")),
        )
    ),
    Metric(
        name="parity",
        title="parity error",
        unit=Unit.ERROR,
        judged_by=JudgedBy.LEVEL,
        words=("smaller", "larger"),
        number=_parity_error,
        statuses=(Status.OK, Status.COMPILED),
        hyperparameters=True,
        tag="parity/error",
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in ALL}
SPEED = "step"  # the metric by which cells are said to have been compared at all
