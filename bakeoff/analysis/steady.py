"""Where in the timed steps of a cell does the steady part begin, if there is one?

Warm-up falls on the same step in every process while contention does not, so with two or more trials the change points
are sought on the pointwise lower quartile across trials (docs/methodology.md). The scheme is that of Barrett et al. 2017
(Virtual Machine Warmup Blows Hot and Cold): PELT on despiked logs, penalty 15 log n, equivalent segments merged backwards.
With fewer trials the verdict is "not verified", and only a gross failure to settle is called unsteady. A change that not every
process shows at that step is the machine's noise: the cell keeps its figures, and the noise stands beside them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bakeoff.authoring.model import Array
from bakeoff.records.measurement import Measurement

VERIFYING_TRIALS = 2
TOLERANCE = 0.02  # between segments of the profile of several trials, unless the trials themselves differ by more
TOLERANCE_UNVERIFIED = 0.10  # of one trial, in which contention cannot be told from the program
MOST_POINTS = 300  # the change-point search is quadratic
SHORTEST_SEGMENT = 10
LEAST_STEADY_SHARE = 0.5  # of the timed steps
LEAST_STEADY_SHARE_OF_ALL = 0.2  # of all steps: a drift is nearly level for as long as one looks briefly
LEAST_CORRELATION = 0.5  # correlation of the timed steps of any two processes, for a change to be the program's
LEAST_WINDOWS = 5
LEAK_BYTES = 8 * 2**20  # in the second half of the timed steps


@dataclass(frozen=True, slots=True)
class Steadiness:
    """`start` is the first steady step, counted from the first step after the first call."""

    steady: bool
    start: int
    verified: bool
    reason: str = ""
    noise: float = 0.0  # variation of the step time within a process, where the machine causes it; else 0

    def samples(self, measurement: Measurement) -> tuple[float, ...]:
        """The samples of the timed steps that lie in the steady part; all of them if none would be left."""
        skip = max(0, self.start - len(measurement.warmup_s))
        return measurement.step_s[math.ceil(skip / measurement.steps_per_sample) :] or measurement.step_s


def judge(trials: Sequence[Measurement]) -> Steadiness:
    """One verdict for all trials of a cell. Raises ValueError without trials."""
    if not trials:
        raise ValueError("no trials to judge")
    lengths = [len(t.warmup_s) + len(t.step_s) * t.steps_per_sample for t in trials]
    several = len(trials) >= VERIFYING_TRIALS
    verified = several and min(lengths) * 2 >= max(lengths)  # only what all trials have is compared
    leaks = [leak for leak in map(leaked_bytes, trials) if leak]
    if len(leaks) * 2 > len(trials):
        grown = f"memory grew by {max(leaks) / 2**20:.0f} MiB in the second half of the timed steps and did not stop"
        return Steadiness(False, 0, verified, grown)
    width, rows, profile = _profile(trials)
    verified = verified and len(profile) >= 2 * SHORTEST_SEGMENT
    tolerance = min(TOLERANCE_UNVERIFIED, max(TOLERANCE, _spread(trials))) if verified else TOLERANCE_UNVERIFIED
    warm_up = min(len(t.warmup_s) for t in trials) // width
    edges = _segments(profile, warm_up)
    levels = [float(np.quantile(profile[a:b], 0.25)) for a, b in pairwise(edges)]
    steady_from = len(levels) - 1
    while steady_from > 0 and abs(levels[steady_from - 1] / levels[-1] - 1) <= tolerance:
        steady_from -= 1
    start = max(edges[steady_from], warm_up)
    share = (len(profile) - start) / max(1, len(profile) - warm_up)
    share_of_all = (len(profile) - edges[steady_from]) / len(profile)
    if steady_from > 0 and (share <= LEAST_STEADY_SHARE or share_of_all < LEAST_STEADY_SHARE_OF_ALL):
        change = levels[-1] / levels[steady_from - 1] - 1
        if several and not _reproduced(rows, edges[steady_from - 1], edges[steady_from], change, warm_up):
            return Steadiness(True, warm_up * width, verified, noise=_variation(rows[:, warm_up:]))
        level = f"level for only {share:.0%} of the timed steps and {share_of_all:.0%} of all"
        return Steadiness(
            False, start * width, verified, f"step time changed by {change:+.0%} at step {start * width}; {level}"
        )
    middle = (start + len(profile)) // 2
    halves = [float(np.quantile(part, 0.25)) for part in (profile[start:middle], profile[middle:]) if len(part)]
    drift = halves[-1] / halves[0] - 1
    if abs(drift) > TOLERANCE_UNVERIFIED and several and not _reproduced(rows, start, middle, drift, warm_up):
        return Steadiness(True, start * width, verified, noise=_variation(rows[:, warm_up:]))
    if abs(drift) > TOLERANCE_UNVERIFIED:  # too slow or too short for a change point
        return Steadiness(
            False, start * width, verified, f"step time changed by {drift:+.0%} from half to half of the steps left"
        )
    return Steadiness(True, start * width, verified)


def leaked_bytes(trial: Measurement) -> int:
    """Growth of resident memory over the second half of the timed steps, where it grew again and never shrank; else 0."""
    points = trial.memory.timed_bytes
    half = points[len(points) // 2 :]
    steps = [later - earlier for earlier, later in pairwise(half)]
    # from most points to the next: an allocator that keeps one buffer more, once or twice, has not lost any
    growing = min(steps, default=-1) >= 0 and sum(step > LEAK_BYTES / 8 for step in steps) * 2 > len(steps)
    growth = half[-1] - half[0] if growing else 0
    return growth if growth > LEAK_BYTES else 0


def _reproduced(rows: Array, first: int, edge: int, change: float, warm_up: int) -> bool:
    """Is a change the program's? Then every process shows it at this step, and all their timed steps rise and fall together."""
    own = np.median(rows[:, edge:], axis=1) / np.median(rows[:, first:edge], axis=1) - 1
    if not np.all(own * np.sign(change) >= abs(change) / 2):
        return False
    logs = _window_logs(rows[:, warm_up:])
    if logs.shape[1] < LEAST_WINDOWS or not logs.std(axis=1).all():
        return True  # too short to compare how they rise and fall
    pairs = np.corrcoef(logs)[np.triu_indices(len(logs), 1)]
    return bool(pairs.min() >= LEAST_CORRELATION)


