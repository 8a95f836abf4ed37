"""bakeoff history: when did a cell become slower or faster?"""

import argparse
from typing import Any

from bakeoff.analysis import metrics
from bakeoff.cli import _common


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    past = _common.add(
        verbs,
        "history",
        "show a metric of a cell over all saved runs, with the commits at which its level changed",
        "bakeoff history 'mlp-*'",
        "bakeoff history mlp-torch_inductor-inference --metric compile_cold --json",
    )
    past.add_argument("cell", metavar="CELL", help="model-stack-mode, or a glob such as mlp-*")
    past.add_argument("--metric", default=metrics.SPEED, choices=list(metrics.compared()), help="default: %(default)s")
    past.add_argument("--json", action="store_true", help="print every point and every change of level as JSON")
    _common.add_storage(past)
    past.set_defaults(do=_history)


def _history(asked: argparse.Namespace) -> int:
    from bakeoff.compare.trends import show

    show(asked.cell, asked.metric, _common.saved_in(asked), as_json=asked.json)
    return 0
