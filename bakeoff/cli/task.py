"""bakeoff task: one kind of job beyond timing, on some cells: its records are saved, and its table is printed."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from bakeoff import tasks
from bakeoff.archive import saving
from bakeoff.authoring.discovery import ROOT
from bakeoff.cli import verb
from bakeoff.runner import options
from bakeoff.runner.session import TIMING, Session
from bakeoff.runner.task import Question
from bakeoff.system import terminal
from bakeoff.tasks.tables import terminal as table


def add_verb(verbs: Any) -> None:
    """The subcommand."""
    doing = verb.add(
        verbs,
        "task",
        "one kind of job beyond timing: what importing costs, a series of shapes, what the machine reaches",
        "bakeoff task import_time",
        "bakeoff task shapes --models mlp --stacks torch_inductor,tf_xla --shapes 8,9,16",
    )
    names = [task.name for task in tasks.every() if task.name != TIMING]
    doing.add_argument("task", metavar="TASK", choices=names, help=f"one of: {', '.join(names)}")
    doing.add_argument("--benchmark-storage", default=str(ROOT / ".benchmarks"), metavar="DIR", help="where the run is saved")
    options.add(doing, options.MATRIX, options.RUN, tasks.options())
    doing.set_defaults(do=_task)


def _task(asked: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # tidy up, too
    task = tasks.named(asked.task)

    def option(name: str) -> Any:
        return getattr(asked, name)

    plan = options.plan(option)
    cells = task.select(Question(plan=plan, option=option))
    plan = tasks.only(plan, task, option, cells)
    session = Session(plan, options.store(option), tasks.every(), resume=asked.resume, say=_to_stderr)
    session.run()
    print(table(session.trials, session.one_time_costs, session.records, terminal.columns(sys.stdout)), end="")
    saved = saving.save(Path(asked.benchmark_storage), f"task_{task.name}", saving.parts(session, f"bakeoff task {task.name}"))
    print(f"saved: {saved}")
    failed = [record for record in session.of(task) if task.failure(record) is not None]
    return 1 if failed else 0


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)
