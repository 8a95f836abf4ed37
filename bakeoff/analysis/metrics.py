"""What is known of a cell as a number? One definition per metric: every table, chart, file and verdict iterates over METRICS.

A metric of something that trials already record is one definition here, and nothing anywhere else.
"""

from collections.abc import Callable, Sequence
from statistics import median

from bakeoff.analysis import formatting
from bakeoff.analysis import metric_values as values
from bakeoff.analysis.metric import JudgedBy, Metric, MetricPart, TableLine, Unit
from bakeoff.analysis.results import CellResult, tenth_percentile
from bakeoff.records.trial import SUCCEEDED, TIMED, Status

CELL = "cell"  # in budgets.toml and comparisons: the cell itself, which may be missing or broken


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


def _count(
    name: str,
    title: str,
    read: Callable[[CellResult], float | None],
    *,
    zero_is_ideal: bool = False,
    parts: tuple[MetricPart, ...] = (),
) -> Metric:
    """A count from a cell's diagnosis, which cells without a speed may have too."""
    return Metric(
        name=name,
        title=title,
        unit=Unit.COUNT,
        judged_by=JudgedBy.EXACT,
        words=("fewer", "more"),
        number=read,
        statuses=None,
        zero_is_ideal=zero_is_ideal,
        parts=parts,
        tag=f"diagnostics/{name}",
    )


TIME = ("faster", "slower")
MEMORY = ("less", "more")
ALL: tuple[Metric, ...] = (
    Metric(
        name="throughput",
        title="throughput",
        unit=Unit.PER_SECOND,
        higher_is_better=True,
        words=("slower", "faster"),
        number=lambda result: result.throughput,
        hyperparameters=True,
        affected_by_contention=True,
        parts=(MetricPart(line=TableLine.SPEED, legend="items/s", text=formatting.per_second),),
        tag="throughput/items_per_s",
    ),
    Metric(
        name="step",  # contention only adds time, so that a low percentile is the steadiest
        title="step",
        unit=Unit.SECONDS,
        judged_by=JudgedBy.INTERVAL,
        words=TIME,
        affected_by_contention=True,
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
        affected_by_contention=True,
        of_samples=median,
        hyperparameters=True,
        tag="step/median_s",
    ),
    Metric(
        name="compile_cold_wall",
        title="compile time, cold",
        unit=Unit.SECONDS,
        words=TIME,
        affected_by_contention=True,
        number=values.compile_s,
        statuses=SUCCEEDED,
        hyperparameters=True,
        parts=(
            MetricPart(line=TableLine.COMPILE, legend="compile s cold", text=formatting.compile_seconds, statuses=SUCCEEDED),
        ),
        tag="compile/cold_s",
    ),
    Metric(
        name="compile_warm_wall",
        title="compile time, warm",
        unit=Unit.SECONDS,
        words=TIME,
        affected_by_contention=True,
        number=lambda result: result.warm_compile_s,
        hyperparameters=True,
        parts=(MetricPart(line=TableLine.COMPILE, legend="(warm from disk)", text=formatting.warm_compile_seconds),),
        tag="compile/warm_s",
    ),
    Metric(
        name="compile_cold",
        title="compile cold, CPU",
        unit=Unit.SECONDS,
        judged_by=JudgedBy.INTERVAL,
        words=TIME,
        affected_by_contention=True,
        per_trial=values.compile_cpu_s,
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
        affected_by_contention=True,
        per_trial=values.warm_compile_cpu_s,
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
        parts=(
            MetricPart(line=TableLine.MEMORY, legend="MiB above the import: compile peak", text=formatting.whole_mebibytes),
        ),
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
        parts=(
            MetricPart(
                line=TableLine.MEMORY,
                legend="steady",
                separator=", ",
                text=lambda value: f"{int(value) >> 20} MiB",
                missing="? MiB",
            ),
        ),
        tag="memory/steady_peak_bytes",
    ),
    Metric(
        name="device_step",
        title="step, the GPU's own time",
        unit=Unit.SECONDS,
        words=TIME,
        number=lambda result: result.device_step_s,
        statuses=TIMED,
        parts=(
            MetricPart(
                line=TableLine.DEVICE,
                legend="the GPU's own time for a step in a queue of steps",
                text=lambda value: f"device {formatting.seconds(value)}",
                statuses=TIMED,
            ),
        ),
        tag="step/device_s",
    ),
    Metric(
        name="device_peak",
        title="memory of the device, peak",
        unit=Unit.BYTES,
        words=MEMORY,
        number=lambda result: result.device_peak_bytes,
        statuses=TIMED,
        parts=(
            MetricPart(
                line=TableLine.DEVICE,
                position=2,
                legend="peak of its memory",
                separator=", ",
                text=lambda value: f"{int(value) >> 20} MiB",
                statuses=TIMED,
            ),
        ),
        tag="memory/device_peak_bytes",
    ),
    _count(
        "breaks",
        "graph breaks",
        values.captured("break_count"),
        zero_is_ideal=True,
        parts=(MetricPart(line=TableLine.OUTPUT, legend="breaks", text=formatting.whole, missing="–", statuses=SUCCEEDED),),
    ),
    _count("graphs", "graphs", values.captured("graphs")),
    _count("recompiles", "recompiles", values.captured("recompiles"), zero_is_ideal=True),
    _count(
        "kernels",
        "kernels",
        values.compiled("kernels"),
        parts=(
            MetricPart(
                line=TableLine.KERNELS,
                legend="kernels",
                text=formatting.kernels,
                missing="? kernels",
                number=values.kernels_for_target,
                statuses=(Status.COMPILED,),
            ),
        ),
    ),
    _count("library_calls", "library calls", values.compiled("library_calls")),
    _count(  # of a kernel compiled for a target
        "registers",
        "registers, most",
        values.assembled("registers"),
        parts=(
            MetricPart(
                line=TableLine.RESOURCES,
                legend="registers",
                text=lambda value: f"{value:.0f} reg",
                missing="",
                statuses=(Status.COMPILED,),
            ),
        ),
    ),
    _count(
        "spill_bytes",
        "bytes spilled",
        values.assembled("spill_bytes"),
        zero_is_ideal=True,
        parts=(
            MetricPart(
                line=TableLine.RESOURCES,
                legend="bytes spilled",
                separator=", ",
                text=lambda value: f"{value:.0f} B spilled",
                statuses=(Status.COMPILED,),
            ),
        ),
    ),
    Metric(
        name="parity",
        title="parity error",
        unit=Unit.ERROR,
        judged_by=JudgedBy.LEVEL,
        words=("smaller", "larger"),
        number=values.parity_error,
        statuses=SUCCEEDED,
        hyperparameters=True,
        parts=(
            MetricPart(
                line=TableLine.OUTPUT,
                legend="parity error",
                separator=" · ",
                text=lambda value: f"{value:.0e}",
                statuses=SUCCEEDED,
            ),
        ),
        tag="parity/error",
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in ALL}
SPEED = "step"  # the metric by which cells are said to have been compared at all
THROUGHPUT = "throughput"  # the metric that the report draws against compile time
