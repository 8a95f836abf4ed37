"""How fast was the machine in each round of a group? As the other members show, whose turns were moments apart. Pure.

A machine that changes its clock rate, or whose neighbours come and go, slows down all members in the same rounds. A program
that is not steady slows down alone. So a member that seems unsteady or noisy is judged once more, without what the others
agree on. Its metrics are of the step times as they were.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate, pairwise
from statistics import fmean, median

from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Trial

LEAST_OTHERS = 2
OLD_ROUNDS = 20


class Pace:
    """Of all groups of a run."""

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        self._trials = list(trials)

    def taken_out(self, trial: Trial, measurement: Measurement) -> Measurement:
        """The measurement of a trial, as if the machine had been equally fast in all rounds. As it is, outside of a group."""
        others = [logs for other, logs in self._members.get((trial.cell.model, trial.group), ()) if other is not trial]
        counts = [one.samples for one in measurement.slices]
        if len(others) < LEAST_OTHERS or not counts:
            return measurement
        rest = len(measurement.step_s) - sum(counts)  # after the last slice: one sample per batch whose output is checked
        factors: list[float] = []
        for number, count in enumerate(counts):
            factors += [math.exp(_agreed([logs[number] for logs in others if number < len(logs)]))] * count
        factors += factors[-1:] * rest
        return replace(measurement, step_s=tuple(s / f for s, f in zip(measurement.step_s, factors, strict=True)))

    @cached_property
    def _members(self) -> dict[tuple[str, str | None], list[tuple[Trial, list[float]]]]:
        """(model, group) → each member, and by how much it deviates from its median step in each round, as a logarithm."""
        found: dict[tuple[str, str | None], list[tuple[Trial, list[float]]]] = {}
        for trial in self._trials:
            seconds = rounds(trial.measurement) if trial.measurement is not None and trial.measurement.slices else []
            if trial.group is not None and any(seconds):
                typical = median(filter(None, seconds))
                logs = [math.log(s / typical) if s else 0.0 for s in seconds]
                found.setdefault((trial.cell.model, trial.group), []).append((trial, logs))
        return found


def _agreed(logs: Sequence[float]) -> float:
    """What several members agree on: the middle one; of two middle ones the smaller, since one may be unsteady itself."""
    if len(logs) < LEAST_OTHERS:
        return 0.0
    ordered = sorted(logs)
    return min(ordered[(len(logs) - 1) // 2], ordered[len(logs) // 2], key=abs)


def rounds(measurement: Measurement) -> list[float]:
    """Seconds of the mean step in each slice; 0 in one without samples.

    Where a CPU is shared, only the mean is right: short steps fit between two turns of the other program, so that their median
    and their low percentiles show nothing of it, and long steps do not (docs/decisions/0015-ratios.md).
    """
    return [fmean(samples) if samples else 0.0 for samples in slices(measurement)]


def slices(measurement: Measurement) -> list[Sequence[float]]:
    """The samples of each slice. In a pair of an older Bakeoff, OLD_ROUNDS slices of equal numbers."""
    samples = measurement.step_s
    counts = [one.samples for one in measurement.slices]
    if not counts:
        of = min(OLD_ROUNDS, len(samples))
        return [samples[len(samples) * n // of : len(samples) * (n + 1) // of] for n in range(of)]
    ends = list(accumulate(counts, initial=0))
    return [samples[first:last] for first, last in pairwise(ends)]
