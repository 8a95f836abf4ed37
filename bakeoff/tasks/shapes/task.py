"""What does each new shape cost a compiled program, and how fast are steps with it? One program gets a series of shapes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, final

from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Trial
from bakeoff.runner.options import registries
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan
from bakeoff.runner.session import Session
from bakeoff.runner.task import Option, Question, Section, Task, TaskOption
from bakeoff.tasks.shapes import table
from bakeoff.tasks.shapes.record import SeriesResult, ShapeSeries


@final
class Shapes(Task[ShapeSeries]):
    """The series of shapes of a cell, in inference. The program is built once, for the largest shape."""

    name = "shapes"
    title = "Other shapes"
    record = ShapeSeries
    fixture = "shape_series"
    order = 30
    example = "--models mlp --stacks torch_inductor,tf_xla --shapes 8,9,16"
    options: ClassVar[Mapping[str, TaskOption]] = {
        "--shape-models": TaskOption(
            keywords={
                "metavar": "A,B",
                "help": "models of a series of shapes, by file name (default: mlp, if --models selects it)",
            },
            values="models",
        ),
        "--shapes": TaskOption(
            keywords={
                "default": "8,9,10,16,33,64",
                "metavar": "N,N,...",
                "help": "the series of shapes (default: 8,9,10,16,33,64)",
            },
            values="other",
        ),
        "--shape-axis": TaskOption(
            keywords={
                "default": "batch_size",
                "metavar": "FIELD",
                "help": "field of the models that varies in the series: batch_size, tokens, pixels, ... (default: batch_size)",
            },
            values="other",
        ),
    }

    def select(self, question: Question) -> list[PlannedCell]:
        """Models: --shape-models, else the selected ones of the marker. Stacks: --stacks, else the marker's. Inference only."""
        plan, option = question.plan, question.option
        models, stacks = registries(option)
        named, usual = str(question.arguments.get("models", "")), str(question.arguments.get("stacks", ""))
        chosen = models.pick(option("shape_models")) if option("shape_models") else _of(plan.models, named)
        wanted = stacks.pick(option("stacks") or usual) if option("stacks") or usual else list(plan.stacks)
        modes = [mode for mode in plan.modes if mode is Mode.INFERENCE]
        # an exported program has one shape
        return [
            PlannedCell(Cell(m.name, s.name, mode), m, s) for mode in modes for m in chosen for s in wanted if not s.exported_by
        ]

    def planned(self, plan: Plan, option: Option, asked: Sequence[PlannedCell]) -> TaskPlan | None:
        sizes = _sizes(option("shapes"))
        if option("shape_models"):  # a wrong name is refused before anything is measured
            registries(option)[0].pick(option("shape_models"))
        return TaskPlan(cells=tuple(asked), options={"axis": option("shape_axis"), "sizes": sizes}) if asked else None

    def key(self, record: ShapeSeries) -> str:
        return str(record.cell)

    def run(self, session: Session, plan: TaskPlan) -> Iterator[ShapeSeries]:
        done = {series.cell for series in session.of(self)}
        for planned in plan.cells:
            if planned.cell in done or session.cells.preparation.refused(planned.stack) is not None:
                continue
            ready = session.cells.ready(planned, reference=False)
            sizes = ", ".join(map(str, plan.options["sizes"]))
            session.progress.note(f"{planned.cell}: {plan.options['axis']} {sizes}")
            with session.cells.sandbox(planned) as sandbox:
                ended = session.cells.child(
                    "bakeoff.tasks.shapes.child", SeriesResult, planned, sandbox, name="shapes", options=plan.options
                )
            series = ShapeSeries(
                cell=planned.cell,
                settings=session.plan.settings,
                framework=planned.stack.framework,
                axis=plan.options["axis"],
                wall_s=ended.wall_s,
                finished_at=ended.finished_at,
                tolerance=ended.result.tolerance if ended.result else None,
                steps=ended.result.steps if ended.result else (),
                failure=ready.failure or ended.failure,
                environment=ended.environment,
            )
            yield series
            session.progress.note("")
            session.progress.say(f"{self.line(series)} · {series.wall_s:.1f} s")

    def line(self, record: ShapeSeries) -> str:
        found = f"compiled again for {len(record.recompiled)} of {max(0, len(record.steps) - 1)} further shapes"
        if record.failure is not None:
            found = f"{record.failure.status} ({record.failure.message.splitlines()[0][:120]})"
        return f"{record.cell} {record.axis}: {found}"

    def table(self, records: Sequence[ShapeSeries], trials: Sequence[Trial], width: int) -> str:
        return table.terminal(records, width)

    def section(self, records: Sequence[ShapeSeries], trials: Sequence[Trial]) -> Section | None:
        rows = [
            (str(s.cell), s.axis, ", ".join(str(step.size) for step in s.steps), ", ".join(map(str, s.recompiled)) or "none")
            for s in records
            if s.steps
        ]
        legend = "One compiled program, called with one size after another, and the sizes for which it was compiled again."
        columns = ("cell", "axis", "sizes", "compiled again for")
        return Section(title=self.title, legend=legend, columns=columns, rows=rows) if rows else None


def _of(models: Sequence[Any], named: str) -> list[Any]:
    return [model for model in models if model.name in named.split(",")] if named else list(models)


def _sizes(text: str) -> tuple[int, ...]:
    """The value of --shapes as numbers. Raises UsageError if it is not a list of positive whole numbers."""
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--shapes {text}: write whole numbers and commas, such as 8,9,10") from None
    if min(sizes) < 1:
        raise UsageError(f"--shapes {text}: a size is at least 1")
    return sizes


TASK: Task[ShapeSeries] = Shapes()
