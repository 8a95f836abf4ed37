"""bakeoff gate: does this change make anything slower? Compares two saved runs; the exit code is the decision."""

import argparse
from pathlib import Path
from typing import Any

from bakeoff.cli import _common, _comparison
from bakeoff.compare.budgets import accept


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    gating = _common.add(
        verbs,
        "gate",
        "compare two saved runs; exit code 0: pass, 1: regression, 2: not comparable, 3: undecided",
        "bakeoff gate 0006 0007",
        "bakeoff gate 0006 0007 --accept 'the new layer is worth it'",
    )
    gating.add_argument("baseline", metavar="BASELINE", help="number, name or path of a saved run")
    gating.add_argument("candidate", metavar="CANDIDATE", nargs="?", help="the same; omit it for a run of `bakeoff ab`")
    gating.add_argument("--accept", metavar="REASON", help="accept the present regressions: add rows to the file of budgets")
    _comparison.add_options(gating)
    _comparison.add_selection(gating)
    gating.set_defaults(do=_gate)


def _gate(asked: argparse.Namespace) -> int:
    report = _comparison.report(asked, *_comparison.runs(asked, alone=False), gate=True)
    assert report.decision is not None
    _comparison.show(asked, report)
    if asked.accept is not None and report.decision.failed and report.comparison.changes:
        for row in accept(Path(asked.budgets), report.decision.failed, asked.accept):
            _common.to_stderr(f"{asked.budgets}: {row.cells} {row.metric} may be {row.budget:g} worse: {row.reason}")
        again = _comparison.report(asked, *_comparison.runs(asked, alone=False), gate=True).decision
        assert again is not None
        _common.to_stderr(f"with these rows: {again.summary}")
        return int(again.exit)
    return int(report.decision.exit)
