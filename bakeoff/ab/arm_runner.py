"""How does one arm of an A/B session measure its cells? With its own children, started as in any other session."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bakeoff.analysis.results import by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell
from bakeoff.records.trial import Status, Trial
from bakeoff.runner.cells import CellRunner, Ready
from bakeoff.runner.group import Member
from bakeoff.runner.launch import Launcher
from bakeoff.runner.plan import PlannedCell
from bakeoff.runner.session import TIMING
from bakeoff.runner.store import RunFolder
from bakeoff.runner.task import AddsToTrials


@dataclass(slots=True)
class ArmRunner:
    """Runs the children of one arm, or of the A/A control, which is a copy of the baseline."""

    cells: CellRunner
    models: discovery.Registry[Source]
    stacks: discovery.Registry[StackSource]
    trials: list[Trial] = field(default_factory=list)

    @property
    def launcher(self) -> Launcher:
        """Starts the children."""
        return self.cells.launcher

    @property
    def folder(self) -> RunFolder:
        """The folder in which its trials are saved."""
        return self.cells.folder

    def planned(self, cell: Cell) -> PlannedCell | None:
        """The cell with its files in this arm; None if the arm has no such model or stack."""
        if cell.model not in self.models.names or cell.stack not in self.stacks.names:
            return None
        return PlannedCell(cell, self.models[cell.model], self.stacks[cell.stack])

    def prepare(self, cell: Cell) -> tuple[PlannedCell, Ready]:
        """Prepare what the cell needs before its child starts, once."""
        planned = self.planned(cell)
        assert planned is not None
        return planned, self.cells.ready(planned)

    def member(self, cell: Cell, index: int, group: str) -> Member[tuple["ArmRunner", Trial]]:
        """The member of a group that runs one trial. Its result is this runner and the trial, which is not kept yet."""
        planned, ready = self.prepare(cell)
        return Member(lambda seat: (self, self.cells.trial(planned, index, ready, seat=seat, group=group)))

    def keep(self, trial: Trial) -> None:
        """Add a trial and save it at once."""
        if self.launcher.cancelled.is_set():
            return  # stopped by an interrupt, so this is no result of the cell
        self._save(trial)
        self.trials.append(trial)

    def added(self, task: AddsToTrials, cells: Collection[Cell]) -> Iterator[tuple[Trial, float]]:
        """Add what a task's child finds to the first trial of each of these cells. Yields it, and the child's wall time."""
        first = {t.cell: t for t in reversed(self.trials) if t.cell in cells}
        rows = {planned: trial for cell, trial in first.items() if (planned := self.planned(cell))}
        for after, wall_s in task.added(self.cells, rows):
            self.trials[self.trials.index(first[after.cell])] = after
            self._save(after)
            yield after, wall_s

    def _save(self, trial: Trial) -> None:
        self.folder.save(TIMING, f"{trial.cell}-{trial.index}-{trial.start}", trial)


def drop_incomplete_pairs(arms: tuple[ArmRunner, ArmRunner], cells: Collection[Cell]) -> None:
    """Remove trials of `cells` (which both arms have) that have no partner, as an interrupt leaves them."""
    present = [{(t.cell, t.index) for t in arm.trials} for arm in arms]
    for arm in arms:
        arm.trials[:] = [t for t in arm.trials if t.cell not in cells or (t.cell, t.index) in present[0] & present[1]]


def control_cell(cells: Collection[Cell], baseline: ArmRunner, control: ArmRunner) -> Cell | None:
    """The cell whose groups have an A/A control next.

    It keeps its cell until that fails, and then takes one that has not failed, of an eager stack if there is one.
    """
    baseline_statuses, control_statuses = (
        {c: result.status for c, result in by_cell(arm.trials).items()} for arm in (baseline, control)
    )
    left = [c for c in cells if all(found.get(c, Status.OK).was_timed for found in (baseline_statuses, control_statuses))]
    begun = [c for c in left if c in control_statuses]
    suitable = begun or left
    return next((c for c in suitable if baseline.stacks[c.stack].eager), suitable[0] if suitable else None)
