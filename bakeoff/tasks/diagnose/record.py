"""What is stored of a diagnosis? Standard library only."""

from dataclasses import dataclass

from bakeoff.records.cell import Cell
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.trial import Environment, Failure, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisResult:
    """What the child returns. Both fields are set if the stack refused the model."""

    diagnostics: Diagnostics | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a diagnosing child found of one cell. Findings of a timed cell are stored in its first trial instead."""

    cell: Cell
    settings: Settings
    framework: str
    wall_s: float
    finished_at: str
    diagnostics: Diagnostics | None = None
    failure: Failure | None = None  # with diagnostics: the stack refused the model, and they say where
    environment: Environment | None = None
