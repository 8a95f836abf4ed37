"""What must a task define? A task is one kind of job, such as timing, a series of shapes, an export, a diagnosis.

To add one, add a folder bakeoff/tasks/NAME/ with:

task.py      `TASK`, an instance of a final subclass of Task whose `name` is NAME; required
child.py     `run(job)`, what the child process does; it returns a dataclass of record.py. It imports only the standard library,
             numpy, the framework, and bakeoff.{authoring,records,system,worker}
record.py    frozen dataclasses: what the child returns, and what is stored
table.py     how the records are printed

The folder is the registration: session, saved run, pytest plugin, command line and report find `TASK` there. A subclass must
set `name`, `title` and `record`, and implement `run` and `key`; all else has a default. bakeoff/tasks/import_time is a short
example.

To remove a task, delete its folder, and the file in experiments/ that takes its fixture. This holds for all tasks but three:
a session needs `timing`, trials with --target need `compile_only`, and `bakeoff export --profile` needs `profile`; the last two
have no task.py. Some findings are fields of the saved trial (`diagnosed`, `exported_by`, `compile_only`, a failure's phase),
and stay in its schema. tests/unit/test_task_folders.py lists every file that names a task, and removes each task in turn.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar, runtime_checkable

from bakeoff.records.cell import Cell
from bakeoff.records.trial import Failure, Trial
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan

if TYPE_CHECKING:
    from bakeoff.runner.cells import CellRunner
    from bakeoff.runner.session import Session

R = TypeVar("R")
Option = Callable[[str], Any]  # name of an option, such as `shape_axis` → its value


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What asks a task for records: an experiment that takes its fixture, or `bakeoff task NAME`."""

    plan: Plan
    option: Option
    arguments: Mapping[str, Any] = field(default_factory=dict)  # keywords of the experiment's marker `cells`


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOption:
    """An option of a task on the command line."""

    keywords: Mapping[str, Any]  # of argparse's add_argument, which pytest's addoption accepts, too
    commands: Sequence[str] = ("pytest", "task")  # that have this option: pytest, and commands of `bakeoff`
    values: Literal["files", "folders", "models", "other"] = "files"  # what a shell completes

    def name(self, flag: str) -> str:
        """The name by which the option `flag` is looked up."""
        return str(self.keywords.get("dest") or flag.removeprefix("--").replace("-", "_"))


class Task(ABC, Generic[R]):
    """One kind of job. `R` is the type of its records: a frozen dataclass that msgspec can write and read as JSON."""

    name: ClassVar[str]  # name of its folder; also the key of its records in a saved run
    title: ClassVar[str]  # title of its table in the report
    record: type[R]  # the class of its records
    # name of a pytest fixture: an experiment that takes it runs once per cell of `select`, and gets the cell's record
    fixture: ClassVar[str | None] = None
    options: ClassVar[Mapping[str, TaskOption]] = {}  # by flag
    example: ClassVar[str | None] = None  # arguments of an example in `bakeoff task --help`; None: no example
    order: ClassVar[int] = 50  # a session runs its tasks in ascending order; timing is 0
    timed: ClassVar[bool] = False  # must the cells of `select` also be timed?

    def select(self, question: Question) -> list[PlannedCell]:
        """The cells that a question is about. Default: the selected cells, except those that serve an exported program."""
        return [planned for planned in question.plan.selected() if not planned.stack.exported_by]

    def planned(self, plan: Plan, option: Option, asked: Sequence[PlannedCell]) -> TaskPlan | None:
        """What to do in a session. `asked`: the cells that the session's questions selected. None: the task does not run.

        Called before anything is measured. Raises UsageError for a bad value of the task's options.
        """
        return TaskPlan(cells=tuple(asked)) if asked else None

    @abstractmethod
    def run(self, session: "Session", plan: TaskPlan) -> Iterator[R]:
        """Yield each record when it is ready. The session saves it before it asks for the next one.

        Skip what `session.of(self)` already holds: with --resume these are the records of the unfinished run. Start children
        with `session.cells`, which prepares cells (`ready`), makes sandboxes (`sandbox`) and runs child.py (`child`;
        with `forked=True`, which is fast, if the result has no time and no memory size).
        """

    @abstractmethod
    def key(self, record: R) -> str:
        """A name that is unique among the records of the task. It is used as the file name, so no "/"."""

    def line(self, record: R) -> str:
        """The record in one line, for the progress output."""
        return f"{self.name}: {self.key(record)}"

    def find(self, session: "Session", cell: Cell) -> R | None:
        """The record of a cell, which the fixture passes to the experiment. None if there is none; `missing` then says why."""
        return next((r for r in session.of(self) if getattr(r, "cell", None) == cell), None)

    def missing(self, session: "Session", cell: Cell) -> str:
        """Why there is no record of a cell that a question selected. The experiment is skipped, or fails with --require-all."""
        return "its framework is not installed"

    def failure(self, record: R) -> Failure | None:
        """Why a record holds no result; None if it holds one. Its status decides whether the experiment fails or is skipped."""
        found: Failure | None = getattr(record, "failure", None)
        return found

    def table(self, records: Sequence[R], trials: Sequence[Trial], width: int) -> str:
        """The records as text for a terminal of `width` columns; "" for no table. `trials`: all trials of the run."""
        return ""

    def markdown(self, records: Sequence[R], trials: Sequence[Trial]) -> str:
        """The records as Markdown; "" for no table."""
        return ""

    def section(self, records: Sequence[R], trials: Sequence[Trial]) -> "Section | None":
        """The records as a table of the report; None for no table."""
        return None

    def roofline(self, records: Sequence[R]) -> "Roofline | None":
        """The bounds of the report's roofline, if the records hold them."""
        return None


@runtime_checkable
class AddsToTrials(Protocol):
    """A task whose further, untimed child adds findings to the first trial of a timed cell. `bakeoff ab` runs it last."""

    done: ClassVar[str]  # what was done to a cell, for the progress output, such as "diagnosed"

    def left_out(self, option: Option) -> str:
        """Why cells get no such child; "" if they do."""
        ...

    def added(self, cells: "CellRunner", first: Mapping[PlannedCell, Trial]) -> Iterator[tuple[Trial, float]]:
        """Yield first trials with their findings, and the wall time of the child. `first`: the first trial of each cell."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """What the machine was measured to reach: upper bounds of the speed of a cell with as many threads, in float32."""

    threads: int
    flops_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table of the report. Each row has one text per column."""

    title: str
    legend: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
