"""What does it cost to export a program in a deployment format? Done before the child that runs the program is started."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

from bakeoff.analysis.ratios import Ratios
from bakeoff.authoring.discovery import StackSource, check, shown
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Failure, Status, Trial
from bakeoff.runner.cells import CellRunner, Ready
from bakeoff.runner.launch import now
from bakeoff.runner.options import registries
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan
from bakeoff.runner.preparation import not_started
from bakeoff.runner.session import Session
from bakeoff.runner.task import Option, Question, Section, Task
from bakeoff.tasks.export import table
from bakeoff.tasks.export.record import Export, ExportResult


@final
class Exporting(Task[Export]):
    """The export of a cell. A child with the model's code writes an eager stack's program; a child without it serves it."""

    name = "export"
    title = "Deployment formats"
    record = Export
    fixture = "export"
    order = 10
    timed = True

    def select(self, question: Question) -> list[PlannedCell]:
        """The selected deployment formats, of the models of --models, or else of the marker's `models`. Inference only."""
        plan, option = question.plan, question.option
        all_stacks = registries(option)[1]
        stacks = [s for s in (all_stacks if option("stacks") is None else plan.stacks) if s.exported_by]
        for stack in stacks:
            check(stack, "STACK")
        named = str(question.arguments.get("models", "")).split(",")
        chosen = [m for m in plan.models if option("models") is not None or m.name in named]
        modes = [mode for mode in plan.modes if mode is Mode.INFERENCE]
        return [PlannedCell(Cell(m.name, s.name, mode), m, s) for mode in modes for m in chosen for s in stacks]

    def planned(self, plan: Plan, option: Option, asked: Sequence[PlannedCell]) -> TaskPlan | None:
        return None  # done when a cell needs it: see `prepare`

    def run(self, session: Session, plan: TaskPlan) -> Iterator[Export]:
        return iter(())

    def key(self, record: Export) -> str:
        return str(record.cell)

    def prepares(self, planned: PlannedCell) -> bool:
        """Does the cell serve a program that another stack exported?"""
        return planned.stack.exported_by is not None

    def prepare(
        self, planned: PlannedCell, cells: CellRunner, refused: Failure | None, before: Export | None
    ) -> tuple[Export, Ready]:
        """Export the program once for all trials of the cell."""
        exporter = self._exporter(planned, cells)
        if refused is None and planned.cell.mode is Mode.TRAINING:
            message = f"{planned.stack.name} serves inference: a deployment format holds no training step"
            refused = not_started(Status.UNSUPPORTED, message)
        refused = refused or cells.preparation.refused(exporter)
        if refused is not None:
            record = Export(
                cell=planned.cell,
                settings=cells.plan.settings,
                exporter=exporter.name,
                framework=exporter.framework,
                wall_s=0.0,
                finished_at=now(),
                failure=refused,
            )
            return record, Ready(failure=refused)
        if before is not None and before.failure is not None:
            return before, Ready(failure=before.failure)
        folder = Path(tempfile.mkdtemp(prefix="artifact-", dir=cells.folder.scratch))
        record = self._export(planned, exporter, cells, folder)
        return record, Ready(failure=record.failure, artifact=folder if record.failure is None else None)

    def _exporter(self, planned: PlannedCell, cells: CellRunner) -> StackSource:
        stack, known = planned.stack, cells.plan.all_stacks
        for source in known:
            if source.name == stack.exported_by:
                return source
        names = ", ".join(source.name for source in known)
        raise UsageError(
            f"{shown(stack.path)}: HEADER's exported_by is {stack.exported_by!r}, which is no stack; there are: {names}"
        )

    def _export(self, planned: PlannedCell, exporter: StackSource, cells: CellRunner, folder: Path) -> Export:
        exporting = PlannedCell(planned.cell, planned.model, exporter)
        with cells.sandbox(exporting) as sandbox:
            ended = cells.child(
                "bakeoff.tasks.export.child",
                ExportResult,
                exporting,
                sandbox,
                name="export",
                options={"format_path": str(planned.stack.path)},
                artifact=folder,
            )
        return Export(
            cell=planned.cell,
            settings=cells.plan.settings,
            exporter=exporter.name,
            framework=exporter.framework,
            wall_s=ended.wall_s,
            finished_at=ended.finished_at,
            export_s=ended.result.export_s if ended.result else None,
            files=ended.result.files if ended.result else {},
            failure=ended.failure,
            environment=ended.environment,
        )

    def line(self, record: Export) -> str:
        return f"{record.cell}: export"

    def table(self, records: Sequence[Export], trials: Sequence[Trial], width: int) -> str:
        return table.terminal(trials, records, width)

    def markdown(self, records: Sequence[Export], trials: Sequence[Trial]) -> str:
        return table.markdown(trials, records)

    def section(self, records: Sequence[Export], trials: Sequence[Trial]) -> Section | None:
        rows = [row.cells for row in table.rows(Ratios.of(trials), records)]
        return Section(title=self.title, legend=table.LEGEND, columns=table.COLUMNS, rows=rows) if rows else None


TASK: Task[Any] = Exporting()
