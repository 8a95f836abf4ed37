"""What is a kind of job? Timing is one; a series of shapes, an export, a diagnosis are others. Each is a folder in tasks/.

The folder holds `task.py` with `TASK`, an instance of a subclass; `child.py`, whose `run(job)` is what its child does;
`record.py`, what is kept; `table.py`, how it is printed. Nothing else names it.
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
Option = Callable[[str], Any]  # the value of a command-line option by its name, such as `shape_axis`


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What asks for a task's records: an experiment that names its fixture, or `bakeoff task`."""

    plan: Plan
    option: Option
    arguments: Mapping[str, Any] = field(default_factory=dict)  # of the experiment's marker `cells`


class Task(ABC, Generic[R]):
    """One kind of job. `R` is its record: a frozen dataclass that msgspec can write and read."""

    name: ClassVar[str]  # of its folder; in a saved run, the key of its records
    title: ClassVar[str]  # of its table
    record: type[R]
    fixture: ClassVar[str | None] = None  # an experiment that takes it is asked of `select`'s cells, and is given the record
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # flags of the command line and of pytest: argparse's keywords
    order: ClassVar[int] = 50  # of the tasks of a session; timing is 0
    timed: ClassVar[bool] = False  # are cells that a question asks its records of timed, too?

    def select(self, question: Question) -> list[PlannedCell]:
        """The cells that a question is about. By default those selected whose stack is no deployment format."""
        return [planned for planned in question.plan.selected() if not planned.stack.exported_by]

    def planned(self, plan: Plan, option: Option, asked: Sequence[PlannedCell]) -> TaskPlan | None:
        """What to do in a session whose questions asked for records of these cells; None for nothing.

        UsageError for bad options.
        """
        return TaskPlan(cells=tuple(asked)) if asked else None

    @abstractmethod
    def run(self, session: "Session", plan: TaskPlan) -> Iterator[R]:
        """Yield each record as it is ready, but for those that the session has. Each is on disk before the next is begun."""

    @abstractmethod
    def key(self, record: R) -> str:
        """What tells the record from others of its task: its file's name."""

    def line(self, record: R) -> str:
        """The record in one line, for progress."""
        return f"{self.name}: {self.key(record)}"

    def find(self, session: "Session", cell: Cell) -> R | None:
        """The record that a question about `cell` is given; None where there is none, since nothing of it can run here."""
        return next((r for r in session.of(self) if getattr(r, "cell", None) == cell), None)

    def missing(self, session: "Session", cell: Cell) -> str:
        """Why there is no record of a cell that was asked about."""
        return "its framework is not installed"

    def failure(self, record: R) -> Failure | None:
        """Why a record holds nothing that a question could be about; None where it does."""
        found: Failure | None = getattr(record, "failure", None)
        return found

    def table(self, records: Sequence[R], trials: Sequence[Trial], width: int) -> str:
        """As text for a terminal of `width` columns; empty where there is nothing to print. `trials` are the run's."""
        return ""

    def markdown(self, records: Sequence[R], trials: Sequence[Trial]) -> str:
        """As Markdown; empty where it has no such form."""
        return ""

    def section(self, records: Sequence[R], trials: Sequence[Trial]) -> "Section | None":
        """As a table of the report; None where there is nothing to show."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A plain table for the report's page."""

    title: str
    legend: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
