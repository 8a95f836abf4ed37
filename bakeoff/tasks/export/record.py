"""What was exported in one deployment format, and what it took. Standard library only."""

from dataclasses import dataclass, field

from bakeoff.records.cell import Cell
from bakeoff.records.trial import Environment, Failure, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What the child wrote."""

    export_s: float  # from the built program to files on disk
    files: dict[str, int]  # relative path → bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What a child with the model's code wrote in one deployment format, for children without it; or why there is nothing."""

    cell: Cell
    settings: Settings
    exporter: str  # the eager stack whose program was exported
    framework: str  # its framework
    wall_s: float  # of the whole child
    finished_at: str
    export_s: float | None = None  # from the built program to files on disk
    files: dict[str, int] = field(default_factory=dict)  # relative path → bytes: what is deployed
    failure: Failure | None = None
    environment: Environment | None = None

    @property
    def artifact_bytes(self) -> int:
        """Of all files together."""
        return sum(self.files.values())
