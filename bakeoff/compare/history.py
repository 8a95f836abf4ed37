"""How did one cell change over all saved runs: where did its level shift, and at which commit?

Change points are found by ruptures' PELT (Killick et al. 2012) on the logarithms, with a penalty of 3 log n robust variances. A
shift is a hint for triage, not for a gate: runs of different hours differ by more than their trials do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from bakeoff.records.cell import Cell

SPARKS = "▁▂▃▄▅▆▇█"
PENALTY = 3.0
LEAST_SHIFT = 0.02  # a smaller change of the level is ignored
LEAST_SEGMENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run's value; None where the cell had no speed there."""

    run: str
    when: str
    commit: str
    status: str
    value: float | None
    trials: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelShift:
    """The level changed between two consecutive runs."""

    before: Point
    at: Point  # the first of the new level
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A metric of a cell over runs that are comparable."""

    cell: Cell
    metric: str
    points: tuple[Point, ...]
    shifts: tuple[LevelShift, ...]
    left_out: int = 0  # runs of another machine or other settings than the latest


def trend(cell: Cell, metric: str, points: Sequence[Point], left_out: int = 0) -> Trend:
    """The level shifts in a series of runs, oldest first."""
    valued = [p for p in points if p.value]
    if not valued:
        return Trend(cell=cell, metric=metric, points=tuple(points), shifts=(), left_out=left_out)
    shifts = []
    edges = _edges([math.log(p.value) for p in valued if p.value])
    levels = [median(p.value for p in valued[a:b] if p.value) for a, b in pairwise(edges)]
    for edge, (before, after) in zip(edges[1:-1], pairwise(levels), strict=True):
        if abs(math.log(after / before)) > math.log1p(LEAST_SHIFT):
            shifts.append(LevelShift(before=valued[edge - 1], at=valued[edge], ratio=after / before))
    return Trend(cell=cell, metric=metric, points=tuple(points), shifts=tuple(shifts), left_out=left_out)


def sparkline(trend: Trend, width: int) -> str:
    """The series as one line of text; × is a run without a value. If there are too many runs, neighbours share a character."""
    groups = np.array_split(np.arange(len(trend.points)), max(1, min(width, len(trend.points))))
    values = [[v for i in group if (v := trend.points[i].value)] for group in groups]
    known = [median(v) for v in values if v]
    if not known:
        return "×" * len(groups)
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    return "".join(SPARKS[int((median(v) - low) / span * (len(SPARKS) - 1))] if v else "×" for v in values)


def _edges(logs: Sequence[float]) -> list[int]:
    """0, the change points, and the length."""
    if len(logs) < 2 * LEAST_SEGMENT:
        return [0, len(logs)]
    import ruptures

    series = np.asarray(logs)
    steps = np.diff(series)
    noise = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / math.sqrt(2) or 1e-6
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_SEGMENT).fit((series / noise).reshape(-1, 1))
    return [0, *(int(end) for end in search.predict(pen=PENALTY * math.log(len(series)) * 2))]
