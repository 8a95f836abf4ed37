"""What does one arm of an A/B session measure? Its own children, by the one way from a cell to a trial."""

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bakeoff.analysis.results import by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell
from bakeoff.records.trial import TIMED, Status, Trial
from bakeoff.runner.cells import CellRunner, Ready
from bakeoff.runner.launch import Launcher
from bakeoff.runner.partner import Partner
from bakeoff.runner.plan import PlannedCell
from bakeoff.runner.session import TIMING
from bakeoff.runner.store import RunFolder
from bakeoff.tasks.diagnose.findings import diagnoses, wanted, with_findings
from bakeoff.tasks.diagnose.record import Diagnosis


@dataclass(slots=True)
class ArmRunner:
    """One arm's children, or those of one of the control's two copies of the baseline."""

    cells: CellRunner
    models: discovery.Registry[Source]
    stacks: discovery.Registry[StackSource]
    trials: list[Trial] = field(default_factory=list)

    @property
    def launcher(self) -> Launcher:
        """Who starts the children."""
        return self.cells.launcher

    @property
    def folder(self) -> RunFolder:
        """Where its trials are kept."""
        return self.cells.folder

    def planned(self, cell: Cell) -> PlannedCell | None:
        """The cell with its files in this arm; None where it has no such model or stack."""
        if cell.model not in self.models.names or cell.stack not in self.stacks.names:
            return None
        return PlannedCell(cell, self.models[cell.model], self.stacks[cell.stack])

    @property
    def timed_out(self) -> bool:
        """Did its last trial run into its time limit?"""
        last = self.trials[-1].failure
        return last is not None and last.status is Status.TIMEOUT

    def prepare(self, cell: Cell, lock: threading.Lock) -> tuple[PlannedCell, Ready]:
        """What the cell needs before its child starts; had once, by one thread at a time: `lock` is the session's."""
        planned = self.planned(cell)
        assert planned is not None
        with lock:
            return planned, self.cells.ready(planned)

    def trial(self, cell: Cell, index: int, partner: Partner | None, lock: threading.Lock) -> None:
        """One trial, kept at once."""
        planned, ready = self.prepare(cell, lock)
        trial = self.cells.trial(planned, index, ready, partner=partner)
        if self.launcher.cancelled.is_set():
            return  # stopped by an interrupt: it says nothing of the cell
        self._save(trial)
        self.trials.append(trial)

    def diagnosed(self, cells: Collection[Cell]) -> Iterator[Diagnosis]:
        """The first trial of each of these cells, with what a diagnosing child finds."""
        first = {t.cell: t for t in reversed(self.trials) if t.cell in cells}
        rows = [planned for cell, trial in first.items() if wanted(trial) and (planned := self.planned(cell))]
        for diagnosis in diagnoses(self.cells, [planned for planned in rows if planned.stack.diagnoses]):
            trial = first[diagnosis.cell]
            after = self.trials[self.trials.index(trial)] = with_findings(trial, diagnosis)
            self._save(after)
            yield diagnosis

    def _save(self, trial: Trial) -> None:
        self.folder.save(TIMING, f"{trial.cell}-{trial.index}-{trial.start}", trial)


def drop_incomplete_pairs(sides: tuple[ArmRunner, ArmRunner], cells: Collection[Cell]) -> None:
    """Of `cells`, which both arms have: an interrupt leaves a trial without its partner, and that compares nothing."""
    there = [{(t.cell, t.index) for t in side.trials} for side in sides]
    for side in sides:
        side.trials[:] = [t for t in side.trials if t.cell not in cells or (t.cell, t.index) in there[0] & there[1]]


def control_cell(cells: Collection[Cell], baseline: ArmRunner, control: tuple[ArmRunner, ArmRunner]) -> Cell | None:
    """The control's next: the cell that it has, until that fails; then one that has not, of an eager stack if there is one."""
    mine, *both = [{c: result.status for c, result in by_cell(side.trials).items()} for side in (baseline, *control)]
    left = [c for c in cells if all(found.get(c, Status.OK) in TIMED for found in both)]
    fit = [c for c in left if c in both[0]] or [c for c in left if mine.get(c, Status.OK) in TIMED]
    return next((c for c in fit if baseline.stacks[c.stack].eager), fit[0] if fit else None)
