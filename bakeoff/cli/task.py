"""bakeoff task: how do I run one kind of job other than timing? Runs it, saves its records, and prints its table."""

import argparse
import signal
import sys
from typing import Any

from bakeoff import tasks
from bakeoff.archive import saving
from bakeoff.cli import _common
from bakeoff.runner import options
from bakeoff.runner.session import TIMING, Session
from bakeoff.runner.task import Question
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
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # clean up as after Ctrl-C
    task = tasks.named(asked.task)

    def option(name: str) -> Any:
        return getattr(asked, name)

    plan = options.plan(option)
    cells = task.select(Question(plan=plan, option=option))
    plan = tasks.only(plan, task, option, cells)
    session = Session(plan, options.store(option), tasks.every(), resume=asked.resume, say=_common.to_stderr)
    session.run()
    print(table(session.trials, session.one_time_costs, session.records, terminal.columns(sys.stdout)), end="")
    saved = saving.save(_common.saved_in(asked), f"task_{task.name}", saving.parts(session, f"bakeoff task {task.name}"))
    print(f"saved: {saved}")
    failed = [record for record in session.of(task) if task.failure(record) is not None]
    return 1 if failed else 0
