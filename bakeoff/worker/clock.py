"""The one clock. First call, warm-up and timed steps of any stack, by one definition each.

The clock is injected, so that tests of the instrument need neither sleep nor framework.
"""

import math
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

Clock = Callable[[], int]  # nanoseconds, monotonic
Step = Callable[[Any], Any]
Synchronize = Callable[[Any], None]

WARM_UP_MIN_STEPS = 10  # TorchScript's profiling executor needs two, Dynamo's automatic dynamic shapes a few
WARM_UP_MIN_NS = 250_000_000
WARM_UP_CAP_NS = 5_000_000_000
WARM_UP_TOLERANCE = 0.05
SAMPLE_MIN_NS = 50_000  # a sample is at least this long: reading the clock twice costs about 0.1 µs, 0.2 %
SAMPLES_MIN = 20
SAMPLES_MAX = 2_000
SEGMENTS = 8  # of the timed steps, between which the resident set is read
QUEUED_MOST, QUEUED_NS = 10, 20_000_000  # steps of a sample of the device's time; fewer where they are long
DEVICE_SAMPLES, QUEUE_TRIES, HOLD_S = 9, 4, 0.05
AWAKE_NS = 10_000_000  # a step that takes longer hardly shows that caches were cold or a device asleep before it
HAND_OVER_NS = 1_000_000  # of steps after another process had the CPU that are not timed; at least one step


@dataclass(slots=True)
class Timed:
    """The timed steps, raw."""

    sample_ns: "array[int]" = field(default_factory=lambda: array("q"))
    steps_per_sample: int = 1
    outputs: dict[int, Any] = field(default_factory=dict)  # batch index → what was fetched after its last timed step
    resident: list[int] = field(default_factory=list)
    peak: int = 0  # before the first fetch


@dataclass(frozen=True, slots=True)
class Readings:
    """What is read between samples, outside the clock."""

    resident: Callable[[], int]
    peak: Callable[[], int]
    fetch: Callable[[Any], Any]  # an output, copied: a stack may use its buffer again for the next


class TakesTurns(Protocol):
    """Takes turns with another child over the timed steps (bakeoff/worker/turns.py)."""

    def rounds(self) -> Iterator[tuple[int, int]]:
        """(round, of how many): control comes back when this child may run, and goes over with the next request."""
        ...


def first_call(compile_step: Callable[[], Step], batch: Any, synchronize: Synchronize, clock: Clock) -> tuple[Step, Any, int]:
    """From handing the built program to the stack until its first output is computed: (step, output, ns)."""
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
    """Steps until the compile counter is still and two successive windows agree; ns of each step, all kept.

    `follow` is given each output, outside the clock.

    This online rule only decides when to start timing. Whether the steps that were timed are steady is judged
    afterwards, on all of them (bakeoff/analysis/steady.py), because any forward rule can stop on a plateau.
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

    Each step is synchronised. Steps too short for the clock are timed in blocks of equal length. The last samples, one per
    batch, are timed like the others, and their outputs fetched at once. With `turns` the samples are split over the rounds,
    and each round begins with steps that are not timed.
    """
    sample_ns = max(SAMPLE_MIN_NS, budget_ns / SAMPLES_MAX)
    # odd, so that the last step of a block visits every one of an even number of batches in turn
    block = max(1, math.ceil(sample_ns / max(step_ns, 1))) | 1 if step_ns < sample_ns else 1
    samples = max(SAMPLES_MIN, math.ceil(budget_ns / max(step_ns * block, 1)))
    timed = Timed(steps_per_sample=block, resident=[read.resident()])
    # the lists are made beforehand, so that only steps are between two readings of the clock
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

    for segment, of in turns.rounds() if turns else _segments():
        if turns:
            untimed_steps(step, batches, synchronize, step_ns)
        for _ in range(samples * segment // of, samples * (segment + 1) // of):
            if spent < cap_ns:
                sample()
        timed.resident.append(read.resident())
        if segment == of - 1:
            timed.peak = read.peak()
        while segment == of - 1 and len(timed.outputs) < len(batches):
            output = sample()
            timed.outputs[(number - 1) % len(batches)] = read.fetch(output)
    return timed


def untimed_steps(step: Step, batches: Sequence[Any], synchronize: Synchronize, step_ns: float) -> None:
    """A millisecond of them, after something else had the CPU or the device lay idle: caches and clocks are as before."""
    for n in range(max(1, min(10, round(HAND_OVER_NS / max(step_ns, 1))))):
        synchronize(step(batches[n % len(batches)]))


def device_steps(
    step: Step, batches: Sequence[Any], device_s: Callable[[Callable[[], None], float], float | None], step_ns: float
) -> list[float]:
    """Seconds that a device takes for a step, one per sample of queued steps; [] where there is no such device.

    All of a sample's steps are queued before the first begins, so that no launch is waited for (as NVBench's blocking kernel
    has it). Steps that wait for their own results cannot be queued: [] as well.
    """
    many = 2 * max(1, min(QUEUED_MOST, int(QUEUED_NS / max(step_ns, 1))) // 2)
    found: list[float] = []
    hold_s, tried = min(HOLD_S, 2 * many * step_ns / 1e9), 0  # launching takes no longer than the steps, and mostly much less

    def queue() -> None:
        for k in range(many):
            step(batches[k % len(batches)])

    while len(found) < DEVICE_SAMPLES and tried < QUEUE_TRIES:
        seconds = device_s(queue, hold_s)
        if seconds is not None:
            found.append(seconds / many)
        else:
            many, hold_s, tried = max(2, many // 4 * 2), 2 * hold_s, tried + 1
    return found if len(found) == DEVICE_SAMPLES else []


def _segments() -> Iterator[tuple[int, int]]:
    return ((segment, SEGMENTS) for segment in range(SEGMENTS))


def typical_ns(warmup: Sequence[int]) -> float:
    """How long a step takes, as far as the end of the warm-up can tell."""
    return median(warmup[-max(3, len(warmup) // 4) :])


def without_waiting(took_ns: int, waited_ns: int, spent_ns: int, cpus: int) -> int:
    """A step's time less its wait for a CPU (sched-stats.rst), and never less than the CPU time it spent on each of `cpus`.

    Both are read beside the step's own clock, so that some of the wait may have been just outside; and who waits for
    another thread of his own has waited for himself.
    """
    return min(took_ns, max(took_ns - waited_ns, spent_ns // cpus))


def _low(steps: Sequence[int]) -> float:
    """Lower quartile: contention only ever adds time."""
    return max(1, sorted(steps)[len(steps) // 4])


monotonic: Clock = time.perf_counter_ns
