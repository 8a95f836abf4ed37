"""What is the ratio of a pair whose two children took turns? Each round is a comparison of its own, moments apart. Pure.

A pair's ratio is the median over its rounds of one side's statistic to the other's. A disturbance that lasts longer than a
round affects both sides of it, and a bad round is one of twenty. A statistic of all samples of a side would be at the mercy of
one good moment that only that side had (docs/lab-notebook.md, 2026-11-23).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean, median

from bakeoff.analysis import metrics, summary
from bakeoff.analysis.pace import slices
from bakeoff.analysis.summary import CellSummary
from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Trial


def summaries_of_pairs(baseline: Sequence[Trial], candidate: Sequence[Trial]) -> tuple[list[CellSummary], list[CellSummary]]:
    """Both arms' summaries. Where children took turns, the candidate's steps are the baseline's times the pairs' ratios."""
    before, after = summary.of_trials(baseline), summary.of_trials(candidate)
    after = [_paired(f, [b for b in before if b.cell == f.cell], baseline, candidate) for f in after]
    kept = {f.cell: _at_once(_pairs_of(f, baseline, candidate)) for f in after}
    return [_only(f, kept.get(f.cell, [])) for f in before], [_only(f, kept.get(f.cell, [])) for f in after]


Pairs = list[tuple[Measurement, Measurement]]


def _pairs_of(made: CellSummary, baseline: Sequence[Trial], candidate: Sequence[Trial]) -> Pairs:
    """The cell's measurements of equal position; none where the sides do not have equally many."""
    sides = [[t.measurement for t in trials if t.cell == made.cell and t.measurement] for trials in (baseline, candidate)]
    return list(zip(*sides, strict=True)) if len(sides[0]) == len(sides[1]) else []


def _at_once(pairs: Pairs) -> list[int]:
    """Numbers of those that compiled at the same time."""
    return [n for n, pair in enumerate(pairs) if all(m.compiled_at_once for m in pair)]


def _only(found: CellSummary, kept: Sequence[int]) -> CellSummary:
    """With the compile times of the pairs in `kept` alone, if most are: times of different moments are not comparable."""
    values = dict(found.values)
    for name, metric in metrics.METRICS.items():
        all_values = values.get(name, [])
        if metric.while_compiling and all_values and kept and 2 * len(kept) > len(all_values) - 1:
            values[name] = [all_values[n] for n in kept]
    return replace(found, values=values)


def _paired(made: CellSummary, other: list[CellSummary], baseline: Sequence[Trial], candidate: Sequence[Trial]) -> CellSummary:
    pairs = _pairs_of(made, baseline, candidate)
    statistics = {n: f for n, f in metrics.of_samples().items() if other and n in made.values and n in other[0].values}
    if not pairs or not statistics:
        return made
    if not all(m.alternated and m.step_s and min(m.step_s) > 0 for pair in pairs for m in pair):
        return made
    steps = {
        name: [value * math.exp(_ratio(*pair, statistic)) for value, pair in zip(other[0].values[name], pairs, strict=True)]
        for name, statistic in statistics.items()
    }
    return replace(made, values=made.values | steps, block=other[0].block)  # the ratio is of equal blocks


def _ratio(before: Measurement, after: Measurement, statistic: Callable[[Sequence[float]], float]) -> float:
    """Median over the rounds of the logarithm of candidate to baseline.

    In groups it is the ratio of means (bakeoff/analysis/ratios.py). In pairs of an older Bakeoff both sides of a round have the
    same number of samples: a 10th percentile of few is higher than of many. Where one side was timed in longer blocks than the
    other, only means are comparable.
    """
    if before.steps_per_sample != after.steps_per_sample or (before.slices and after.slices):
        statistic = fmean
    rounds = zip(slices(before), slices(after), strict=False)  # as many in both, since their group had so many
    return median(_of_equal_numbers(x, y, statistic) for x, y in rounds if x and y)


def _of_equal_numbers(x: Sequence[float], y: Sequence[float], statistic: Callable[[Sequence[float]], float]) -> float:
    count = min(len(x), len(y))
    x, y = ([side[n * len(side) // count] for n in range(count)] for side in (x, y))
    return math.log(statistic(y) / statistic(x))
