"""How fast is each cell, and what does compiling it cost? All cells of a model are timed side by side, in groups.

The first group of a model starts from empty caches. In the second one, stacks with disk caches start from those that the first
left, so that the warm start is measured, too; the others start from empty caches again, as all do in further groups.
"""

import random
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, final

from bakeoff.analysis.ratios import undecided_cells
from bakeoff.records.cell import Cell
from bakeoff.records.trial import Start, Status, Trial
from bakeoff.runner.cells import Ready
from bakeoff.runner.group import SPARE, Group, Member, Seat
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan
from bakeoff.runner.session import TIMING, Session
from bakeoff.runner.task import Task
from bakeoff.system import procfs
from bakeoff.system.sandbox import Sandbox

WARM_GROUP = 1  # number of the group that starts from the disk caches of the first


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
        of = {model: [planned for planned in cells if planned.cell.model == model] for model in models}
        control = session.plan.control and len(of[models[0]]) > 1  # one cell alone has no ratio
        session.progress.expect(len(cells) if target else (len(cells) + control) * session.plan.trials)
        for model, mine in of.items():
            with ExitStack() as sandboxes:
                groups = _Groups(self, session, mine, sandboxes, control=control and model == models[0])
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
        self.order = random.Random()  # noqa: S311 - the order of slices needs no cryptography

    def compiled_only(self) -> Iterator[Trial]:
        """One trial of each cell, for a target that this machine may not have. Nothing is timed, so there are no groups."""
        done = {trial.cell for trial in self.session.trials}
        self.session.progress.expect_further(-len([planned for planned in self.cells if planned.cell in done]))
        for planned in self.cells:
            if planned.cell not in done:
                ready = self.session.cells.ready(planned)
                self.session.progress.begin(str(planned.cell), Start.COLD, 0)
                yield self.session.cells.trial(planned, 0, ready)

    def timed(self) -> Iterator[Trial]:
        """All groups: as many as the plan says, and then, if a question is open that more may decide, as many as it allows.

        Only the first `plan.trials` groups say whether it is open: a question that is asked again and again is once answered by
        chance (docs/decisions/0015-ratios.md).
        """
        plan = self.session.plan
        if self._caches_are_gone():
            for trial in self._trials():
                if trial.index or trial.failure is None:
                    self.session.forget(self.task, trial)
        for number in range(plan.trials):
            yield from self._group(number, self.cells)
        most = plan.most_trials or plan.trials
        first = [trial for trial in self._trials() if trial.index < plan.trials]
        cells = [planned.cell for planned in self.cells] if most > plan.trials else []
        wanted = undecided_cells(first, cells, plan.band, most)
        chosen = [planned for planned in self.cells if planned.cell in wanted]
        for number in range(plan.trials, most if chosen else plan.trials):
            if not plan.may_go_on(self.session.started):
                break
            self.session.progress.expect_further(len(chosen) + self.control)
            yield from self._group(number, chosen)

    def _trials(self) -> list[Trial]:
        return [trial for trial in self.session.trials if trial.cell in {planned.cell for planned in self.cells}]

    def _failed(self) -> set[Cell]:
        """The cells that have no measurement in one of their groups, so that others are pointless."""
        return {trial.cell for trial in self._trials() if trial.failure is not None and not trial.control}

    def _caches_are_gone(self) -> bool:
        """After --resume: is there a first group, but no complete second one, whose warm starts need caches of the first?"""
        if not self.session.plan.warm or self.session.plan.trials <= WARM_GROUP:
            return False
        caching = {planned.cell for planned in self.cells if planned.stack.disk_cache}
        first = {trial.cell for trial in self._trials() if trial.index == 0 and trial.measurement is not None}
        second = {trial.cell for trial in self._trials() if trial.index == WARM_GROUP and not trial.control}
        return bool(first & caching) and not second >= first

    def _group(self, number: int, cells: Sequence[PlannedCell]) -> Iterator[Trial]:
        """One group, in several parts where memory does not hold all children at once."""
        progress, before = self.session.progress, [trial for trial in self._trials() if trial.index == number]
        failed = self._failed()
        todo = [planned for planned in cells if planned.cell not in failed]
        if {trial.cell for trial in before if not trial.control} >= {planned.cell for planned in todo}:
            progress.expect_further(-len(cells) - self.control)
            return
        progress.expect_further(len(todo) - len(cells))
        for trial in before:  # of a group that was interrupted
            if trial.control or trial.failure is None:
                self.session.forget(self.task, trial)
        ready = {planned: self.session.cells.ready(planned) for planned in todo}
        for planned in [planned for planned in todo if ready[planned].failure is not None]:
            todo.remove(planned)
            yield self.session.cells.trial(planned, number, ready[planned])
        if not todo:
            progress.expect_further(-self.control)
        for planned in todo:
            self.session.cells.preparation.start_fork_server(planned.stack, number)
        able = [planned for planned in todo if planned.stack.eager]
        part, alone, beside, retried = 0, False, list[PlannedCell](), set[PlannedCell]()
        while todo:
            name = f"{number}" + f" part {part + 1}" * (part > 0)
            left = yield from self._part(number, name, [*beside, *todo], ready, retried)
            left = [planned for planned in left if planned not in beside]
            alone |= len(left) == len(todo)  # eager stacks took all the memory
            if left and not part:
                progress.say(f"{left[0].cell.model}: too little memory for all children, so the group is split")
            frameworks = {planned.stack.framework for planned in left}
            unable = {*left, *(planned for planned in able if planned.cell in self._failed())}
            beside = [p for p in able if p.stack.framework in frameworks and p not in unable and not alone]
            progress.expect_further(len(beside))
            todo, part = left, part + 1

    def _part(
        self, number: int, name: str, cells: Sequence[PlannedCell], ready: dict[PlannedCell, Ready], retried: set[PlannedCell]
    ) -> Generator[Trial, None, list[PlannedCell]]:
        """Children that are alive together. Returns the cells that memory did not hold.

        Among these are cells whose children ran out of memory beside others. Each gets one more chance: see `retried`.
        """
        session = self.session
        members = {planned: self._member(planned, number, name, ready[planned]) for planned in cells}
        everybody = list(members.values())
        if self.control and " " not in name:
            able = [planned for planned in cells if planned.stack.eager] or list(cells)
            eager = min(able, key=lambda planned: ready[planned].baseline_bytes or 0)  # its framework is imported soonest
            everybody.append(self._member(eager, number, name, ready[eager], control=True))
        free = procfs.available_bytes()

        def room() -> bool:
            alive = sum(member.thread is not None and not member.seat.ended for member in everybody)
            now = procfs.available_bytes()
            return not alive or now > SPARE * max(0, free - now) / alive

        group = Group(
            everybody,
            order=self.order,
            cancel=session.launcher.cancelled.set,
            room=room,
            on_round=lambda number, of: session.progress.note(f"{cells[0].cell.model}: round {number + 1} of {of}"),
        )
        lost = []
        for trial in group.run():
            planned = next(planned for planned in cells if planned.cell == trial.cell)
            out_of_memory = trial.failure is not None and trial.failure.status is Status.OUT_OF_MEMORY
            if out_of_memory and len(everybody) > 1 and planned not in retried and not trial.control:
                lost.append(planned)  # others had the memory that it needed
            else:
                yield trial
        retried |= set(lost)
        return [*lost, *(planned for planned, member in members.items() if member in group.not_started)]

    def _member(self, planned: PlannedCell, number: int, name: str, ready: Ready, *, control: bool = False) -> Member[Trial]:
        cells, start = self.session.cells, Start.COLD
        # the control is a new process: forked from the server of its cell, it would have the same memory layout
        sandbox = None if control else self.caches.get(planned)
        if number == WARM_GROUP and self.session.plan.warm and planned.stack.disk_cache and sandbox is not None:
            start = Start.WARM
        else:
            sandbox = self.sandboxes.enter_context(cells.sandbox(planned))
            if number == 0 and not control:
                self.caches[planned] = sandbox

        def run(seat: Seat) -> Trial:
            return cells.trial(
                planned, number, ready, sandbox, start=start, seat=seat, group=name, control=control, forked=not control
            )

        return Member(run, lambda: self.session.progress.begin(str(planned.cell) + " control" * control, start, number))


TASK = Timing()
