"""How does a cell become a trial? One way, for sessions, `ab`, and every kind of job: what refuses a cell refuses it in all.

Availability → one-time cost → artifact → reference → sandbox → child → trial.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from bakeoff.records.cell import Cell
from bakeoff.records.compile_only import CompileOnly, family
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Failure, Start, Trial
from bakeoff.runner.launch import Ended, Launcher
from bakeoff.runner.partner import Partner
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.preparation import Preparation
from bakeoff.runner.store import RunFolder
from bakeoff.system.sandbox import Sandbox

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What a child found of one cell that it timed, or compiled for a target."""

    measurement: Measurement | None = None
    compile_only: CompileOnly | None = None
    diagnostics: Diagnostics | None = None
    failure: Failure | None = None  # a refusal of the model that was found with diagnostics


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What a cell's child is started with, or why it is not."""

    failure: Failure | None = None
    baseline_bytes: int | None = None  # peak of a child that only imports the framework
    artifact: Path | None = None
    reference: Path | None = None


@runtime_checkable
class Preparer(Protocol):
    """A kind of job that some cells need done before their own child starts: an export, say."""

    def prepares(self, planned: PlannedCell) -> bool:
        """Is this one of those cells?"""
        ...

    def prepare(self, planned: PlannedCell, cells: "CellRunner", refused: Failure | None, before: Any) -> tuple[Any, "Ready"]:
        """(record to keep, what the cell's child is started with). Done once per cell and run.

        `refused` says why the cell has no child at all: then there is nothing to do, and the record says so. `before` is the
        record of a run that this one goes on with; None where there is none.
        """
        ...


@dataclass(slots=True)
class CellRunner:
    """Of one run, or of one arm of one."""

    plan: Plan
    launcher: Launcher
    preparation: Preparation
    folder: RunFolder
    preparers: Sequence[Preparer] = ()
    keep: Callable[[Any, Any], None] = lambda preparer, record: None  # what a preparer has done
    kept: Callable[[Any, Cell], Any] = lambda preparer, cell: None  # its record of a cell so far
    _prepared: dict[PlannedCell, Ready] = field(default_factory=dict)

    def ready(self, planned: PlannedCell, *, reference: bool = True) -> Ready:
        """Everything that a cell needs before its child starts; had once."""
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
        self.preparation.pay_one_time_cost(stack)
        path = None
        if reference and family(settings.target) != "cuda":  # nothing is what a compile-only step computes
            path = self.preparation.reference(planned.model, planned.cell.mode, stack.framework)
        return Ready(baseline_bytes=self.preparation.baseline(stack)[0], artifact=artifact, reference=path)

    @contextmanager
    def sandbox(self, planned: PlannedCell) -> Iterator[Sandbox]:
        """A new sandbox for one of the cell's children; it holds the files of its stack's one-time cost."""
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
        partner: Partner | None = None,
    ) -> Trial:
        """One trial, in `sandbox`, which is empty but for the one-time cost (cold) or as a cold trial left it (warm).

        Where the cell is not ready, no child is started, and the trial says why.
        """
        stack, cell = planned.stack, planned.cell
        ended: Ended[TrialResult] | None = None
        if ready.failure is None:
            if sandbox is None:
                with self.sandbox(planned) as own:
                    return self.trial(planned, index, ready, own, start=start, partner=partner)
            target = self.plan.settings.target
            ended = self.launcher.run(
                "bakeoff.tasks.compile_only.child" if target else "bakeoff.worker.measure",
                TrialResult,
                planned,
                sandbox,
                name=f"{cell}-{index}-{start}",
                start=start,
                reference=ready.reference,
                artifact=ready.artifact,
                served=ready.artifact is not None,
                partner=partner,
            )
        found = ended.result if ended and ended.result else TrialResult()
        return Trial(
            cell=cell,
            index=index,
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
        artifact: Path | None = None,
    ) -> Ended[T]:
        """A child of another kind of job, on a cell that is ready."""
        return self.launcher.run(
            child,
            kind,
            planned,
            sandbox,
            name=f"{planned.cell}-{name}",
            options=options,
            diagnosing=diagnosing,
            artifact=artifact,
        )
