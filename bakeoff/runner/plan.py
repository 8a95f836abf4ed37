"""What is to be measured and diagnosed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured."""

    settings: Settings
    models: Sequence[Source]
    stacks: Sequence[StackSource]
    modes: Sequence[Mode]
    trials: int = 1
    warm: bool = True  # also from the disk caches that a cold trial left, where the stack has some
    all_stacks: Sequence[StackSource] = ()  # where an eager reference may come from
    interpreters: Mapping[str, str] = field(default_factory=dict)
    cells: frozenset[Cell] | None = None  # only these of models × stacks × modes; None for all
    only_diagnosed: frozenset[Cell] = frozenset()  # further ones that are not timed
    gallery: Sequence[Source] = ()  # their models
    all_models: Sequence[Source] = ()
    shaped: frozenset[Cell] = frozenset()  # cells that a series of shapes goes through
    axis: str = "batch_size"  # the models' field that varies in it
    shapes: tuple[int, ...] = (8, 9, 10, 16, 33, 64)
    verify: bool = True  # further trials for cells that did not settle
    verify_within_s: float = math.inf  # none begins later than this after the start of the run, whatever is still unsteady
    diagnose: bool = True
    machine_peak: bool = False  # measure what the machine reaches at most, too
    artifacts: Path | None = None  # keep generated code there

    def selected(self) -> list[tuple[Cell, Source, StackSource]]:
        """The cells in order: model by model."""
        every = [(Cell(m.name, s.name, mode), m, s) for mode in self.modes for m in self.models for s in self.stacks]
        return [row for row in every if self.cells is None or row[0] in self.cells]

    def to_diagnose(self) -> list[tuple[Cell, Source, StackSource]]:
        """The cells whose stacks can tell more, timed or not."""
        if self.settings.target:  # one child does both: nothing is timed that a collector could slow
            return []
        rows = self.selected() if self.diagnose else []
        known = {cell for cell, *_ in rows}
        every = [(Cell(m.name, s.name, mode), m, s) for mode in Mode for m in self.gallery for s in self.all_stacks]
        rows += [row for row in every if row[0] in self.only_diagnosed - known]
        return [row for row in rows if row[2].diagnoses]

    def stacks_used(self) -> list[StackSource]:
        """Each stack once."""
        return list(dict.fromkeys(row[2] for row in (*self.selected(), *self.to_diagnose(), *self.to_shape())))

    def to_shape(self) -> list[tuple[Cell, Source, StackSource]]:
        """The cells that a series of shapes goes through."""
        every = [(Cell(m.name, s.name, mode), m, s) for mode in Mode for m in self.all_models for s in self.all_stacks]
        return [row for row in every if row[0] in self.shaped]
