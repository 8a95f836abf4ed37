"""bakeoff task: how do I run one kind of job other than timing? Runs it, saves its records, and prints its table."""

import argparse
import sys
from typing import Any

from bakeoff import tasks
from bakeoff.cli import _common
from bakeoff.runner import options
from bakeoff.runner.session import TIMING
from bakeoff.system import terminal
from bakeoff.tasks.tables import terminal as table


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    others = [task for task in tasks.every() if task.name != TIMING]
    names = [task.name for task in others]
    examples = [f"bakeoff task {task.name} {task.example}".rstrip() for task in others if task.example is not None]
    doing = _common.add(verbs, "task", f"run one kind of job other than timing: {', '.join(names)}", *examples)
    doing.add_argument("task", metavar="TASK", choices=names, help=f"one of: {', '.join(names)}")
    _common.add_storage(doing)
    options.add(doing, options.MATRIX, options.RUN, tasks.options("task"))
    doing.set_defaults(do=_task)


def _task(asked: argparse.Namespace) -> int:
    task = tasks.named(asked.task)
    session, path = _common.measured_and_saved(asked, _common.plan(asked), task)
    width = terminal.columns(sys.stdout)
    print(table(session.trials, session.one_time_costs, session.records, width, session.neighbours), end="")
    _common.to_stderr(f"saved: {path}")
    failed = [record for record in session.of(task) if task.failure(record) is not None]
    return 1 if failed else 0
