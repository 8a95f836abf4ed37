"""What is to be done in a run? Which cells are timed, and which cells each further task gets."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bakeoff.analysis.ratios import BAND
from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell, and the files of its model and stack."""

    cell: Cell
    model: Source
    stack: StackSource


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """What one task is to do: its cells, and its options."""

    cells: tuple[PlannedCell, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The plan as text. Equal plans have equal texts: --resume continues a run only if this text is the same."""
        cells = sorted(str(planned.cell) for planned in self.cells)
        return " ".join([*cells, *(f"{name}={value}" for name, value in sorted(self.options.items()))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured."""

    settings: Settings
    models: Sequence[Source]
    stacks: Sequence[StackSource]
    modes: Sequence[Mode]
    trials: int = 1  # groups of each model
    most_trials: int | None = None  # up to so many, while a question is open that another group may decide; None: `trials`
    warm: bool = True  # stacks with disk caches start from those of the first group in the second one
    control: bool = False  # an A/A control in the groups of the first model
    band: float = BAND  # speeds whose ratio differs from 1 by less are the same
    all_stacks: Sequence[StackSource] = ()  # the eager ones among them may compute the reference
    all_models: Sequence[Source] = ()
    gallery: Sequence[Source] = ()  # the selected models that have a known graph break
    interpreters: Mapping[str, str] = field(default_factory=dict)  # framework → path of its Python, if it is not this one
    cells: frozenset[Cell] | None = None  # time only these cells of models × stacks × modes; None: all of them
    tasks: Mapping[str, TaskPlan] = field(default_factory=dict)  # by name of the task; only these tasks are run
    further_within_s: float = math.inf  # after so many seconds of the run, no further group than `trials` is started

    def selected(self) -> list[PlannedCell]:
        """The cells to be timed, or compiled for the target, in the order of measurement: by mode, then model, then stack."""
        every = [PlannedCell(Cell(m.name, s.name, mode), m, s) for mode in self.modes for m in self.models for s in self.stacks]
        return [planned for planned in every if self.cells is None or planned.cell in self.cells]

    def may_go_on(self, started: float) -> bool:
        """May a further group begin? `started`: when the run began, by time.monotonic()."""
        return time.monotonic() - started <= self.further_within_s

    def found(self, cell: Cell) -> PlannedCell:
        """The files of a cell, of all models and stacks. Raises StopIteration if there is no such model or stack."""
        model = next(m for m in (*self.models, *self.all_models) if m.name == cell.model)
        return PlannedCell(cell, model, next(s for s in (*self.stacks, *self.all_stacks) if s.name == cell.stack))

    def identity(self) -> list[str]:
        """The cells and tasks, as texts. --resume compares them, and the settings, with those of the unfinished run."""
        cells = [f"{p.cell}{' warm' * (self.warm and p.stack.disk_cache)}" for p in self.selected()]
        return sorted([*cells, *(f"{name}: {task}" for name, task in self.tasks.items())])
