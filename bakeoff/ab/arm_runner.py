"""One arm of an A/B session, or one of its canary's two: where its children come from, and what they measured."""

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bakeoff.analysis.results import by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell
from bakeoff.records.trial import TIMED, Diagnosis, Failure, Start, Status, Trial
from bakeoff.runner.launch import Launcher
from bakeoff.runner.preparation import Prepared
from bakeoff.runner.store import RunFolder
from bakeoff.tasks.diagnose.parent import Diagnosing, wanted, with_findings
from bakeoff.worker.turns import Partner


@dataclass(slots=True)
class ArmRunner:
    """One arm's children, or one of the canary's two."""

    prepared: Prepared
    launcher: Launcher
    folder: RunFolder
    models: discovery.Registry[Source]
    stacks: discovery.Registry[StackSource]
    trials: list[Trial] = field(default_factory=list)

    def sources(self, cell: Cell) -> tuple[Source, StackSource] | None:
        """The cell's files in this arm; None where it has no such model or stack."""
        if cell.model not in self.models.names or cell.stack not in self.stacks.names:
            return None
        return self.models[cell.model], self.stacks[cell.stack]

    @property
    def timed_out(self) -> bool:
        """Did its last trial?"""
        last = self.trials[-1].failure
        return last is not None and last.status is Status.TIMEOUT

    def prepare(
        self, cell: Cell, lock: threading.Lock
    ) -> tuple[Source, StackSource, int | None, Failure | None, Path | None, Path | None]:
        """What the cell needs before its child starts; had once. `lock` is the session's."""
        found = self.sources(cell)
        assert found is not None
        model, stack = found
        with lock:
            if stack.one_time_cost and stack.one_time_cost not in self.prepared.seeds:
                self.prepared.once_per_machine(stack)
            baseline, unavailable = self.prepared.baseline(stack)
            artifact = None
            if stack.exported_by is not None:
                artifact, unavailable = self.prepared.artifact(cell, model, stack, unavailable)
            reference = None if unavailable else self.prepared.reference(model, cell.mode, stack.framework)
        return model, stack, baseline, unavailable, artifact, reference

    def trial(self, cell: Cell, index: int, partner: Partner | None, lock: threading.Lock) -> None:
        """One trial, kept at once. What is prepared once is prepared by one thread: `lock` is the session's."""
        model, stack, baseline, unavailable, artifact, reference = self.prepare(cell, lock)
        if unavailable is not None:
            trial = Trial(
                cell=cell,
                index=index,
                start=Start.COLD,
                settings=self.prepared.plan.settings,
                wall_s=0.0,
                finished_at="",
                framework=stack.framework,
                eager=stack.eager,
                failure=unavailable,
            )
        else:
            with self.launcher.private(self.prepared.seed(stack)) as private:
                trial = self.launcher.measure(cell, model, stack, index, private, Start.COLD, reference, partner, artifact)
        if self.launcher.cancelled.is_set():
            return  # stopped by an interrupt: it says nothing of the cell
        trial = replace(trial, baseline_bytes=baseline)
        self.folder.save(trial)
        self.trials.append(trial)

    def diagnosed(self, cells: Collection[Cell]) -> Iterator[Diagnosis]:
        """The first trial of each of these cells, with what a diagnosing child finds."""
        first = {t.cell: t for t in reversed(self.trials) if t.cell in cells}
        rows = [(cell, *found) for cell, trial in first.items() if wanted(trial) and (found := self.sources(cell))]
        rows = [row for row in rows if row[2].diagnoses]
        for diagnosis in Diagnosing(self.launcher, self.prepared.seeds).of(rows):
            trial = first[diagnosis.cell]
            after = self.trials[self.trials.index(trial)] = with_findings(trial, diagnosis)
            self.folder.save(after)
            yield diagnosis


def drop_incomplete_pairs(sides: tuple[ArmRunner, ArmRunner], cells: Collection[Cell]) -> None:
    """Of `cells`, which both sides have: an interrupt leaves a trial without its partner, and that compares nothing."""
    there = [{(t.cell, t.index) for t in side.trials} for side in sides]
    for side in sides:
        side.trials[:] = [t for t in side.trials if t.cell not in cells or (t.cell, t.index) in there[0] & there[1]]


def control_cell(cells: Collection[Cell], baseline: ArmRunner, control: tuple[ArmRunner, ArmRunner]) -> Cell | None:
    """The canary's next: the cell that it has, until that fails; then one that has not, of an eager stack if there is one."""
    mine, *both = [{c: result.status for c, result in by_cell(side.trials).items()} for side in (baseline, *control)]
    left = [c for c in cells if all(found.get(c, Status.OK) in TIMED for found in both)]
    fit = [c for c in left if c in both[0]] or [c for c in left if mine.get(c, Status.OK) in TIMED]
    return next((c for c in fit if baseline.stacks[c.stack].eager), fit[0] if fit else None)
