"""What do the commands share? Registration, options of saved runs and of measuring, and running a plan."""

import argparse
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from bakeoff import tasks
from bakeoff.archive import saving, storage
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.runner import options
from bakeoff.runner.plan import Plan
from bakeoff.runner.processes import sigterm_as_ctrl_c
from bakeoff.runner.session import Session
from bakeoff.runner.task import Question, Task
from bakeoff.system.terminal import to_stderr as to_stderr  # the verbs use it from here

HELP_WIDTH = 100
BUDGETS = ROOT / "experiments" / "budgets.toml"


def add(verbs: Any, name: str, does: str, *examples: str) -> argparse.ArgumentParser:
    """Add a subcommand with its help. Each of `examples` is a whole command, with a comment if it needs one."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=does,
        description=textwrap.fill(does, HELP_WIDTH),
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Add the option for the folder of saved runs, which every command that reads or writes a run has."""
    default = storage.default_storage()
    description = f"folder of saved runs, as in pytest (default: {default.replace('%', '%%')})"
    parser.add_argument(storage.FLAG, default=default, metavar="DIR", help=description)


def saved_in(asked: argparse.Namespace) -> Path:
    """The folder of saved runs."""
    return storage.folder(asked.benchmark_storage)


def again(asked: argparse.Namespace, *flags: str) -> list[str]:
    """The arguments that pass these options on to another command; without those that have their default."""
    known = {**_defaults(), _name(storage.FLAG): storage.default_storage()}
    words = []
    for flag in flags:
        value = getattr(asked, _name(flag))
        if value != known[_name(flag)]:
            words += [word for each in (value if isinstance(value, list) else [value]) for word in (flag, str(each))]
    return words


def plan(asked: argparse.Namespace, **given: str | None) -> Plan:
    """The plan, from `given`, then the command line, then the defaults of options that the command does not have."""
    return options.plan((_defaults() | vars(asked) | given).__getitem__)


def run_plan(asked: argparse.Namespace, plan: Plan, task: Task[Any] | None = None) -> Session:
    """Run a plan, or only one task of it. After an interrupt, finished trials are kept."""
    sigterm_as_ctrl_c()
    store = options.store(lambda name: getattr(asked, name))
    option = (_defaults() | vars(asked)).__getitem__
    if task is None:
        plan = tasks.planned(plan, option)
    else:
        plan = tasks.only(plan, task, option, task.select(Question(plan=plan, option=option)))
    session = Session(plan, store, tasks.every(), resume=asked.resume, say=to_stderr)
    session.run()
    return session


def measured_and_saved(asked: argparse.Namespace, plan: Plan, task: Task[Any] | None = None) -> tuple[Session, Path]:
    """(the finished session, the file of the saved run), which has the same format as that of a pytest session.

    Raises UsageError if the run cannot be saved, before anything is measured.
    """
    folder = saved_in(asked)
    options.need_writable({storage.FLAG: folder})
    session = run_plan(asked, plan, task)
    if task is not None and not session.of(task) and not session.trials:  # what was measured is saved
        raise UsageError(f"{task.name} has nothing to do for any of the selected cells, so nothing is saved; choose others")
    models = [model.name for model in plan.models]
    name = "_".join(("run", *models[:3], *["more"] * (len(models) > 3))) if task is None else f"task_{task.name}"
    return session, saving.save(folder, name, saving.parts(session, asked.command))


def print_json(session: Session) -> None:
    """Print the trials as JSON."""
    print(msgspec.json.format(msgspec.json.encode(session.trials), indent=1).decode())


def _defaults() -> dict[str, Any]:
    """The values of options that a command does not have, by name."""
    return {_name(flag): k.get("default") for flag, k in (options.MATRIX | options.RUN).items()} | tasks.defaults()


def _name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")
