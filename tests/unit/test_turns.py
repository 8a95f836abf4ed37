"""Do the two children of a pair take turns, and does a child continue if its partner is gone?"""

import os
import threading
import time

import pytest

from bakeoff.worker import clock
from bakeoff.worker.turns import Turns


def pair(begins: tuple[bool, ...]) -> tuple[Turns, Turns]:
    there, back = os.pipe(), os.pipe()
    first = Turns(back[0], there[1], begins, waits=True)
    return first, Turns(there[0], back[1], tuple(not b for b in begins), waits=False)


@pytest.mark.parametrize("begins", [(True,), (False,), (True, True, False), (False, True, False, False)])
def test_rounds_alternate_in_the_order_that_was_drawn(begins: tuple[bool, ...]) -> None:
    ran: list[str] = []
    running: list[str] = []

    def child(name: str, turns: Turns) -> None:
        for _ in turns.rounds():
            running.append(name)
            ran.append(name)
            time.sleep(0.002)
            assert running == [name], "both at once"
            running.remove(name)
        os.close(turns.write)
        turns.finish()

    first, second = pair(begins)
    threads = [threading.Thread(target=child, args=a) for a in (("first", first), ("second", second))]
    for thread in threads:
        thread.start()
        time.sleep(0.02)  # the one that waits is there first
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert ran == [name for b in begins for name in (("first", "second") if b else ("second", "first"))]


def test_both_compile_before_either_warms_up_and_one_warms_up_at_a_time() -> None:
    text: list[str] = []
    compiled = {"first": threading.Event(), "second": threading.Event()}

    def child(name: str, turns: Turns) -> None:
        compiled[name].wait(5)
        text.append(f"{name} has compiled")
        turns.meet()
        turns.cold()
        text.append(f"{name} warms up")
        time.sleep(0.05)
        text.append(f"{name} is warm")
        turns.warm()
        for _ in turns.rounds():
            text.append(f"{name} is timed")

    sides = pair((True, False))
    threads = [threading.Thread(target=child, args=a) for a in zip(("first", "second"), sides, strict=True)]
    for thread in threads:
        thread.start()
    for name in ("second", "first"):  # whoever is quicker waits
        compiled[name].set()
        deadline = time.monotonic() + 5
        while f"{name} has compiled" not in text and time.monotonic() < deadline:
            time.sleep(0.01)
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert text == [
        "second has compiled", "first has compiled",
        "first warms up", "first is warm", "second warms up", "second is warm",
        "first is timed", "second is timed", "second is timed", "first is timed",
    ]  # fmt: skip


@pytest.mark.parametrize("waits", [True, False])
def test_a_child_whose_partner_is_gone_goes_on_alone(waits: bool) -> None:
    first, second = pair((True, False) * 4)
    mine, other = (first, second) if waits else (second, first)
    for end in (other.read, other.write):
        os.close(end)
    mine.meet()
    mine.cold()
    mine.warm()
    assert [n for n, _ in mine.rounds()] == list(range(8))
    mine.finish()
    assert mine.alone


def test_timed_steps_are_split_over_the_rounds_and_begin_with_steps_that_are_not_timed() -> None:
    now, steps = [0], []

    class Rounds:
        def rounds(self):  # type: ignore[no-untyped-def]
            for n in range(20):
                now[0] += 10**9  # somebody else's turn: no part of anything
                yield n, 20

    def step(batch: int) -> int:
        steps.append(batch)
        now[0] += 1_000_000
        return batch

    read = clock.Readings(lambda: 0, lambda: 7, lambda output: output)
    timed = clock.timed_steps(
        step,
        [0, 1],
        lambda o: None,
        step_ns=1e6,
        budget_ns=10**9,
        cap_ns=10**10,
        read=read,
        clock=lambda: now[0],
        turns=Rounds(),
    )
    assert set(timed.sample_ns) == {1_000_000}
    assert len(timed.sample_ns) == 1000 + 2
    assert len(steps) == len(timed.sample_ns) + 20  # one a round
    assert sorted(timed.outputs) == [0, 1]
    assert timed.peak == 7
