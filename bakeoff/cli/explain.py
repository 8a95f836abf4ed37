"""bakeoff explain: where does a program break the graph and why, and what did it compile to? Runs the named cells."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff import tasks
from bakeoff.analysis.results import by_cell
from bakeoff.authoring import discovery
from bakeoff.cli import _common, _names
from bakeoff.cli.run import MODEL
from bakeoff.runner import options
from bakeoff.system import terminal
from bakeoff.views import explain


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    explaining = _common.add(
        verbs,
        "explain",
        "run cells and say where they break the graph and why, their compile phases, and what they compiled to",
        "bakeoff explain branchy torch_inductor",
        "bakeoff explain gpt_decoder torch_inductor --target cuda:sm_90 --dtype bfloat16",
    )
    explaining.add_argument("names", metavar="NAME", nargs="+", help=_names.HELP)
    explaining.add_argument("--json", action="store_true", help="print the trials as JSON")
    options.add(explaining, options.RUN, tasks.options("explain"))
    explaining.set_defaults(do=_explain)


def _explain(asked: argparse.Namespace) -> int:
    models, stacks = discovery.models(map(Path, asked.models_from)), discovery.stacks(map(Path, asked.compilers_from))
    chosen = _names.chosen(asked.names, models, stacks, MODEL)
    named = None if chosen.stacks is None else ",".join(chosen.stacks)
    plan = _common.plan(asked, models=",".join(chosen.models), stacks=named, modes=",".join(chosen.modes))
    # speed does not matter here, so an unsteady cell gets no further trials
    session = _common.run_plan(asked, replace(plan, cells=chosen.cells, trials=1, most_trials=None, control=False))
    if asked.json:
        _common.print_json(session)
        return 0
    width = terminal.columns(sys.stdout) if sys.stdout.isatty() else 120
    console = terminal.coloured(sys.stdout, width)
    with console.capture() as capture:
        explain.show(by_cell(session.trials).values(), console)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))
    return 0
