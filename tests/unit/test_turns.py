"""What does a child of a group tell its parent, when does it go on, and what is recorded of its waiting?"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bakeoff.records.turns import ROUNDS, TURNS_FD, Answers, Asks
from bakeoff.system import procfs
from bakeoff.system.device_lock import DeviceLock
from bakeoff.worker import clock, turns
from bakeoff.worker.turns import Idle, Turns


class Parent:
    """The other end of the socket."""

    def __init__(self) -> None:
        self.end, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end.settimeout(5)
        self.turns = Turns(child, DeviceLock(""))

    def hears(self) -> list[str]:
        return self.end.recv(256).decode().split()

    def says(self, answer: Answers) -> None:
        self.end.send(answer.encode())


@pytest.fixture
def parent() -> Iterator[Parent]:
    found = Parent()
    yield found
    found.end.close()
    found.turns.parent.close()


@pytest.fixture
def beside() -> Iterator[Callable[..., threading.Thread]]:
    """Run a function in a thread, which ends with the test."""
    threads: list[threading.Thread] = []

    def run(function: Callable[..., Any], *arguments: Any) -> threading.Thread:
        threads.append(threading.Thread(target=function, args=arguments))
        threads[-1].start()
        return threads[-1]

    yield run
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def waits(parent: Parent, first: bool) -> Idle:
    """Let the child wait for its first slice, or between this and the next. Returns what is recorded of that."""
    parent.hears()
    if first:
        return parent.turns.before
    parent.says(Answers.GO)
    parent.hears()
    return parent.turns.between


@pytest.mark.parametrize("answer", list(Answers))
def test_a_child_goes_on_when_its_parent_answers(
    parent: Parent, beside: Callable[..., threading.Thread], answer: Answers
) -> None:
    found: list[Answers] = []
    child = beside(lambda: found.append(parent.turns.reach(Asks.BUILT)))
    assert parent.hears() == ["built"]
    child.join(0.05)
    assert found == []
    parent.says(answer)
    child.join(5)
    assert found == [answer]
    assert parent.turns.waited_s >= 0.04


def test_a_slice_begins_with_an_answer_and_ends_with_the_next_question(
    parent: Parent, beside: Callable[..., threading.Thread]
) -> None:
    ran: list[bool] = []

    def child() -> None:
        for last in parent.turns.rounds(0.0125):
            ran.append(last)
            time.sleep(0.01)
        parent.turns.finish()

    thread = beside(child)
    assert parent.hears() == ["warm", "0.012500"]
    thread.join(0.02)
    assert ran == []
    for number, answer in enumerate((Answers.GO, Answers.GO, Answers.LAST)):
        answered = time.monotonic()
        parent.says(answer)
        asks, began, ended = parent.hears()
        assert asks == (Asks.TIMED if answer is Answers.LAST else Asks.SLICE)
        assert answered - 1e-5 <= float(began) <= float(ended) - 0.01 <= time.monotonic()
        assert ran == [False, False, True][: number + 1]
    thread.join(0.02)
    assert thread.is_alive(), "its outputs are checked when the others have had their last slices"
    parent.says(Answers.GO)


def test_the_first_slice_may_be_the_last_one(parent: Parent, beside: Callable[..., threading.Thread]) -> None:
    ran: list[bool] = []
    thread = beside(lambda: ran.extend(parent.turns.rounds(0.01)))
    parent.hears()
    parent.says(Answers.LAST)
    thread.join(5)
    assert ran == [True]


def test_a_child_whose_parent_is_gone_waits_for_nobody(parent: Parent) -> None:
    parent.end.close()
    assert parent.turns.reach(Asks.BUILT) is Answers.LAST
    assert list(parent.turns.rounds(0.01)) == [True]
    parent.turns.finish()


def test_a_parent_that_goes_while_its_child_waits_lets_it_go_on(
    parent: Parent, beside: Callable[..., threading.Thread]
) -> None:
    found: list[bool] = []
    thread = beside(lambda: found.extend(parent.turns.rounds(0.01)))
    parent.hears()
    parent.end.close()
    thread.join(5)
    assert found == [True]


@pytest.mark.parametrize("first", [True, False], ids=["before the first slice", "between slices"])
def test_waiting_that_is_idle_counts_as_idle(parent: Parent, beside: Callable[..., threading.Thread], first: bool) -> None:
    thread = beside(lambda: list(parent.turns.rounds(0.01)))
    idle = waits(parent, first)
    time.sleep(0.3)
    parent.says(Answers.LAST)
    thread.join(5)
    assert idle.wall_s >= 0.3
    assert parent.turns.waited_s <= idle.wall_s + 0.1
    assert idle.cpu_s < 0.1
    assert idle.own_cpu_s < 0.1


@pytest.mark.parametrize("first", [True, False], ids=["before the first slice", "between slices"])
def test_work_of_another_thread_while_waiting_is_recorded(
    parent: Parent, beside: Callable[..., threading.Thread], first: bool
) -> None:
    thread = beside(lambda: list(parent.turns.rounds(0.01)))
    idle = waits(parent, first)
    deadline = time.thread_time() + 0.2
    while time.thread_time() < deadline:  # as a pool of the framework that spins
        pass
    parent.says(Answers.LAST)
    thread.join(5)
    assert idle.cpu_s >= 0.2
    assert idle.own_cpu_s >= 0.2


@pytest.mark.parametrize("first", [True, False], ids=["before the first slice", "between slices"])
def test_work_of_a_descendant_while_waiting_is_recorded(
    parent: Parent, beside: Callable[..., threading.Thread], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tests/process/test_planted_faults.py has real ones."""
    used = [1.0]
    monkeypatch.setattr(procfs, "descendants_cpu_s", lambda: used[0])
    thread = beside(lambda: list(parent.turns.rounds(0.01)))
    idle = waits(parent, first)
    used[0] += 7.0
    parent.says(Answers.LAST)
    thread.join(5)
    assert idle.cpu_s == pytest.approx(7.0, abs=0.2)
    assert idle.own_cpu_s < 0.2


