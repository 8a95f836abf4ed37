"""What does this machine reach at most? Standard library only."""

from dataclasses import dataclass

from bakeoff.records.trial import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakResult:
    """What the child measured."""

    flops_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePeak:
    """What this machine was measured to reach in a child like those of the run: best of many products, and of many copies."""

    threads: int
    measured_at: str
    flops_per_s: float | None = None  # numpy's float32 matrix product
    bytes_per_s: float | None = None  # read and written by copies far larger than the caches
    failure: Failure | None = None
