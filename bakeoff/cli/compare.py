"""bakeoff compare: what changed between two saved runs?"""

import argparse
from typing import Any

from bakeoff.cli import _common, _comparison


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    comparing = _common.add(
        verbs,
        "compare",
        "what changed between two saved runs, with intervals and verdicts",
        "bakeoff compare                          # the two latest runs",
        "bakeoff compare 0006 0007 --cells 'mlp-*' --markdown",
    )
    comparing.add_argument("baseline", metavar="A", nargs="?", help="number, name or path (default: the one before the latest)")
    comparing.add_argument("candidate", metavar="B", nargs="?", help="number, name or path (default: the latest)")
    _comparison.add_options(comparing)
    _comparison.add_selection(comparing)
    comparing.set_defaults(do=_compare)


def _compare(asked: argparse.Namespace) -> int:
    _comparison.show(asked, _comparison.report(asked, *_comparison.runs(asked, alone=True), gate=False))
    return 0
