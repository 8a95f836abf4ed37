"""What is stored of the machine peak? Standard library only."""

from dataclasses import dataclass

from bakeoff.records.trial import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakResult:
    """What the child returns."""

    flops_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePeak:
    """The peak of this machine, in a child with the threads of a cell: the best of many products, and of many copies."""

    threads: int
    measured_at: str
    flops_per_s: float | None = None  # numpy's float32 matrix product
    bytes_per_s: float | None = None  # read and written by copies much larger than the caches
    failure: Failure | None = None
