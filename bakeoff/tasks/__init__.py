"""Which tasks are there? One per folder with a task.py. To add a task, add a folder; to remove one, delete it.

bakeoff/runner/task.py says what such a folder holds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from bakeoff.authoring.errors import UsageError
from bakeoff.runner.plan import Plan, PlannedCell, TaskPlan
from bakeoff.runner.session import TIMING
from bakeoff.runner.task import Task

__all__ = ["every", "named", "only", "options", "planned"]


@cache
def every() -> tuple[Task[Any], ...]:
    """The TASK of each folder, in the order in which a session runs them."""
    folders = sorted(path.parent.name for home in __path__ for path in Path(home).glob("*/task.py"))
    found: list[Task[Any]] = [import_module(f"{__name__}.{name}.task").TASK for name in folders]
    return tuple(sorted(found, key=lambda task: (task.order, task.name)))


def named(name: str) -> Task[Any]:
    """The task of this name. Raises UsageError if there is none."""
    for task in every():
        if task.name == name:
            return task
    raise UsageError(f"there is no task {name}; there are: {', '.join(task.name for task in every())}")


def options() -> dict[str, Mapping[str, Any]]:
    """The options of all tasks: flag → keywords of argparse's add_argument."""
    return {flag: keywords for task in every() for flag, keywords in task.options.items()}


def planned(plan: Plan, option: Callable[[str], Any], asked: Mapping[str, Sequence[PlannedCell]] | None = None) -> Plan:
    """The plan, with the plan of each task. `asked`: name of a task → cells whose records were asked for.

    Without `asked` the selected cells are timed. Raises UsageError for a bad value of a task's options.
    """
    wanted = dict(asked) if asked is not None else {TIMING: plan.selected()}
    found: dict[str, TaskPlan | None] = {task.name: task.planned(plan, option, wanted.get(task.name, ())) for task in every()}
    return replace(plan, tasks={name: task for name, task in found.items() if task is not None})


def only(plan: Plan, task: Task[Any], option: Callable[[str], Any], cells: Sequence[PlannedCell]) -> Plan:
    """The plan in which one task is done on these cells. They are timed only if the task needs that (`Task.timed`)."""
    timed = [planned.cell for planned in cells] if task.timed else []
    bare = replace(plan, cells=frozenset(timed))
    wanted = {task.name: cells, **({TIMING: cells} if timed else {})}
    return replace(bare, tasks={name: made for name, made in planned(bare, option, wanted).tasks.items() if name in wanted})
