"""Which tasks are there? One per folder with a task.py. To add a task, add a folder.

bakeoff/runner/task.py says what such a folder holds, and which ones can be deleted.
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
from bakeoff.runner.task import AddsToTrials, Task

__all__ = ["additions", "defaults", "every", "named", "only", "options", "planned"]


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


def options(command: str = "pytest") -> dict[str, Mapping[str, Any]]:
    """The options of tasks that pytest or a command of `bakeoff` has: flag → keywords of argparse's add_argument."""
    found = [(flag, option) for task in every() for flag, option in task.options.items()]
    return {flag: option.keywords for flag, option in found if command in option.commands}


def defaults() -> dict[str, Any]:
    """The values of all options of tasks for a command that does not have them, by name."""
    found = [(option.name(flag), option) for task in every() for flag, option in task.options.items()]
    return {name: option.keywords.get("default") for name, option in reversed(found)}  # the first of a name decides


def additions(option: Callable[[str], Any]) -> list[AddsToTrials]:
    """The tasks that add findings to trials, without those that the options leave out."""
    return [task for task in every() if isinstance(task, AddsToTrials) and not task.left_out(option)]


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
