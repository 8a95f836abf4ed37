"""How fast is each cell, and what does compiling it cost? Each cell gets one trial before any gets a second one.

So a slow minute of the machine affects all cells.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.analysis.steady import VERIFYING_TRIALS
from bakeoff.records.trial import Start, Status, Trial
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan
from bakeoff.runner.session import TIMING, Session
from bakeoff.runner.task import Task


@final
class Timing(Task[Trial]):
    """The trials of a cell: cold ones, and after each a warm one if the stack has disk caches."""

    name = TIMING
    title = "Matrix"
    record = Trial
    order = 0

    def planned(self, plan: Plan, option: Callable[[str], Any], asked: Sequence[PlannedCell]) -> TaskPlan | None:
        return TaskPlan() if plan.selected() else None  # Plan.selected says which cells

    def key(self, record: Trial) -> str:
        return f"{record.cell}-{record.index}-{record.start}"

    def run(self, session: Session, plan: TaskPlan) -> Iterator[Trial]:
        first = range(session.plan.trials)
        yield from self._all(session, [(index, planned) for index in first for planned in session.plan.selected()])
        yield from self._all(session, self._to_verify(session), within_s=session.plan.verify_within_s)

    def _all(self, session: Session, rows: Sequence[tuple[int, PlannedCell]], within_s: float = math.inf) -> Iterator[Trial]:
        todo = [(index, planned) for index, planned in rows if not self._done(session, planned, index)]
        session.progress.expect(len(todo))
        for index, planned in todo:
            if time.monotonic() - session.started > within_s:
                break
            for trial in self._one(session, index, planned):
                yield trial
                session.progress.done(trial)

    def _one(self, session: Session, index: int, planned: PlannedCell) -> Iterator[Trial]:
        cells, name = session.cells, str(planned.cell)
        ready = cells.ready(planned)
        if ready.failure is not None:
            yield cells.trial(planned, index, ready)
            return
        with cells.sandbox(planned) as sandbox:
            session.progress.begin(name, Start.COLD, index)
            cold = cells.trial(planned, index, ready, sandbox)
            yield cold
            if session.plan.warm and planned.stack.disk_cache and cold.measurement is not None:
                session.progress.begin(name, Start.WARM, index)
                yield cells.trial(planned, index, ready, sandbox, start=Start.WARM)

    def _done(self, session: Session, planned: PlannedCell, index: int) -> bool:
        """Is this trial done, with its warm one? A cold trial without its warm one is dropped: its caches no longer exist."""
        by_start = {t.start: t for t in session.trials if t.cell == planned.cell and t.index == index}
        cold = by_start.get(Start.COLD)
        if cold is None:
            return False
        if Start.WARM in by_start or cold.measurement is None or not (session.plan.warm and planned.stack.disk_cache):
            return True
        session.forget(self, cold)
        return False

    def _to_verify(self, session: Session) -> list[tuple[int, PlannedCell]]:
        """Further trials of unsteady cells, up to VERIFYING_TRIALS: one process cannot tell its own warm-up from other load.

        The rule is fixed in advance, and not repeated until a trial passes: every trial is kept, and all together decide.
        """
        count = session.plan.trials
        if count >= VERIFYING_TRIALS or not session.plan.verify:
            return []
        first = {c: CellResult(c, r.trials[:count], r.warm) for c, r in by_cell(session.trials).items()}
        unsteady = [p for p in session.plan.selected() if first[p.cell].status is Status.UNSTEADY]
        return [(index, p) for index in range(count, VERIFYING_TRIALS) for p in unsteady]


TASK = Timing()
