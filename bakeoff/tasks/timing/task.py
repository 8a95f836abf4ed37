"""How fast is each cell, and what does compiling it cost? All cells of a model are timed side by side, in groups.

The first group of a model starts from empty caches. In the second one, stacks with disk caches start from those that the first
left, so that the warm start is measured, too; the others start from empty caches again, as all do in further groups.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, final

from bakeoff.analysis.ratios import undecided_cells
from bakeoff.records.trial import Start, Status, Trial
from bakeoff.runner.cells import Ready
from bakeoff.runner.group import SPARE, Group, Member, Seat
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan
from bakeoff.runner.session import TIMING, Session
from bakeoff.runner.task import Task
from bakeoff.system import procfs
from bakeoff.system.sandbox import Sandbox

WARM_GROUP = 1  # number of the group that starts from the disk caches of the first
CHILD_BYTES = 1 << 30  # of a child, while no child of the model has been seen


@final
class Timing(Task[Trial]):
    """The trials of the cells, in groups of all cells of a model."""

    name = TIMING
    title = "Matrix"
    record = Trial
    order = 0

    def planned(self, plan: Plan, option: Callable[[str], Any], asked: Sequence[PlannedCell]) -> TaskPlan | None:
        return TaskPlan() if plan.selected() else None  # Plan.selected says which cells

    def key(self, record: Trial) -> str:
        kind = "control" if record.control else record.start
        return f"{record.cell}-{record.group or record.index}-{kind}"

    def run(self, session: Session, plan: TaskPlan) -> Iterator[Trial]:
        cells, target = session.plan.selected(), session.plan.settings.target
        models = list(dict.fromkeys(planned.cell.model for planned in cells))
        session.progress.expect(len(cells) * (1 if target else session.plan.trials))
        for model in models:
            mine = [planned for planned in cells if planned.cell.model == model]
            with ExitStack() as sandboxes:
                groups = _Groups(self, session, mine, sandboxes, control=model == models[0])
                for trial in groups.compiled_only() if target else groups.timed():
                    yield trial
                    session.progress.done(trial)


class _Groups:
    """The groups of one model. Their sandboxes are deleted when `sandboxes` is closed. `control`: measure an A/A control."""

    def __init__(
        self, task: Timing, session: Session, cells: Sequence[PlannedCell], sandboxes: ExitStack, *, control: bool
    ) -> None:
        self.task, self.session, self.cells, self.sandboxes = task, session, cells, sandboxes
        self.caches: dict[PlannedCell, Sandbox] = {}  # sandboxes of the first group
        self.control = control
        self.child_bytes = CHILD_BYTES
        self.order = random.Random()  # noqa: S311 - the order of slices needs no cryptography

    def compiled_only(self) -> Iterator[Trial]:
        """One trial of each cell, for a target that this machine may not have. Nothing is timed, so there are no groups."""
        done = {trial.cell for trial in self.session.trials}
        for planned in self.cells:
            if planned.cell not in done:
                ready = self.session.cells.ready(planned)
                self.session.progress.begin(str(planned.cell), Start.COLD, 0)
                yield self.session.cells.trial(planned, 0, ready)

    def timed(self) -> Iterator[Trial]:
        """All groups: as many as the plan says, and more while a question is open and another group may decide it."""
        plan = self.session.plan
        if self._caches_are_gone():
            for trial in self._trials():
                self.session.forget(self.task, trial)
        for number in range(plan.trials):
            yield from self._group(number, self.cells)
        for number in range(plan.trials, plan.most_trials or plan.trials):
            if not plan.may_go_on(self.session.started):
                break
            wanted = undecided_cells(self._trials(), [planned.cell for planned in self.cells], plan.band, plan.most_trials or 0)
            chosen = [planned for planned in self.cells if planned.cell in wanted]
            if not chosen:
                break
            self.session.progress.expect_further(len(chosen))
            yield from self._group(number, chosen)

    def _trials(self) -> list[Trial]:
        return [trial for trial in self.session.trials if trial.cell in {planned.cell for planned in self.cells}]

    def _caches_are_gone(self) -> bool:
        """After --resume: is there a first group, but no warm start from its caches, which no longer exist?"""
        if not self.session.plan.warm or self.session.plan.trials <= WARM_GROUP:
            return False
        stacks = {planned.cell for planned in self.cells if planned.stack.disk_cache}
        cold = {trial.cell for trial in self._trials() if trial.start is Start.COLD and trial.measurement is not None}
        warm = {trial.cell for trial in self._trials() if trial.start is Start.WARM}
        return bool(stacks & cold - warm)

    def _group(self, number: int, cells: Sequence[PlannedCell]) -> Iterator[Trial]:
        """One group, in several parts where memory does not hold all children at once."""
        before = self._trials()
        there = {trial.cell for trial in before if trial.index == number}
        failed = {trial.cell for trial in before if trial.failure is not None}
        todo = [planned for planned in cells if planned.cell not in failed]
        if there >= {planned.cell for planned in todo}:
            return
        for trial in [trial for trial in before if trial.index == number]:  # of a group that was interrupted
            self.session.forget(self.task, trial)
        ready = {planned: self.session.cells.ready(planned) for planned in todo}
        for planned in [planned for planned in todo if ready[planned].failure is not None]:
            todo.remove(planned)
            yield self.session.cells.trial(planned, number, ready[planned])
        part, retried = 0, set[PlannedCell]()
        while todo:
            name = f"{number}" + f" part {part + 1}" * (part > 0)
            left: list[PlannedCell] = []  # what memory did not hold
            yield from self._part(number, name, todo, ready, left, retried)
            if left:
                self.session.progress.say(f"{left[0].cell.model}: too little memory for all children, so the group is split")
            retried |= set(left)
            frameworks = {planned.stack.framework for planned in left}
            eager = [p for p in cells if p.stack.eager and p.stack.framework in frameworks and ready[p].failure is None]
            todo = [*(planned for planned in eager if planned not in left), *left]
            part += 1

    def _part(
        self,
        number: int,
        name: str,
        cells: Sequence[PlannedCell],
        ready: dict[PlannedCell, Ready],
        left: list[PlannedCell],
        retried: set[PlannedCell],
    ) -> Iterator[Trial]:
        """Children that are alive together. `left` gets the cells that memory did not hold, unless they are in `retried`."""
        session = self.session
        members = {planned: self._member(planned, number, name, ready[planned]) for planned in cells}
        everybody = list(members.values())
        if self.control and " " not in name:
            able = [planned for planned in cells if planned.stack.eager] or list(cells)
            eager = min(able, key=lambda planned: ready[planned].baseline_bytes or 0)  # its framework is imported soonest
            everybody.append(self._member(eager, number, name, ready[eager], control=True))
        free = procfs.available_bytes()

        def room() -> bool:
            started = sum(member.thread is not None for member in everybody)
            self.child_bytes = max(self.child_bytes * (started == 0), (free - procfs.available_bytes()) // max(1, started))
            return procfs.available_bytes() > SPARE * self.child_bytes

        group = Group(
            everybody,
            order=self.order,
            cancel=session.launcher.cancelled.set,
            room=room,
            on_round=lambda number, of: session.progress.note(f"{cells[0].cell.model}: round {number + 1} of {of}"),
        )
        for trial in group.run():
            if session.launcher.cancelled.is_set():
                continue  # stopped by an interrupt, so this is no result of the cell
            planned = next(planned for planned in cells if planned.cell == trial.cell)
            lost = trial.failure is not None and trial.failure.status is Status.OUT_OF_MEMORY
            if lost and len(everybody) > 1 and planned not in retried and not trial.control:
                left.append(planned)  # others had the memory that it needed
            else:
                yield trial
        left += [planned for planned, member in members.items() if member in group.not_started]

    def _member(self, planned: PlannedCell, number: int, name: str, ready: Ready, *, control: bool = False) -> Member[Trial]:
        cells, start = self.session.cells, Start.COLD
        sandbox = None if control else self.caches.get(planned)
        if number == WARM_GROUP and self.session.plan.warm and planned.stack.disk_cache and sandbox is not None:
            start = Start.WARM
        else:
            sandbox = self.sandboxes.enter_context(cells.sandbox(planned))
            if number == 0 and not control:
                self.caches[planned] = sandbox

        def run(seat: Seat) -> Trial:
            trial = cells.trial(planned, number, ready, sandbox, start=start, seat=seat, group=name)
            return replace(trial, control=control)

        return Member(run, lambda: self.session.progress.begin(str(planned.cell) + " control" * control, start, number))


TASK = Timing()
