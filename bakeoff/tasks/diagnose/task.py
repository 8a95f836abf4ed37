"""Where and why does the graph break, and what was compiled? Found by a second, untimed child with collectors enabled."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Failure, Start, Trial
from bakeoff.runner.cells import CellRunner
from bakeoff.runner.options import need_writable
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan
from bakeoff.runner.session import Session
from bakeoff.runner.task import Option, Question, Section, Task, TaskOption
from bakeoff.tasks.diagnose import table
from bakeoff.tasks.diagnose.findings import INDEX, diagnoses, wanted, with_findings, write_index
from bakeoff.tasks.diagnose.record import Diagnosis

NOT_DIAGNOSED = "it was not diagnosed (--no-diagnosis)"


@final
class Diagnosing(Task[Diagnosis]):
    """The diagnosis of a cell. That of a timed cell becomes part of its first trial; any other is a record of its own."""

    name = "diagnose"
    title = "Known graph breaks"
    record = Diagnosis
    fixture = "diagnosis"
    order = 40
    done = "diagnosed"
    options: ClassVar[Mapping[str, TaskOption]] = {
        "--keep-artifacts": TaskOption(
            keywords={
                "metavar": "DIR",
                "help": "keep what each stack generated (sources, graphs, HLO, MLIR) in DIR/<cell>/, with DIR/index.md",
            },
            commands=("pytest", "task", "run", "explain", "pick"),
            values="folders",
        ),
        "--no-diagnosis": TaskOption(
            keywords={
                "action": "store_true",
                "default": False,
                "help": "do not start a second, untimed child per cell, which finds graph breaks and describes the compiled "
                "code",
            },
            commands=("pytest", "task", "explain", "pick", "ab"),
        ),
        "--diagnose": TaskOption(  # `bakeoff run` diagnoses only if asked
            keywords={
                "dest": "no_diagnosis",
                "action": "store_false",
                "default": True,
                "help": "also find graph breaks, as `bakeoff explain` does",
            },
            commands=("run",),
        ),
    }

    def select(self, question: Question) -> list[PlannedCell]:
        """The models of the gallery, on every selected stack that can be diagnosed, in inference."""
        plan = question.plan
        stacks = [s for s in plan.stacks if s.diagnoses]
        modes = [mode for mode in plan.modes if mode is Mode.INFERENCE]
        return [PlannedCell(Cell(m.name, s.name, mode), m, s) for mode in modes for m in plan.gallery for s in stacks]

    def planned(self, plan: Plan, option: Option, asked: Sequence[PlannedCell]) -> TaskPlan | None:
        artifacts = _folder(option("keep_artifacts"))
        if plan.settings.target:  # one child does both: nothing is timed, so collectors may be enabled
            return None
        timed = [] if option("no_diagnosis") else [p for p in plan.selected() if p.stack.diagnoses]
        known = {planned.cell for planned in timed}
        cells = (*timed, *(p for p in asked if p.stack.diagnoses and p.cell not in known))
        return TaskPlan(cells=cells, options={"artifacts": artifacts}) if cells else None

    def key(self, record: Diagnosis) -> str:
        return str(record.cell)

    def run(self, session: Session, plan: TaskPlan) -> Iterator[Diagnosis]:
        first = _first(session.trials)
        done = {d.cell for d in session.of(self)} | {t.cell for t in first.values() if t.diagnosed}
        todo = [p for p in plan.cells if p.cell not in done and self._wanted(session, p, p.cell in first)]
        artifacts: Path | None = plan.options["artifacts"]
        session.progress.expect_more(len(todo))
        started = time.monotonic()
        for diagnosis in diagnoses(session.cells, todo, artifacts):
            if diagnosis.cell in first:
                session.keep_trial(with_findings(first[diagnosis.cell], diagnosis))
            else:
                yield diagnosis
            session.progress.another(self.line(diagnosis), diagnosis.wall_s)
        session.launcher.children_s += time.monotonic() - started  # wall time of all, since they ran at the same time
        if artifacts is not None and todo:
            session.progress.say(f"generated code: {write_index(artifacts)}")

    def left_out(self, option: Option) -> str:
        return NOT_DIAGNOSED if option("no_diagnosis") else ""

    def added(self, cells: CellRunner, first: Mapping[PlannedCell, Trial]) -> Iterator[tuple[Trial, float]]:
        rows = [planned for planned, trial in first.items() if planned.stack.diagnoses and wanted(trial)]
        trials = {planned.cell: trial for planned, trial in first.items()}
        for diagnosis in diagnoses(cells, rows):
            yield with_findings(trials[diagnosis.cell], diagnosis), diagnosis.wall_s

    def _wanted(self, session: Session, planned: PlannedCell, timed: bool) -> bool:
        if timed:
            return wanted(_first(session.trials)[planned.cell])
        return planned.cell not in {p.cell for p in session.plan.selected()} and not session.cells.preparation.refused(
            planned.stack
        )

    def line(self, record: Diagnosis) -> str:
        found = record.failure.message.splitlines()[0][:120] if record.failure else ""
        if record.diagnostics is not None:
            count = record.diagnostics.break_count
            found = f"{count} break{'s' * (count != 1)}"
        return f"{record.cell} diagnosed: {found}"

    def find(self, session: Session, cell: Cell) -> Diagnosis | None:
        """Of a timed cell what its first trial has of it."""
        trial = _first(session.trials).get(cell)
        if trial is None:
            return super().find(session, cell)
        if trial.measurement is not None and not trial.diagnosed:
            return None
        return Diagnosis(
            cell=cell,
            settings=trial.settings,
            framework=trial.framework,
            wall_s=trial.wall_s,
            finished_at=trial.finished_at,
            diagnostics=trial.diagnostics,
            failure=trial.failure,
            environment=trial.environment,
        )

    def missing(self, session: Session, cell: Cell) -> str:
        timed = any(t.cell == cell and t.measurement is not None for t in session.trials)
        return NOT_DIAGNOSED if timed else super().missing(session, cell)

    def failure(self, record: Diagnosis) -> Failure | None:
        return record.failure if record.diagnostics is None else None  # a refused model with diagnostics is a result

    def section(self, records: Sequence[Diagnosis], trials: Sequence[Trial]) -> Section | None:
        return table.section(self.title, records)


def _first(trials: Sequence[Trial]) -> dict[Cell, Trial]:
    """Cell → the trial that gets its diagnosis: of the first group, and no A/A control, which is not shown."""
    return {t.cell: t for t in reversed(trials) if t.index == 0 and t.start is Start.COLD and not t.control}


def _folder(path: str | None) -> Path | None:
    if path is None:
        return None
    folder = Path(path).absolute()
    need_writable({"--keep-artifacts": folder})
    if any(folder.iterdir()) and not (folder / INDEX).exists():  # the folders of cells in it will be replaced
        raise UsageError(f"--keep-artifacts: {folder} holds files that Bakeoff did not write; name a new or an empty folder")
    return folder


TASK = Diagnosing()
