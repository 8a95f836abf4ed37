"""bakeoff list: what can be measured, and which stacks are available on this machine?"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bakeoff.authoring import discovery
from bakeoff.authoring.model import SIZES
from bakeoff.cli import _common
from bakeoff.machine import available
from bakeoff.machine.available import Availability
from bakeoff.records.cell import Mode
from bakeoff.runner import options
from bakeoff.runner.option_values import at_least, interpreters
from bakeoff.system import terminal
from bakeoff.system.environment import default_threads
from bakeoff.views import columns

LIST_OPTIONS = ("--threads", "--interpreter", "--models-from", "--compilers-from")


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    listing = _common.add(
        verbs,
        "list",
        "models, stacks, modes and sizes; which stacks are available here, and how to get the others",
        "bakeoff list",
        "bakeoff list --json",
    )
    listing.add_argument("--json", action="store_true", help="print the lists as JSON")
    options.add(listing, {flag: options.RUN[flag] for flag in LIST_OPTIONS})
    listing.set_defaults(do=_list)


def _list(asked: argparse.Namespace) -> int:
    every_model, every_stack = discovery.models(map(Path, asked.models_from)), discovery.stacks(map(Path, asked.compilers_from))
    unusable = [source.bad_name for source in (*every_model, *every_stack) if source.bad_name]
    models = [model for model in every_model if not model.bad_name]
    stacks = [stack for stack in every_stack if not stack.bad_name]
    others = interpreters(asked.interpreter, {stack.framework for stack in stacks})
    threads = default_threads() if asked.threads is None else at_least(1, asked.threads, "--threads")
    found = available.availabilities(stacks, available.this_machine(stacks, others), threads)
    groups = {
        "models": [m.name for m in models if m.in_matrix],
        "gallery": [m.name for m in models if m.in_gallery],
        "kernels": [m.name for m in models if m.is_kernel],
        "modes": [str(mode) for mode in Mode],
        "sizes": list(SIZES),
    }
    if asked.json:
        print(json.dumps({**groups, "stacks": [_record(one) for one in found]}, indent=1))
        return 0
    for group, names in groups.items():
        print(*columns.wrapped(f"{group:<8}{' '.join(names)}", terminal.columns(sys.stdout), " " * 8), sep="\n")
    for title, chosen in (
        ("stacks", [one for one in found if one.stack.default]),
        ("more (--stacks)", [one for one in found if not one.stack.default]),
    ):
        print("", *_table(title, chosen), sep="\n")
    missing = sum(not one.available for one in found)
    print(*(f"\ncannot be used: {problem}" for problem in unusable), sep="", end="\n" * bool(unusable))
    print(f"\n{len(found) - missing} of {len(found)} stacks are available here; `bakeoff doctor` checks the machine itself")
    return 0


def _table(title: str, rows: Sequence[Availability]) -> list[str]:
    """A row per stack; what does not fit beside its name goes on below."""
    names = [one.stack.name for one in rows]
    frameworks = [one.stack.framework for one in rows]
    left = max(map(len, (title, *names))) + max(map(len, ("framework", *frameworks))) + 2 * len(columns.GAP)
    width = max(40, terminal.columns(sys.stdout) - left)
    here = [[line for text in (one.missing or (str(one),)) for line in columns.wrapped(text, width)] for one in rows]
    found = [
        columns.Column(title, [[name] for name in names]),
        columns.Column("framework", [[name] for name in frameworks]),
        columns.Column("here", here),
    ]
    return list(columns.drawn(found, apart=False))


def _record(one: Availability) -> dict[str, object]:
    stack = one.stack
    return {
        "name": stack.name,
        "framework": stack.framework,
        "main": stack.default,
        "available": one.available,
        "lacks": list(one.missing),
        "versions": dict(one.versions),
        "devices": list(stack.devices),
        "targets": list(stack.targets),
        "workers": stack.workers,
        "exported_by": stack.exported_by,
    }
