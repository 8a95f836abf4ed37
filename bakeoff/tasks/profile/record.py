"""What is stored of a profile? Only files: times under a profiler are not measurements. Standard library only."""

from dataclasses import dataclass, field
from pathlib import Path

from bakeoff.records.cell import Cell
from bakeoff.records.trial import Environment, Failure

PROFILED_STEPS = 6  # three times each of the rotating batches: enough to see what repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileResult:
    """What the child returns."""

    files: dict[str, int]  # path in the sandbox's folder for artifacts → bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The profile of a cell: files in `folder`, or a failure."""

    cell: Cell
    folder: Path
    wall_s: float  # of the whole child
    files: dict[str, int] = field(default_factory=dict)  # path in `folder` → bytes
    failure: Failure | None = None
    environment: Environment | None = None
