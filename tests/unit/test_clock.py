"""Does the clock time exactly the steps, and nothing else?"""

from collections.abc import Callable
from typing import Any

import pytest

from bakeoff.worker import clock as one_clock


class FakeClock:
    """Nanoseconds that pass only when somebody works."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def work(self, ns: int) -> None:
        self.now += ns


def stepping(clock: FakeClock, cost: Callable[[int], int]) -> tuple[Callable[[Any], Any], list[Any]]:
    """A step whose n-th call costs cost(n) ns, and the batches that it was given."""
    fed: list[Any] = []

    def step(batch: Any) -> Any:
        clock.work(cost(len(fed)))
        fed.append(batch)
        return batch

    return step, fed


READ = one_clock.Readings(usage=lambda: (0, 0), resident=lambda: 1, peak=lambda: 2, fetch=lambda output: output)


def nothing(output: Any) -> None:
    pass


def test_first_call_holds_compile_first_step_and_synchronisation() -> None:
    clock = FakeClock()

    def compile_step() -> Callable[[Any], Any]:
        clock.work(100)
        return lambda batch: clock.work(20)

    _, _, ns = one_clock.first_call(compile_step, "batch", lambda output: clock.work(3), clock)
    assert ns == 123


@pytest.mark.parametrize("step_ns", [1_000_000, 80_000, 7_000, 90])
def test_timed_steps_are_exact_and_rotate(step_ns: int) -> None:
    clock = FakeClock()
    step, fed = stepping(clock, lambda n: step_ns)
    timed = one_clock.timed_steps(step, "ab", nothing, step_ns=step_ns, budget_ns=10**7, cap_ns=10**9, read=READ, clock=clock)
    assert {ns / timed.steps_per_sample for ns in timed.sample_ns} == {step_ns}
    assert min(timed.sample_ns) >= min(one_clock.SAMPLE_MIN_NS, 1_000_000)
    assert fed == [("a", "b")[n % 2] for n in range(len(fed))]
    assert set(timed.outputs.values()) == {"a", "b"}  # an output of each batch is kept for the parity check
    assert len(timed.resident) == one_clock.SEGMENTS + 1


class Device:
    """Runs a step in 250 µs, after a delay that a test sets. The host queues one in 100 µs, and waits when 4 are queued."""

    def __init__(self, depth: int = 4) -> None:
        self.depth, self.runs = depth, [0]

    def step(self, batch: Any) -> None:
        self.runs[-1] += 1

    def seconds(self, run: Callable[[], None], hold_s: float) -> float | None:
        self.runs.append(0)
        run()
        early = self.runs[-1] > self.depth or self.runs[-1] * 100e-6 > hold_s
        return None if early else self.runs[-1] * 250e-6


def test_a_device_is_timed_over_steps_that_were_queued_before_it_began() -> None:
    device = Device()
    found = one_clock.device_steps(device.step, "ab", device.seconds, step_ns=300_000)
    assert found == [pytest.approx(250e-6)] * one_clock.DEVICE_SAMPLES
    assert device.runs[1] == one_clock.QUEUED_MOST  # too many for its queue: tried again with fewer
    assert device.runs[-1] == 4
    held = Device(depth=1000)
    assert one_clock.device_steps(held.step, "ab", held.seconds, step_ns=10_000)  # held up for longer and longer
    assert held.runs[1] < one_clock.QUEUED_MOST or len(held.runs) > 1 + one_clock.DEVICE_SAMPLES


def test_a_host_has_no_device_time_and_what_cannot_be_queued_has_none() -> None:
    assert one_clock.device_steps(lambda batch: None, "ab", lambda run, hold_s: None, step_ns=1e6) == []
    waits = Device(depth=1)  # every step waits for the one before
    assert one_clock.device_steps(waits.step, "ab", waits.seconds, step_ns=300_000) == []


def test_timing_stops_at_its_cap() -> None:
    clock = FakeClock()
    step, fed = stepping(clock, lambda n: 10**9)  # a thousand times as long as in the warm-up
    one_clock.timed_steps(step, "ab", nothing, step_ns=10**6, budget_ns=10**9, cap_ns=10**10, read=READ, clock=clock)
    assert len(fed) == 10 + 2  # and one per batch whose output is checked


def test_warm_up_goes_on_until_level() -> None:
    clock = FakeClock()
    step, _ = stepping(clock, lambda n: 10_000_000 - 100_000 * n if n < 60 else 4_000_000)
    taken = one_clock.warm_up(step, "ab", nothing, lambda: 0, clock)
    assert 60 < len(taken) < 150
    assert one_clock.typical_ns(taken) == 4_000_000


def test_warm_up_goes_on_while_something_compiles() -> None:
    clock = FakeClock()
    step, fed = stepping(clock, lambda n: 10_000_000)
    taken = one_clock.warm_up(step, "ab", nothing, lambda: min(len(fed), 120), clock)
    assert len(taken) > 120


def test_warm_up_is_capped() -> None:
    clock = FakeClock()
    step, _ = stepping(clock, lambda n: 10**9 * (n + 1))
    assert sum(one_clock.warm_up(step, "ab", nothing, lambda: 0, clock)) < 3 * one_clock.WARM_UP_CAP_NS


@pytest.mark.parametrize(
    ("waited_ns", "spent_ns", "cpus", "left_ns"),
    [
        (0, 40, 1, 40),
        (30, 10, 1, 10),  # another process had its CPU
        (30, 40, 1, 40),  # its own thread had
        (45, 10, 1, 10),  # some of it just outside
        (30, 40, 2, 20),
        (0, 90, 1, 40),  # a compiler thread beside it
    ],
)
def test_waiting_for_a_cpu_is_no_part_of_a_step(waited_ns: int, spent_ns: int, cpus: int, left_ns: int) -> None:
    assert one_clock.without_waiting(40, waited_ns, spent_ns, cpus) == left_ns
