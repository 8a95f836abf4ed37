"""What is stored of a series of shapes? Standard library only."""

from dataclasses import dataclass
from statistics import median

from bakeoff.records.cell import Cell
from bakeoff.records.trial import Environment, Failure, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeStep:
    """One shape of a series through one compiled program."""

    size: int
    first_s: float  # seconds of the first step with this shape, including compilation
    compilations: int  # number of compilations in that step
    step_s: tuple[float, ...]  # seconds of each later step
    error: float | None  # max |difference| / max |eager output|; None: not finite, or an output of another shape

    @property
    def compile_s(self) -> float:
        """Seconds that this shape costs beyond a step: first_s − median(step_s), at least 0."""
        return max(0.0, self.first_s - median(self.step_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesResult:
    """What the child returns. `tolerance`: largest error of a correct output."""

    tolerance: float
    steps: tuple[ShapeStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeSeries:
    """A series of shapes through one compiled program, in a child of its own."""

    cell: Cell
    settings: Settings
    framework: str
    axis: str  # the field of the model that varies
    wall_s: float  # of the whole child
    finished_at: str
    tolerance: float | None = None
    steps: tuple[ShapeStep, ...] = ()
    failure: Failure | None = None
    environment: Environment | None = None

    @property
    def recompiled(self) -> list[int]:
        """The sizes, except the first, for which something was compiled."""
        return [step.size for step in self.steps[1:] if step.compilations]

    @property
    def wrong(self) -> list[int]:
        """The sizes whose output differs from the eager output by more than the tolerance."""
        return [s.size for s in self.steps if s.error is None or (self.tolerance is not None and s.error > self.tolerance)]
