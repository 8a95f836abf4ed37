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
from bakeoff.machine.available import Stand
from bakeoff.records.cell import Mode
from bakeoff.runner import options
from bakeoff.runner.option_values import interpreters
from bakeoff.system import terminal
from bakeoff.views import columns


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
    options.add(listing, {flag: options.RUN[flag] for flag in ("--interpreter", "--models-from", "--compilers-from")})
    listing.set_defaults(do=_list)


def _list(asked: argparse.Namespace) -> int:
    models = discovery.models(map(Path, asked.models_from))
    stacks = list(discovery.stacks(map(Path, asked.compilers_from)))
    others = interpreters(asked.interpreter, {stack.framework for stack in stacks})
    stands = available.stands(stacks, available.here(stacks, others))
    groups = {
        "models": [m.name for m in models if m.in_matrix],
        "gallery": [m.name for m in models if m.in_gallery],
        "kernels": [m.name for m in models if m.is_kernel],
        "modes": [str(mode) for mode in Mode],
        "sizes": list(SIZES),
    }
    if asked.json:
        print(json.dumps({**groups, "stacks": [_record(stand) for stand in stands]}, indent=1))
        return 0
    for group, names in groups.items():
        print(*columns.wrapped(f"{group:<8}{' '.join(names)}", terminal.columns(sys.stdout), " " * 8), sep="\n")
    for title, chosen in (
        ("stacks", [stand for stand in stands if stand.stack.default]),
        ("more (--stacks)", [stand for stand in stands if not stand.stack.default]),
    ):
        print("", *_table(title, chosen), sep="\n")
    missing = sum(not stand.available for stand in stands)
    print(f"\n{len(stands) - missing} of {len(stands)} stacks are available here; `bakeoff doctor` checks the machine itself")
    return 0


def _table(title: str, stands: Sequence[Stand]) -> list[str]:
    """A row per stack, with long texts wrapped in the last column."""
    names = [stand.stack.name for stand in stands]
    frameworks = [stand.stack.framework for stand in stands]
    left = max(map(len, (title, *names))) + max(map(len, ("framework", *frameworks))) + 2 * len(columns.GAP)
    width = max(40, terminal.columns(sys.stdout) - left)
    here = [[line for text in (stand.lacks or (str(stand),)) for line in columns.wrapped(text, width)] for stand in stands]
    found = [
        columns.Column(title, [[name] for name in names]),
        columns.Column("framework", [[name] for name in frameworks]),
        columns.Column("here", here),
    ]
    return list(columns.drawn(found, apart=False))


def _record(stand: Stand) -> dict[str, object]:
    stack = stand.stack
    return {
        "name": stack.name,
        "framework": stack.framework,
        "main": stack.default,
        "available": stand.available,
        "lacks": list(stand.lacks),
        "versions": dict(stand.versions),
        "devices": list(stack.devices),
        "targets": list(stack.targets),
        "workers": stack.workers,
        "exported_by": stack.exported_by,
    }
