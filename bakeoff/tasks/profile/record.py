"""What did a framework's profiler leave of a cell? No figure of it is a measurement. Standard library only."""

from dataclasses import dataclass, field
from pathlib import Path

from bakeoff.records.cell import Cell
from bakeoff.records.trial import Environment, Failure

PROFILED_STEPS = 6  # three turns of the rotating batches: enough to see what repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileResult:
    """What the child left."""

    files: dict[str, int]  # path in the sandbox's folder for artifacts → bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What came of profiling a cell: files in `folder`, or a failure."""

    cell: Cell
    folder: Path
    wall_s: float
    files: dict[str, int] = field(default_factory=dict)  # path in `folder` → bytes
    failure: Failure | None = None
    environment: Environment | None = None
