"""How is time measured? First call, warm-up and timed steps, with one definition for all stacks.

Times are in nanoseconds unless a name ends in `_s`. The clock is a parameter, so that tests need neither sleep nor framework.
"""

import math
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

from bakeoff.authoring.stack import Step
from bakeoff.records.measurement import Slice
from bakeoff.records.turns import ROUNDS

Clock = Callable[[], int]  # nanoseconds, monotonic
Synchronize = Callable[[Any], None]

WARM_UP_MIN_STEPS = 10  # TorchScript's profiling executor needs two steps, Dynamo's automatic dynamic shapes a few
WARM_UP_MIN_NS = 250_000_000
WARM_UP_CAP_NS = 5_000_000_000
WARM_UP_TOLERANCE = 0.05
SAMPLE_MIN_NS = 50_000  # the least duration of a sample: reading the clock twice takes about 0.1 µs, 0.2 % of it
SAMPLES_MIN = 20
SAMPLES_MAX = 2_000
SLICE_STEPS = 2  # at least, in a slice
SEGMENTS = 8  # parts of the timed steps; the resident set size is read after each
QUEUED_MOST, QUEUED_NS = 10, 20_000_000  # the most steps of a sample of the device's time; fewer where they take long
DEVICE_SAMPLES, QUEUE_TRIES, HOLD_S = 9, 4, 0.05
AWAKE_NS = 10_000_000  # cold caches or an idle device before a step hardly change the time of one this long
HAND_OVER_NS = 1_000_000  # duration of the untimed steps after another process had the CPU; at least one step


@dataclass(slots=True)
class Timed:
    """The samples of the timed steps, and what was read between them. Memory in bytes."""

    sample_ns: "array[int]" = field(default_factory=lambda: array("q"))
    steps_per_sample: int = 1
    slices: list[Slice] = field(default_factory=list)  # one per round; empty outside of a group
    outputs: dict[int, Any] = field(default_factory=dict)  # batch index → output of its last timed step, fetched
    resident: list[int] = field(default_factory=list)  # before the first segment, and after each
    peak: int = 0  # before the first output is fetched


@dataclass(frozen=True, slots=True)
class Readings:
    """Functions that are called between samples, outside the clock. Memory in bytes, times in nanoseconds."""

    usage: Callable[[], tuple[int, int]]  # CPU time of this process; time for which its first thread waited for a CPU
    resident: Callable[[], int]
    peak: Callable[[], int]
    fetch: Callable[[Any], Any]  # an output, copied: the stack may reuse its buffer for the next one


class TakesTurns(Protocol):
    """Alternates slices of the timed steps with those of other children (bakeoff/worker/turns.py)."""

    def rounds(self, slice_s: float) -> Iterator[bool]:
        """Yield once per slice, when it may begin: is it the last one? Asking for the next one lets the others run."""
        ...


def first_call(compile_step: Callable[[], Step], batch: Any, synchronize: Synchronize, clock: Clock) -> tuple[Step, Any, int]:
    """(step, output, ns): the time from handing the built program to the stack until its first output is computed."""
    start = clock()
    step = compile_step()
    output = step(batch)
    synchronize(output)
    return step, output, clock() - start


def warm_up(
    step: Step,
    batches: Sequence[Any],
    synchronize: Synchronize,
    compilations: Callable[[], int],
    clock: Clock,
    follow: Callable[[Any], None] = lambda output: None,
) -> list[int]:
    """Run steps until the compile counter is constant and two successive windows agree. Returns ns of every step.

    `follow` receives each output, outside the clock. The rule only decides when to start timing. Whether the timed steps are
    steady is decided afterwards from all of them (bakeoff/analysis/steady.py), because such a rule can stop on a plateau.
    """
    taken: list[int] = []
    started, compiled, window_start = clock(), compilations(), 0
    while True:
        batch = batches[len(taken) % len(batches)]
        start = clock()
        output = step(batch)
        synchronize(output)
        stop = clock()
        follow(output)
        taken.append(stop - start)
        elapsed = stop - started
        if elapsed > WARM_UP_CAP_NS and len(taken) >= 2 * len(batches):
            return taken
        window = len(taken) - window_start
        if len(taken) < WARM_UP_MIN_STEPS or window < 5 or elapsed < WARM_UP_MIN_NS or window * 4 < len(taken):
            continue
        previous = taken[max(0, window_start - window) : window_start]
        now = compilations()
        if now == compiled and previous and abs(_low(taken[window_start:]) / _low(previous) - 1) < WARM_UP_TOLERANCE:
            return taken
        compiled, window_start = now, len(taken)


