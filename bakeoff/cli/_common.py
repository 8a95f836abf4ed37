"""What do the commands share? Registration, options of saved runs and of measuring, and running a plan."""

import argparse
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from bakeoff import tasks
from bakeoff.archive import saving, storage
from bakeoff.authoring.discovery import ROOT
from bakeoff.runner import options
from bakeoff.runner.plan import Plan
from bakeoff.runner.processes import sigterm_as_ctrl_c
from bakeoff.runner.session import Session
from bakeoff.system.terminal import to_stderr as to_stderr  # the verbs use it from here

HELP_WIDTH = 100
BUDGETS = ROOT / "experiments" / "budgets.toml"
# options of a series of shapes, which only pytest and `bakeoff task shapes` run
_SHAPES = ("--shape-models", "--shapes", "--shape-axis")
EVERY = options.MATRIX | options.RUN | tasks.options()
MEASURING = {flag: k for flag, k in EVERY.items() if flag not in (*_SHAPES, *options.MATRIX)}


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
    known = {**EVERY, storage.FLAG: {"default": storage.default_storage()}}
    words = []
    for flag in flags:
        value = getattr(asked, _name(flag))
        if value != known[flag].get("default"):
            words += [word for each in (value if isinstance(value, list) else [value]) for word in (flag, str(each))]
    return words


def plan(asked: argparse.Namespace, **given: str | None) -> Plan:
    """The plan, from `given`, then the command line, then the defaults of options that the command does not have."""
    values: dict[str, Any] = {_name(flag): k.get("default") for flag, k in EVERY.items()}
    values |= vars(asked) | given
    return options.plan(values.__getitem__)


def run_plan(asked: argparse.Namespace, plan: Plan) -> Session:
    """Run a plan. After an interrupt, finished trials are kept."""
    sigterm_as_ctrl_c()
    store = options.store(lambda name: getattr(asked, name))
    values = {_name(flag): k.get("default") for flag, k in EVERY.items()} | vars(asked)
    session = Session(tasks.planned(plan, values.__getitem__), store, tasks.every(), resume=asked.resume, say=to_stderr)
    session.run()
    return session


def measured_and_saved(asked: argparse.Namespace, plan: Plan) -> tuple[Session, Path]:
    """(the finished session, the file of the saved run), which has the same format as that of a pytest session."""
    folder = saved_in(asked)
    options.need_writable({storage.FLAG: folder})
    session = run_plan(asked, plan)
    models = [model.name for model in plan.models]
    name = "_".join(("run", *models[:3], *["more"] * (len(models) > 3)))
    return session, saving.save(folder, name, saving.parts(session, asked.command))


def print_json(session: Session) -> None:
    """Print the trials as JSON."""
    print(msgspec.json.format(msgspec.json.encode(session.trials), indent=1).decode())


def _name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")
