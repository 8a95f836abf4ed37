"""Where and why does a cell break? Standard library only."""

from dataclasses import dataclass

from bakeoff.records.cell import Cell
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.trial import Environment, Failure, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisResult:
    """What the child found; a refusal of the model has both."""

    diagnostics: Diagnostics | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a diagnosing child found of one cell; of a measured cell it is joined into its first trial."""

    cell: Cell
    settings: Settings
    framework: str
    wall_s: float
    finished_at: str
    diagnostics: Diagnostics | None = None
    failure: Failure | None = None  # unsupported with diagnostics: a finding
    environment: Environment | None = None
