"""How many flops and bytes per second does this machine reach? Measured once per run, if a cell's flops are known."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

from bakeoff.authoring.discovery import StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.runner.launch import now
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan
from bakeoff.runner.session import Session
from bakeoff.runner.task import Option, Roofline, Task
from bakeoff.tasks.machine_peak.record import MachinePeak, PeakResult

NUMPY = StackSource(name="numpy", path=Path("numpy"), framework="numpy")


@final
class Peak(Task[MachinePeak]):
    """The machine peak, measured by numpy in a child with as many CPUs as a cell has."""

    name = "machine_peak"
    title = "Machine peak"
    record = MachinePeak
    order = 20

    def planned(self, plan: Plan, option: Option, asked: Sequence[PlannedCell]) -> TaskPlan | None:
        timed = plan.selected() and plan.settings.device == "cpu" and not plan.settings.target
        return TaskPlan() if timed or asked else None

    def key(self, record: MachinePeak) -> str:
        return f"{record.threads}_threads"

    def run(self, session: Session, plan: TaskPlan) -> Iterator[MachinePeak]:
        counted = any(t.measurement is not None and t.measurement.flops for t in session.trials)
        if session.of(self) or not (counted or not session.plan.selected()):
            return
        session.progress.note("machine peak")
        planned = PlannedCell(Cell("machine_peak", "numpy", Mode.INFERENCE), NUMPY, NUMPY)
        with session.launcher.sandbox() as sandbox:
            ended = session.cells.child("bakeoff.tasks.machine_peak.child", PeakResult, planned, sandbox, name="peak")
        yield MachinePeak(
            threads=session.plan.settings.threads,
            measured_at=now(),
            flops_per_s=ended.result.flops_per_s if ended.result else None,
            bytes_per_s=ended.result.bytes_per_s if ended.result else None,
            failure=ended.failure,
        )

    def roofline(self, records: Sequence[MachinePeak]) -> Roofline | None:
        for found in records:
            if found.failure is None and found.flops_per_s and found.bytes_per_s:
                return Roofline(threads=found.threads, flops_per_s=found.flops_per_s, bytes_per_s=found.bytes_per_s)
        return None


TASK = Peak()
