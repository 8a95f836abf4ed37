"""What is stored of an export? Standard library only."""

from dataclasses import dataclass, field

from bakeoff.records.cell import Cell
from bakeoff.records.trial import Environment, Failure, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What the child returns."""

    export_s: float  # seconds from the built program to files on disk
    files: dict[str, int]  # relative path → bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The program of a cell in a deployment format, for children without the model's code; or the failure of the export."""

    cell: Cell
    settings: Settings
    exporter: str  # the eager stack whose program was exported
    framework: str  # its framework
    wall_s: float  # of the whole child
    finished_at: str
    export_s: float | None = None  # seconds from the built program to files on disk
    files: dict[str, int] = field(default_factory=dict)  # relative path → bytes: what is deployed
    failure: Failure | None = None
    environment: Environment | None = None

    @property
    def artifact_bytes(self) -> int:
        """Size of all files together."""
        return sum(self.files.values())
