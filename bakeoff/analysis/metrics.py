"""What is compared of a cell, in which unit, and how it is judged."""

from dataclasses import dataclass
from enum import StrEnum


class Judged(StrEnum):
    """INTERVAL: one value per process, judged by the interval of the ratio. EXACT: a count that has no noise.

    LEVEL: one number that may grow by a factor.
    """

    INTERVAL = "interval"
    EXACT = "exact"
    LEVEL = "level"


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of a cell's comparison. More is worse, of all of them."""

    name: str  # in budgets.toml, on the command line, in saved runs
    title: str
    unit: str  # "s", "bytes", "" for a count
    judged: Judged


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("step", "step", "s", Judged.INTERVAL),  # 10th percentile of a process's steady steps
        Metric("compile_cold", "compile cold, CPU", "s", Judged.INTERVAL),  # first_call_cpu_s: wall time is noisier
        Metric("compile_warm", "compile warm, CPU", "s", Judged.INTERVAL),
        Metric("compile_peak", "memory, compile peak", "bytes", Judged.INTERVAL),
        Metric("steady_peak", "memory, steady peak", "bytes", Judged.INTERVAL),
        Metric("breaks", "graph breaks", "", Judged.EXACT),
        Metric("graphs", "graphs", "", Judged.EXACT),
        Metric("recompiles", "recompiles", "", Judged.EXACT),
        Metric("kernels", "kernels", "", Judged.EXACT),
        Metric("library_calls", "library calls", "", Judged.EXACT),
        Metric("registers", "registers, most", "", Judged.EXACT),  # of a kernel compiled for a target
        Metric("spill_bytes", "bytes spilt", "", Judged.EXACT),
        Metric("parity", "parity error", "", Judged.LEVEL),
    )
}
CELL = "cell"  # in budgets.toml: the cell itself, which may be gone or broken
