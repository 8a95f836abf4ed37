"""bakeoff show: what did a saved run measure? Prints its tables."""

import argparse
import sys
from typing import Any

from bakeoff.archive import saved_runs
from bakeoff.cli import _common
from bakeoff.system import terminal
from bakeoff.tasks import tables


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    showing = _common.add(verbs, "show", "print the tables of a saved run", "bakeoff show", "bakeoff show 0007 --markdown")
    showing.add_argument("run", metavar="RUN", nargs="?", help="path, or number such as 0007 (default: the latest)")
    showing.add_argument("--markdown", action="store_true", help="print as Markdown")
    _common.add_storage(showing)
    showing.set_defaults(do=_show)


def _show(asked: argparse.Namespace) -> int:
    run = saved_runs.read(saved_runs.find(asked.run, _common.saved_in(asked)))
    if asked.markdown:
        print(tables.markdown(run.trials, run.one_time_costs, tables.records_of(run), run.neighbours), end="")
    else:
        width = terminal.columns(sys.stdout)
        print(tables.terminal(run.trials, run.one_time_costs, tables.records_of(run), width, run.neighbours), end="")
    return 0
