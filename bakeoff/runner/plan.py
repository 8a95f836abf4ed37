"""What is to be measured, and what else is to be asked of which cells?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell, and the files that it comes from."""

    cell: Cell
    model: Source
    stack: StackSource


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """Of one kind of job: which cells, and what its options say."""

    cells: tuple[PlannedCell, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The same text for the same plan: --resume goes on with nothing else."""
        cells = sorted(str(planned.cell) for planned in self.cells)
        return " ".join([*cells, *(f"{name}={value}" for name, value in sorted(self.options.items()))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured."""

    settings: Settings
    models: Sequence[Source]
    stacks: Sequence[StackSource]
    modes: Sequence[Mode]
    trials: int = 1
    warm: bool = True  # also from the disk caches that a cold trial left, where the stack has some
    verify: bool = True  # further trials for cells that did not settle
    all_stacks: Sequence[StackSource] = ()  # where an eager reference may come from
    all_models: Sequence[Source] = ()
    gallery: Sequence[Source] = ()  # models made to break, as far as they are selected
    interpreters: Mapping[str, str] = field(default_factory=dict)
    cells: frozenset[Cell] | None = None  # only these of models × stacks × modes; None for all
    tasks: Mapping[str, TaskPlan] = field(default_factory=dict)  # by name; only these kinds of jobs are done
    verify_within_s: float = math.inf  # no further trial begins later than this after the start of the run

    def selected(self) -> list[PlannedCell]:
        """The cells to be timed (or compiled for the target) in order: model by model."""
        every = [PlannedCell(Cell(m.name, s.name, mode), m, s) for mode in self.modes for m in self.models for s in self.stacks]
        return [planned for planned in every if self.cells is None or planned.cell in self.cells]

    def found(self, cell: Cell) -> PlannedCell:
        """Any cell of all models and stacks. StopIteration where there is no such model or stack."""
        model = next(m for m in (*self.models, *self.all_models) if m.name == cell.model)
        return PlannedCell(cell, model, next(s for s in (*self.stacks, *self.all_stacks) if s.name == cell.stack))

    def stacks_used(self) -> list[StackSource]:
        """Each stack once."""
        planned = [*self.selected(), *(cell for task in self.tasks.values() for cell in task.cells)]
        return list(dict.fromkeys(cell.stack for cell in planned))

    def identity(self) -> list[str]:
        """What --resume compares beside the settings."""
        return sorted([*(str(p.cell) for p in self.selected()), *(f"{name}: {task}" for name, task in self.tasks.items())])
