"""How does a cell become a trial? The same way in a session, in `ab` and in every task.

Availability → exported program → one-time cost → reference → sandbox → child → trial. A cell that one of these steps refuses
gets no child; its trial gives the reason. Since there is only this way, a cell is refused everywhere or nowhere.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from bakeoff.records.cell import Cell
from bakeoff.records.compile_only import CompileOnly, family
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Failure, Start, Trial
from bakeoff.runner.group import Seat
from bakeoff.runner.launch import Ended, Launcher
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.preparation import Preparation
from bakeoff.runner.store import RunFolder
from bakeoff.system.sandbox import Sandbox

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What a child returns for a cell that it timed, or compiled for a target."""

    measurement: Measurement | None = None
    compile_only: CompileOnly | None = None
    diagnostics: Diagnostics | None = None
    failure: Failure | None = None  # the stack refused the model; `diagnostics` may say where


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What a cell's child is started with, or the reason why no child is started."""

    failure: Failure | None = None
    baseline_bytes: int | None = None  # peak of a child that only imports the framework
    artifact: Path | None = None  # folder of an exported program, for a cell that serves one
    reference: Path | None = None  # .npz file with float64 outputs; None if there is none


@runtime_checkable
class Preparer(Protocol):
    """A task that some cells need before their own child starts, such as an export."""

    def prepares(self, planned: PlannedCell) -> bool:
        """Does this cell need the task?"""
        ...

    def prepare(self, planned: PlannedCell, cells: "CellRunner", refused: Failure | None, before: Any) -> tuple[Any, "Ready"]:
        """Do it once for the cell and this run. Returns (record to keep, what the cell's child is started with).

        `refused`: why the cell gets no child. If it is not None, do nothing, and store this reason in the record.
        `before`: the record of this cell from the run that --resume continues; None if there is none.
        """
        ...


@dataclass(slots=True)
class CellRunner:
    """Prepares cells and starts their children, for one run or for one arm of `ab`."""

    plan: Plan
    launcher: Launcher
    preparation: Preparation
    folder: RunFolder
    preparers: Sequence[Preparer] = ()
    keep: Callable[[Any, Any], None] = lambda preparer, record: None  # stores the record of a preparer
    kept: Callable[[Any, Cell], Any] = lambda preparer, cell: None  # the stored record of a preparer for a cell
    _prepared: dict[PlannedCell, Ready] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plan: Plan,
        folder: RunFolder,
        machine: Path,
        note: Callable[[str], None],
        tasks: Iterable[object] = (),
        *,
        keep: Callable[[Any, Any], None] = lambda preparer, record: None,
        kept: Callable[[Any, Cell], Any] = lambda preparer, cell: None,
        **launching: Any,
    ) -> "CellRunner":
        """With a launcher and preparations of its own. Cells are prepared by those of `tasks` that do so.

        `machine`: folder of one-time costs; `note`: shows what is being prepared; `launching`: further arguments of Launcher.
        """
        interpreters = plan.interpreters
        launcher = Launcher(
            settings=plan.settings, folder=folder.logs, scratch=folder.scratch, interpreters=interpreters, **launching
        )
        preparers = [task for task in tasks if isinstance(task, Preparer)]
        return cls(plan, launcher, Preparation(plan, launcher, folder, machine, note), folder, preparers, keep, kept)

    def ready(self, planned: PlannedCell, *, reference: bool = True) -> Ready:
        """Prepare what a cell needs before its child starts. Each part is made once per run.

        Without `reference` no float64 outputs are computed: for children whose outputs are not checked.
        """
        stack, settings = planned.stack, self.plan.settings
        refused = self.preparation.refused(stack)
        artifact = None
        for preparer in self.preparers:
            if preparer.prepares(planned):
                if planned not in self._prepared:
                    record, ready = preparer.prepare(planned, self, refused, self.kept(preparer, planned.cell))
                    self._prepared[planned] = ready
                    self.keep(preparer, record)
                artifact, refused = self._prepared[planned].artifact, self._prepared[planned].failure
        if refused is not None:
            return Ready(failure=refused)
        refused = self.preparation.pay_one_time_cost(stack)
        if refused is not None:
            return Ready(failure=refused)
        path = None
        if reference and family(settings.target) != "cuda":  # a step compiled for an absent GPU computes nothing
            path = self.preparation.reference(planned.model, planned.cell.mode, stack.framework)
        return Ready(baseline_bytes=self.preparation.baseline(stack)[0], artifact=artifact, reference=path)

    @contextmanager
    def sandbox(self, planned: PlannedCell) -> Iterator[Sandbox]:
        """A new sandbox for a child of the cell, with the files of the stack's one-time cost. Deleted afterwards."""
        with self.launcher.sandbox(self.preparation.seed(planned.stack)) as sandbox:
            yield sandbox

    def trial(
        self,
        planned: PlannedCell,
        index: int,
        ready: Ready,
        sandbox: Sandbox | None = None,
        *,
        start: Start = Start.COLD,
        seat: Seat | None = None,
        group: str | None = None,
        control: bool = False,
        forked: bool = False,
    ) -> Trial:
        """Run one trial and return it.

        `sandbox`: for a cold start a new one, for a warm start the one that a cold trial has used; None: a new one.
        If `ready` holds a failure, no child is started, and the trial has this failure.
        `seat`: the child is a member of a group, whose name is `group`. `control`: it is the A/A control of this group.
        `forked`: by the fork server with the number of the trial, where `fork_server` has started one.
        """
        stack, cell = planned.stack, planned.cell
        ended: Ended[TrialResult] | None = None
        if ready.failure is None:
            if sandbox is None:
                with self.sandbox(planned) as own:
                    return self.trial(
                        planned, index, ready, own, start=start, seat=seat, group=group, control=control, forked=forked
                    )
            target = self.plan.settings.target
            ended = self.launcher.run(
                "bakeoff.tasks.compile_only.child" if target else "bakeoff.worker.measure",
                TrialResult,
                planned,
                sandbox,
                name=f"{cell}-{group or index}-{'control' if control else start}",
                start=start,
                reference=ready.reference,
                artifact=ready.artifact,
                served=ready.artifact is not None,
                seat=seat,
                fork_server=index if forked and self.preparation.forks(stack) else None,
            )
        found = ended.result if ended and ended.result else TrialResult()
        return Trial(
            cell=cell,
            index=index,
            group=group,
            control=control,
            start=start,
            settings=self.plan.settings,
            wall_s=ended.wall_s if ended else 0.0,
            finished_at=ended.finished_at if ended else "",
            framework=stack.framework,
            eager=stack.eager,
            workers=stack.workers,
            exported_by=stack.exported_by,
            measurement=found.measurement,
            compile_only=found.compile_only,
            diagnostics=found.diagnostics,
            failure=ready.failure or found.failure or (ended.failure if ended else None),
            environment=ended.environment if ended else None,
            baseline_bytes=ready.baseline_bytes,
        )

    def child(
        self,
        child: str,
        kind: type[T],
        planned: PlannedCell,
        sandbox: Sandbox,
        *,
        name: str,
        options: Mapping[str, Any] | None = None,
        diagnosing: bool = False,
        forked: bool = False,
        artifact: Path | None = None,
    ) -> Ended[T]:
        """Run the module `child` of another task on a cell that is ready, and read its result as a `kind`.

        The other parameters are those of Launcher.run.
        """
        return self.launcher.run(
            child,
            kind,
            planned,
            sandbox,
            name=f"{planned.cell}-{name}",
            options=options,
            diagnosing=diagnosing,
            fork_server=0 if forked else None,
            artifact=artifact,
        )
