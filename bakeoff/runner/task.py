"""What must a task define? A task is one kind of job, such as timing, a series of shapes, an export, a diagnosis.

To add one, add a folder bakeoff/tasks/NAME/ with:

task.py      `TASK`, an instance of a final subclass of Task whose `name` is NAME; required
child.py     `run(job)`, what the child process does; it returns a dataclass of record.py. It imports only the standard library,
             numpy, the framework, and bakeoff.{authoring,records,system,worker}
record.py    frozen dataclasses: what the child returns, and what is stored
table.py     how the records are printed

The folder is the registration: session, saved run, pytest plugin, `bakeoff task NAME` and report find `TASK` there, and no
other file names it. A subclass must set `name`, `title` and `record`, and implement `run` and `key`; all else has a default.
bakeoff/tasks/import_time is a short example.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from bakeoff.records.cell import Cell
from bakeoff.records.trial import Failure, Trial
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan

if TYPE_CHECKING:
    from bakeoff.runner.session import Session

R = TypeVar("R")
Option = Callable[[str], Any]  # name of an option, such as `shape_axis` → its value


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What asks a task for records: an experiment that takes its fixture, or `bakeoff task NAME`."""

    plan: Plan
    option: Option
    arguments: Mapping[str, Any] = field(default_factory=dict)  # keywords of the experiment's marker `cells`


class Task(ABC, Generic[R]):
    """One kind of job. `R` is the type of its records: a frozen dataclass that msgspec can write and read as JSON."""

    name: ClassVar[str]  # name of its folder; also the key of its records in a saved run
    title: ClassVar[str]  # title of its table in the report
    record: type[R]  # the class of its records
    # name of a pytest fixture: an experiment that takes it runs once per cell of `select`, and gets the cell's record
    fixture: ClassVar[str | None] = None
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # flag of pytest and `bakeoff` → keywords of add_argument
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
        with `session.cells`, which prepares cells (`ready`), makes sandboxes (`sandbox`) and runs child.py (`child`).
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table of the report. Each row has one text per column."""

    title: str
    legend: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