def _window_logs(rows: Array) -> Array:
    """Each row as the logarithms of the medians of up to 20 windows."""
    windows = np.array_split(np.arange(rows.shape[1]), max(1, min(20, rows.shape[1] // 3)))
    logs: Array = np.log(np.stack([np.median(rows[:, window], axis=1) for window in windows], axis=1))
    return logs


def _variation(rows: Array) -> float:
    """How much the step time of the middle process varies: the ratio of its slowest window to its fastest − 1."""
    logs = _window_logs(rows)
    return float(np.median(np.exp(logs.max(axis=1) - logs.min(axis=1)))) - 1


def _profile(trials: Sequence[Measurement]) -> tuple[int, Array, Array]:
    """(steps per point, seconds per step of each trial at each point, lower quartile across trials): aligned by step number."""
    steps = min(len(t.warmup_s) + len(t.step_s) * t.steps_per_sample for t in trials)
    width = max(math.ceil(steps / MOST_POINTS), *(t.steps_per_sample for t in trials))
    points = max(1, steps // width)
    rows = []
    for trial in trials:
        series = np.concatenate([trial.warmup_s, np.repeat(trial.step_s, trial.steps_per_sample)])
        rows.append(np.median(series[: points * width].reshape(points, width), axis=1))
    return width, np.stack(rows), np.quantile(np.stack(rows), 0.25, axis=0)


def _spread(trials: Sequence[Measurement]) -> float:
    """By how much the processes differ as wholes: a smaller change within them cannot be told from that."""
    levels = [float(np.quantile(t.step_s, 0.25)) for t in trials]
    return max(levels) / min(levels) - 1


def _segments(profile: Array, warm_up: int) -> list[int]:
    """Edges of the segments of a series of positive numbers, from 0 to its length."""
    if len(profile) < 2 * SHORTEST_SEGMENT:  # too few to search: the warm-up and the two halves of what was timed
        return sorted({0, warm_up, (warm_up + len(profile) + 1) // 2, len(profile)})
    import ruptures  # half a second to import, and only the parent's summary needs it

    logs = np.log(_despiked(profile))
    steps = np.diff(logs)
    noise = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / math.sqrt(2) or 1e-6
    search = ruptures.KernelCPD(kernel="linear", min_size=SHORTEST_SEGMENT).fit((logs / noise).reshape(-1, 1))
    return [0, *(int(end) for end in search.predict(pen=15 * math.log(len(profile))))]


def _despiked(series: Array, reach: int = 25) -> Array:
    """Upward spikes replaced by the running median: contention and collections are not changes of state."""
    padded = np.pad(series, reach, mode="reflect" if len(series) > reach else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    middle = np.median(windows, axis=1)
    spread = 1.4826 * np.median(np.abs(windows - middle[:, None]), axis=1)
    return np.where(series > middle + 3 * spread, middle, series)
