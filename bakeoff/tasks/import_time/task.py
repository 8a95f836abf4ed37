"""What does importing each framework cost, cold and warm from the page cache? No time of a cell includes it."""

from collections.abc import Iterator, Sequence
from typing import final

from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Trial
from bakeoff.runner.plan import PlannedCell, TaskPlan
from bakeoff.runner.session import Session
from bakeoff.runner.task import Section, Task
from bakeoff.tasks.import_time import table
from bakeoff.tasks.import_time.record import ImportResult, ImportTime


@final
class Importing(Task[ImportTime]):
    """The import time of each framework of the selected cells."""

    name = "import_time"
    title = "Importing"
    record = ImportTime
    order = 60
    example = ""

    def key(self, record: ImportTime) -> str:
        return f"{record.framework}-{'cold' if record.cold else 'warm'}"

    def run(self, session: Session, plan: TaskPlan) -> Iterator[ImportTime]:
        done = {(found.framework, found.cold) for found in session.of(self)}
        stacks = {planned.stack.framework: planned.stack for planned in plan.cells}
        # warm after cold: the cold child has just read the files into the page cache
        todo = [(stack, cold) for stack in stacks.values() for cold in (True, False) if (stack.framework, cold) not in done]
        for stack, cold in todo:
            session.progress.note(f"import {stack.framework}, {'cold' if cold else 'warm'}")
            planned = PlannedCell(Cell("import", stack.framework, Mode.INFERENCE), stack, stack)
            with session.launcher.sandbox() as sandbox:
                ended = session.cells.child(
                    "bakeoff.tasks.import_time.child",
                    ImportResult,
                    planned,
                    sandbox,
                    name="cold" if cold else "warm",
                    options={"cold": cold},
                )
            yield ImportTime(
                framework=stack.framework,
                cold=cold,
                wall_s=ended.wall_s,
                finished_at=ended.finished_at,
                found=ended.result,
                failure=ended.failure,
                environment=ended.environment,
            )

    def table(self, records: Sequence[ImportTime], trials: Sequence[Trial], width: int) -> str:
        return table.terminal(records, width)

    def section(self, records: Sequence[ImportTime], trials: Sequence[Trial]) -> Section | None:
        rows = [table.row(record) for record in records]
        return Section(title=self.title, legend=table.IMPORT_LEGEND, columns=table.IMPORT_COLUMNS, rows=rows) if rows else None


TASK = Importing()