@pytest.mark.parametrize("first", [True, False], ids=["before the first slice", "between slices"])
def test_looking_for_descendants_is_no_work_out_of_turn(
    parent: Parent, beside: Callable[..., threading.Thread], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> float:
        deadline = time.thread_time() + 0.1
        while time.thread_time() < deadline:
            pass
        return 0.0

    monkeypatch.setattr(procfs, "descendants_cpu_s", slow)
    thread = beside(lambda: list(parent.turns.rounds(0.01)))
    idle = waits(parent, first)
    parent.says(Answers.LAST)
    thread.join(5)
    assert idle.cpu_s < 0.1
    assert idle.own_cpu_s >= 0.2  # nor is it part of a step


def test_the_device_is_free_while_a_child_waits(parent: Parent, beside: Callable[..., threading.Thread]) -> None:
    text: list[str] = []

    class Device:
        def take(self) -> None:
            text.append("take")

        def leave(self) -> None:
            text.append("leave")

    parent.turns.device = Device()  # type: ignore[assignment]  # a fake lock

    def child() -> None:
        for _ in parent.turns.rounds(0.01):
            text.append("slice")
        parent.turns.finish()

    beside(child)
    for answer in (Answers.GO, Answers.LAST, Answers.GO):
        parent.hears()
        assert text[-1] == "leave"
        parent.says(answer)
        time.sleep(0.02)
    assert text == ["leave", "take", "slice"] * 2 + ["leave", "take"]


def test_the_socket_is_inherited_by_the_child_alone(monkeypatch: pytest.MonkeyPatch, parent: Parent) -> None:
    monkeypatch.delenv(TURNS_FD, raising=False)
    assert Turns.inherited(DeviceLock("")) is None
    end = os.dup(parent.turns.parent.fileno())
    os.set_inheritable(end, True)
    monkeypatch.setenv(TURNS_FD, str(end))
    found = turns.Turns.inherited(DeviceLock(""))
    assert found is not None
    assert not os.get_inheritable(end)
    found.parent.close()


class Rounds:
    """`count` slices; between them, somebody else has the CPU for a second."""

    def __init__(self, count: int) -> None:
        self.count, self.now, self.slice_s = count, 0, 0.0
        self.text: list[str] = []

    def rounds(self, slice_s: float) -> Iterator[bool]:
        self.slice_s = slice_s
        for n in range(self.count):
            self.now += 10**9
            self.text.append("begin")
            yield n == self.count - 1


def sliced(step_ns: int, *, count: int = ROUNDS, budget_ns: int = 10**9, cap_ns: int = 10**10) -> tuple[clock.Timed, Rounds]:
    rounds = Rounds(count)

    def step(batch: int) -> int:
        rounds.now += step_ns
        rounds.text.append("step")
        return batch

    def usage() -> tuple[int, int]:
        rounds.text.append("usage")
        return rounds.now // 2, rounds.now // 4

    timed = clock.timed_steps(
        step,
        [0, 1],
        lambda output: None,
        step_ns=step_ns,
        budget_ns=budget_ns,
        cap_ns=cap_ns,
        read=clock.Readings(usage=usage, resident=lambda: 1, peak=lambda: 7, fetch=lambda output: output),
        clock=lambda: rounds.now,
        turns=rounds,
    )
    return timed, rounds


@pytest.mark.parametrize(("step_ns", "samples", "steps"), [(1_000_000, 10, 10), (5_000_000, 2, 2), (40_000_000, 2, 2)])
def test_a_slice_has_its_share_of_the_steps_and_at_least_two(step_ns: int, samples: int, steps: int) -> None:
    timed, rounds = sliced(step_ns, cap_ns=10**12)
    assert {one.samples for one in timed.slices} == {samples}
    assert len(timed.slices) == ROUNDS
    assert set(timed.sample_ns) == {step_ns}
    assert timed.steps_per_sample == 1
    assert rounds.slice_s == pytest.approx((steps + 1) * step_ns / 1e9)


def test_a_slice_of_short_steps_holds_whole_blocks_of_them() -> None:
    timed, rounds = sliced(1_000)
    assert timed.steps_per_sample > 1
    assert timed.steps_per_sample % 2 == 1
    (samples,) = {one.samples for one in timed.slices}
    assert samples * timed.steps_per_sample * 1_000 == pytest.approx(10**7, rel=0.1)
    assert rounds.slice_s == pytest.approx(0.011, rel=0.1)


def test_a_slice_begins_with_steps_that_are_not_timed() -> None:
    timed, rounds = sliced(500_000, count=3)
    words = " ".join(rounds.text).split("begin")[1:]
    for text in words:
        assert text.split()[:3] == ["step", "step", "usage"]  # about a millisecond of them
    assert sum(text.count("step") for text in words) == len(timed.sample_ns) + 3 * 2


def test_the_cpu_time_of_a_slice_is_that_of_its_timed_steps() -> None:
    timed, _ = sliced(1_000_000, count=4)
    assert [one.cpu_s for one in timed.slices] == [pytest.approx(0.005)] * 4
    assert [one.wait_s for one in timed.slices] == [pytest.approx(0.0025)] * 4


def test_only_the_last_slice_ends_with_steps_whose_outputs_are_checked() -> None:
    timed, _ = sliced(1_000_000, count=5)
    assert sum(one.samples for one in timed.slices) == 50
    assert len(timed.sample_ns) == 50 + 2
    assert sorted(timed.outputs) == [0, 1]
    assert timed.peak == 7
    assert len(timed.resident) == 1 + 5


def test_slices_that_take_longer_than_expected_keep_the_limit() -> None:
    timed, rounds = sliced(10**9, budget_ns=10**9, cap_ns=5 * 10**9, count=20)
    assert sum(one.samples for one in timed.slices) == 5
    assert [one.samples for one in timed.slices][:4] == [2, 2, 1, 0]
    steps = [text.count("step") for text in " ".join(rounds.text).split("begin")[1:]]
    assert steps == [3, 3, 2, *[0] * 16, 1 + 2], "a slice without timed steps needs no others, but for the last one"
    assert sorted(timed.outputs) == [0, 1]
