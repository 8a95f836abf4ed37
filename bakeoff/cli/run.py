"""bakeoff run: which stack should run this model here? Measures, saves the run, names the winner, and suggests next steps."""

import argparse
import shlex
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff import tasks
from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.analysis.settings import flags_of_the_cell
from bakeoff.archive.storage import FLAG
from bakeoff.authoring import discovery
from bakeoff.cli import _common, _names, pick
from bakeoff.compare import evidence
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Status
from bakeoff.runner import options
from bakeoff.runner.session import Session
from bakeoff.system import terminal
from bakeoff.tasks import tables
from bakeoff.views import columns

MODEL = "mlp"  # measured if no model is named
STEPS = 10_000  # the winner has the least total time for this many steps
FURTHER_WITHIN_S = 60.0  # limits further groups, so that a first result takes at most 90 s even on a noisy machine
LONG = 1_000_000  # another number of steps, for the suggested next command


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    running = _common.add(
        verbs,
        "run",
        "measure models on stacks, save the run, and name the fastest stack",
        "bakeoff run mlp                          # one model on the six main stacks",
        "bakeoff run mlp lstm torch_eager torch_script training",
        "bakeoff run lstm-torch_script-training --threads 1 --trials 3",
    )
    running.add_argument("names", metavar="NAME", nargs="*", help=f"{_names.HELP} (default: {MODEL} on the main stacks)")
    running.add_argument("--json", action="store_true", help="print the trials as JSON instead of the table")
    _common.add_storage(running)
    options.add(running, options.RUN, tasks.options("run"))
    running.set_defaults(do=_run)


def _run(asked: argparse.Namespace) -> int:
    models, stacks = discovery.models(map(Path, asked.models_from)), discovery.stacks(map(Path, asked.compilers_from))
    chosen = _names.chosen(asked.names, models, stacks, MODEL)
    named = None if chosen.stacks is None else ",".join(chosen.stacks)
    plan = _common.plan(asked, models=",".join(chosen.models), stacks=named, modes=",".join(chosen.modes))
    plan = replace(plan, cells=chosen.cells, further_within_s=FURTHER_WITHIN_S)
    session, path = _common.measured_and_saved(asked, plan)
    results = by_cell(session.trials)
    if asked.json:
        _common.print_json(session)
    else:
        width = terminal.columns(sys.stdout)
        found = session.trials, session.one_time_costs, session.records
        print(tables.terminal(*found, width, session.neighbours, band=plan.band), end="")
        for failure in [t.failure for t in session.trials if t.failure is not None and t.failure.traceback]:
            print(failure.traceback)
        if not asked.target:
            print(*_winners(session, chosen, width), sep="\n")
        print(*_next_steps(asked, session, path, list(results.values())), sep="\n")
    return 0 if all(r.status.succeeded for r in results.values()) else 1


def _winners(session: Session, chosen: _names.Chosen, width: int) -> Iterator[str]:
    """The winner of each model and mode with several stacks, in the words of `bakeoff pick`."""
    for model, mode in dict.fromkeys((trial.cell.model, trial.cell.mode) for trial in session.trials):
        of = [t for t in session.trials if (t.cell.model, t.cell.mode) == (model, mode)]
        stacks = None if chosen.stacks is None else list(dict.fromkeys(trial.cell.stack for trial in of))
        found = evidence.of(session.trials, model, mode, stacks, "", session.plan.settings, band=session.plan.band)
        ranking = pick.costs_of(found).totals(STEPS)
        if len(found.results) > 1:
            yield f"\n{model} {mode}, {STEPS:,} steps:"
            lines = pick.verdict(ranking, found)
            unsteady = [r.cell.stack for r in found.results if r.status is Status.UNSTEADY]
            lines += [f"unsteady, so no speed: {', '.join(unsteady)}"] * bool(unsteady)
            yield from (f"  {line}" for text in lines for line in columns.wrapped(text, width - 2, "  "))


def _next_steps(asked: argparse.Namespace, session: Session, path: Path, results: Sequence[CellResult]) -> Iterator[str]:
    """Suggested next commands, with the number of this run and its names."""
    where, same = _common.again(asked, FLAG), _common.again(asked, *flags_of_the_cell())
    cell, number = results[0].cell, path.name[:4]
    compiled = most_to_explain(results, {stack.name for stack in session.plan.stacks if stack.diagnoses}).cell
    folders = _common.again(asked, "--models-from", "--compilers-from")
    mode = [] if cell.mode is Mode.INFERENCE else ["--mode", str(cell.mode)]
    yield f"\nsaved: {path}\nnext:"
    commands = [
        (
            ["report", number, "-o", f"{cell.model}.html", *where],
            f"the run as a web page; the table again: bakeoff show {number}",
        ),
        (["pick", cell.model, "--steps", str(LONG), *mode, "--run", number, *folders, *where], "the winner for more steps"),
        (["explain", str(compiled), *same], "graph breaks, compile phases, generated code"),
    ]
    lines = [(shlex.join(["bakeoff", *words]), why) for words, why in commands if words[0] != "pick" or not asked.target]
    width = max(len(line) for line, _ in lines)
    yield from (f"  {line:<{width}}  # {why}" for line, why in lines)


def most_to_explain(results: Sequence[CellResult], diagnoses: Collection[str]) -> CellResult:
    """The one that took longest to compile, of the stacks that `explain` can diagnose; the last one if there is none."""
    able = [r for r in results if not r.eager and r.cell.stack in diagnoses]
    return max(able, key=lambda r: r.compile_s if r.measurements else 0.0, default=results[-1])
