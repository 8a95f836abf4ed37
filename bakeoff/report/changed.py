"""How does a report show what changed since another run, or over many runs? Ready for the page. Pure."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from bakeoff.analysis.metrics import METRICS, SPEED
from bakeoff.archive.saved_runs import Run
from bakeoff.compare.history import Trend
from bakeoff.compare.report import CHANGE_COLUMNS, Report, row
from bakeoff.compare.verdicts import Change, Verdict
from bakeoff.system.terminal import clean

MOST_DRAWN = 40


def compared(report: Report) -> dict[str, Any]:
    """A comparison: a chart of the timed metrics that are not the same, and all rows that are not."""
    changed = [c for c in report.comparison.changes if c.verdict is not Verdict.SAME]
    bounded = [
        c for c in changed if c.low is not None and c.high is not None and c.ratio and c.low > 0 and math.isfinite(c.high)
    ]
    # decided ones first, then by size
    bounded.sort(key=lambda c: (c.verdict is Verdict.UNDECIDED, -abs(math.log(c.ratio or 1.0))))
    counts = {v: sum(c.verdict is v for c in report.comparison.changes) for v in Verdict}
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return {
        "baseline": clean(report.baseline),
        "candidate": clean(report.candidate),
        "refused": "",
        "summary": f"{len(report.comparison.changes)} comparisons: {summary or 'none'}.",
        "columns": CHANGE_COLUMNS,
        "rows": [row(c) for c in changed],
        "drawn": [_drawn(c) for c in bounded[:MOST_DRAWN]],
        "left_out": f"The {MOST_DRAWN} largest of {len(bounded)}." if len(bounded) > MOST_DRAWN else "",
        "notes": report.notes,
    }


def not_comparable(baseline: str, candidate: str, why: str) -> dict[str, Any]:
    """Runs that are not comparable: the page shows why, and no ratio."""
    shown = {"baseline": clean(baseline), "candidate": clean(candidate), "refused": clean(why), "drawn": [], "notes": []}
    return shown | {"summary": "", "columns": CHANGE_COLUMNS, "rows": [], "left_out": ""}


def _drawn(change: Change) -> dict[str, Any]:
    _, _, before, after, ratio, _, interval, verdict = row(change)
    what = f"{change.cell} {METRICS[change.metric].title}" if change.metric != SPEED else str(change.cell)
    return {
        "what": clean(what),
        "ratio": change.ratio,
        "low": change.low,
        "high": change.high,
        "verdict": str(change.verdict),
        "label": f"{before} → {after}, ×{ratio} {interval}, {verdict}",
    }


def over_runs(runs: Sequence[Run], found: Iterable[Trend], left_out: Sequence[str]) -> dict[str, Any]:
    """Trends over many runs. Runs are listed once; each series refers to them by index."""
    at = {(run.path.stem[:4], run.when): i for i, run in enumerate(runs)}
    series, shifts = [], []
    for trend in found:
        valued = [p for p in trend.points if p.value is not None]
        if not valued:
            continue
        series.append(
            {
                "cell": clean(str(trend.cell)),
                "index": [at[p.run, p.when] for p in valued],
                "values": [float(f"{p.value:.5g}") for p in valued],
                "shifts": [(at[s.at.run, s.at.when], s.ratio) for s in trend.shifts],
            }
        )
        shifts += [
            clean(f"{trend.cell}: ×{s.ratio:.3f} from run {s.at.run} ({s.at.when[:16]}, {s.at.commit}) on")
            for s in trend.shifts
        ]
    caution = "A shift is a hint for triage: runs of different hours differ by more than their trials do."
    summary = f"{len(series)} cells with a speed; {len(shifts)} level shifts found in them. {caution}"
    return {
        "runs": len(runs),
        "cells": [s["cell"] for s in series],
        "shifts": shifts,
        "summary": " ".join([summary, *(f"Left out: {clean(text)}." for text in left_out)]),
        "data": {
            "runs": [{"run": clean(r.path.stem[:4]), "when": r.when[:16], "commit": clean(str(r.commit))} for r in runs],
            "series": series,
        },
    }
