"""What does a series of shapes through one compiled program take? Standard library only."""

from dataclasses import dataclass
from statistics import median

from bakeoff.records.cell import Cell
from bakeoff.records.trial import Environment, Failure, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeStep:
    """One shape of a series through one compiled program."""

    size: int
    first_s: float  # the first step of this shape, with what it compiled
    compilations: int  # by that step
    step_s: tuple[float, ...]  # afterwards
    error: float | None  # max |difference| / max |reference| to the same module run eagerly; None: not finite or another shape

    @property
    def compile_s(self) -> float:
        """What this shape cost beyond a step: first_s − median(step_s), floor 0."""
        return max(0.0, self.first_s - median(self.step_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesResult:
    """What the child found."""

    tolerance: float
    steps: tuple[ShapeStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeSeries:
    """A series of shapes through one compiled program, in a child of its own."""

    cell: Cell
    settings: Settings
    framework: str
    axis: str  # the model's field that varies
    wall_s: float
    finished_at: str
    tolerance: float | None = None
    steps: tuple[ShapeStep, ...] = ()
    failure: Failure | None = None
    environment: Environment | None = None

    @property
    def recompiled(self) -> list[int]:
        """Sizes after the first that compiled anything."""
        return [step.size for step in self.steps[1:] if step.compilations]

    @property
    def wrong(self) -> list[int]:
        """Sizes whose output is not the module's own."""
        return [s.size for s in self.steps if s.error is None or (self.tolerance is not None and s.error > self.tolerance)]