def timed_steps(
    step: Step,
    batches: Sequence[Any],
    synchronize: Synchronize,
    *,
    step_ns: float,
    budget_ns: int,
    cap_ns: int,
    read: Readings,
    clock: Clock,
    turns: TakesTurns | None = None,
) -> Timed:
    """Time steps that take about `step_ns` for about `budget_ns`, over rotating batches.

    Each step is synchronised. Steps that are too short for the clock are timed in blocks of equal length. After `cap_ns` only
    the last samples follow, one per batch. They are timed like the others, and their outputs are fetched at once. With `turns`
    there is a slice of `budget_ns` / ROUNDS, of at least two steps, per round, and each slice begins with untimed steps.
    """
    sample_ns = max(SAMPLE_MIN_NS, budget_ns / SAMPLES_MAX)
    # odd, so that the last steps of successive blocks take all batches in turn if their number is even
    block = max(1, math.ceil(sample_ns / max(step_ns, 1))) | 1 if step_ns < sample_ns else 1
    samples = max(SAMPLES_MIN, math.ceil(budget_ns / max(step_ns * block, 1)))
    timed = Timed(steps_per_sample=block, resident=[read.resident()])
    # the lists are made in advance, so that only steps run between two readings of the clock
    feeds = [[batches[(first + k) % len(batches)] for k in range(block)] for first in range(len(batches))]
    number, spent = 0, 0

    def sample() -> Any:
        nonlocal number, spent
        feed = feeds[number % len(batches)]
        start = clock()
        for batch in feed:
            output = step(batch)
            synchronize(output)
        timed.sample_ns.append(clock() - start)
        spent += timed.sample_ns[-1]
        number += block
        return output

    in_slice = max(-(-SLICE_STEPS // block), math.ceil(budget_ns / ROUNDS / max(step_ns * block, 1)))
    slice_s = (in_slice * block * step_ns + max(HAND_OVER_NS, step_ns)) / 1e9
    for count, last in ((in_slice, last) for last in turns.rounds(slice_s)) if turns else _segments(samples):
        if turns and (last or spent < cap_ns):  # else there is nothing to time in this slice
            untimed_steps(step, batches, synchronize, step_ns)
        before, (cpu_ns, wait_ns) = len(timed.sample_ns), read.usage()
        for _ in range(count):
            if spent < cap_ns:
                sample()
        if turns:
            used_ns, waited_ns = read.usage()
            taken = len(timed.sample_ns) - before
            timed.slices.append(Slice(samples=taken, cpu_s=(used_ns - cpu_ns) / 1e9, wait_s=(waited_ns - wait_ns) / 1e9))
        timed.resident.append(read.resident())
        if last:
            timed.peak = read.peak()
        while last and len(timed.outputs) < len(batches):
            output = sample()
            timed.outputs[(number - 1) % len(batches)] = read.fetch(output)
    return timed


def untimed_steps(step: Step, batches: Sequence[Any], synchronize: Synchronize, step_ns: float) -> None:
    """Run steps for about a millisecond, so that caches and clock rates recover from other work or idle time."""
    for n in range(max(1, min(10, round(HAND_OVER_NS / max(step_ns, 1))))):
        synchronize(step(batches[n % len(batches)]))


def device_steps(
    step: Step, batches: Sequence[Any], device_s: Callable[[Callable[[], None], float], float | None], step_ns: float
) -> list[float]:
    """Seconds per step by the device's own clock, one per sample; [] where steps run on the host.

    All steps of a sample are queued before the first one begins, so that the time contains no launches (as with NVBench's
    blocking kernel). Steps that wait for their own results cannot be queued; then the result is [], too.
    """
    queued = 2 * max(1, min(QUEUED_MOST, int(QUEUED_NS / max(step_ns, 1))) // 2)
    found: list[float] = []
    hold_s, tried = min(HOLD_S, 2 * queued * step_ns / 1e9), 0  # launching takes at most as long as the steps

    def queue() -> None:
        for k in range(queued):
            step(batches[k % len(batches)])

    while len(found) < DEVICE_SAMPLES and tried < QUEUE_TRIES:
        seconds = device_s(queue, hold_s)
        if seconds is not None:
            found.append(seconds / queued)
        else:
            queued, hold_s, tried = max(2, queued // 4 * 2), 2 * hold_s, tried + 1
    return found if len(found) == DEVICE_SAMPLES else []


def _segments(samples: int) -> Iterator[tuple[int, bool]]:
    """(number of samples, is it the last one?) of each segment."""
    for n in range(SEGMENTS):
        yield samples * (n + 1) // SEGMENTS - samples * n // SEGMENTS, n == SEGMENTS - 1


def typical_ns(warmup: Sequence[int]) -> float:
    """The typical time of a step: the median of the last quarter of the steps, at least of three."""
    return median(warmup[-max(3, len(warmup) // 4) :])


def without_waiting(took_ns: int, waited_ns: int, spent_ns: int, cpus: int) -> int:
    """A step's time minus its wait for a CPU (Linux: sched-stats.rst), but at least its CPU time divided by `cpus`.

    The lower bound has two reasons. The wait is read just before and after the step, so part of it may lie outside the step.
    And a wait for another thread of the same process is part of the step.
    """
    return min(took_ns, max(took_ns - waited_ns, spent_ns // cpus))


def _low(steps: Sequence[int]) -> float:
    """The lower quartile, because other load only adds time."""
    return max(1, sorted(steps)[len(steps) // 4])


monotonic: Clock = time.perf_counter_ns
