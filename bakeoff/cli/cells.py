"""bakeoff measure | explain: run the cells that were named, and nothing else."""

import argparse
import signal
import sys
from dataclasses import replace
from typing import Any

import msgspec

from bakeoff import tasks
from bakeoff.analysis.results import by_cell
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import verb
from bakeoff.records.trial import Status
from bakeoff.runner import options
from bakeoff.runner.session import Session
from bakeoff.system import terminal
from bakeoff.tasks import tables
from bakeoff.views import explain


def add_verbs(verbs: Any) -> None:
    """The subcommands."""
    measuring = verb.add(
        verbs,
        "measure",
        "measure one cell, or one model on the main stacks, and print the table",
        "bakeoff measure mlp tf_xla",
        "bakeoff measure lstm-torch_script-training --threads 1 --trials 3",
        "bakeoff measure mlp                      # on the six main stacks",
    )
    explaining = verb.add(
        verbs,
        "explain",
        "run one cell, or one model on all stacks: where it breaks and why, compile phases, what it compiled to",
        "bakeoff explain branchy torch_inductor",
        "bakeoff explain gpt_decoder torch_inductor --target cuda:sm_90 --dtype bfloat16",
    )
    for running, do in ((measuring, _measure), (explaining, _explain)):
        running.add_argument("cell", metavar="CELL", help="model-stack-mode, or MODEL for the main stacks")
        running.add_argument("rest", metavar="STACK [MODE]", nargs="*", default=[], help="instead of CELL: MODEL STACK [MODE]")
        running.add_argument("--json", action="store_true", help="print the trials as JSON")
        options.add(running, options.RUN, tasks.options())
        running.set_defaults(do=do)


def run(asked: argparse.Namespace, model: str, stacks: str | None, mode: str, *, verify: bool) -> Session:
    """Measure a model on some stacks, or for None on the main ones; what else the options say."""
    names = {"models": model, "stacks": stacks, "modes": mode}
    plan = options.plan(lambda name: names[name] if name in names else getattr(asked, name))
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # tidy up, too
    store = options.store(lambda name: getattr(asked, name))
    plan = tasks.planned(replace(plan, verify=verify), lambda name: getattr(asked, name))
    session = Session(plan, store, tasks.every(), resume=asked.resume, say=to_stderr)
    session.run()
    return session


def to_stderr(line: str) -> None:
    """Progress is no result."""
    print(line, file=sys.stderr)


def _named(asked: argparse.Namespace) -> tuple[str, str | None, str]:
    parts = [asked.cell, *asked.rest]
    if len(parts) == 1 and len(words := asked.cell.split("-")) in (2, 3):
        parts = words
    if len(parts) > 3:
        raise UsageError(f"{' '.join(parts)}: name one cell as MODEL STACK [MODE], or as model-stack-mode")
    return parts[0], ",".join(parts[1:2]) or None, (parts[2:] or ["inference"])[0]


def _measure(asked: argparse.Namespace) -> int:
    session = run(asked, *_named(asked), verify=True)
    if asked.json:
        _print_json(session)
    else:
        width = terminal.columns(sys.stdout)
        print(tables.terminal(session.trials, session.one_time_costs, session.records, width), end="")
        for failure in [t.failure for t in session.trials if t.failure is not None and t.failure.traceback]:
            print(failure.traceback)
    return 0 if all(r.status in (Status.OK, Status.COMPILED) for r in by_cell(session.trials).values()) else 1


def _explain(asked: argparse.Namespace) -> int:
    session = run(asked, *_named(asked), verify=False)  # whoever asks wants to know where it breaks, not how fast it is
    if asked.json:
        _print_json(session)
    else:
        width = terminal.columns(sys.stdout) if sys.stdout.isatty() else 120
        console = terminal.coloured(sys.stdout, width)
        with console.capture() as capture:
            explain.show(by_cell(session.trials).values(), console)
        print("\n".join(line.rstrip() for line in capture.get().splitlines()))
    return 0


def _print_json(session: Session) -> None:
    print(msgspec.json.format(msgspec.json.encode(session.trials), indent=1).decode())
