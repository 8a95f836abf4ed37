"""Do the members of a group run one at a time, whatever happens to one of them? With threads instead of children."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from bakeoff.records.turns import Answers, Asks
from bakeoff.runner import group as groups
from bakeoff.runner.group import Group, Member, Seat
from bakeoff.system.device_lock import DeviceLock
from bakeoff.worker.turns import Turns


class Died(Exception):
    """A fake child dies."""


class Fakes:
    """Fake children, and what they did, in order. They never last longer than the test."""

    def __init__(self) -> None:
        self.text: list[str] = []  # of all of them
        self.running: set[str] = set()
        self.most_at_once = 0
        self.cancelled = threading.Event()
        self.seats: dict[str, Seat] = {}
        self._lock = threading.Lock()

    def works(self, name: str, what: str, seconds: float = 0.0) -> None:
        with self._lock:
            self.running.add(name)
            self.most_at_once = max(self.most_at_once, len(self.running))
            self.text.append(f"{name} {what}")
        time.sleep(seconds)
        with self._lock:
            self.running.discard(name)

    def member(
        self,
        name: str,
        *,
        slice_s: float = 0.001,
        dies: str = "",
        raises: type[BaseException] | None = None,
        on: Callable[[str], None] = lambda what: None,
    ) -> Member[str]:
        """One that does all that a child does. `dies`: what it does not survive; `on`: called with each thing that it does."""

        def does(what: str, seconds: float = 0.0) -> None:
            if self.cancelled.is_set():
                raise Died
            self.works(name, what, seconds)
            on(what)
            if what == dies:
                raise Died

        def child(turns: Turns) -> None:
            does("builds")
            together = turns.reach(Asks.BUILT) is Answers.TOGETHER
            does("compiles at once" if together else "compiles", 0.02)
            turns.reach(Asks.COMPILED)
            does("warms up")
            for number, last in enumerate(turns.rounds(slice_s)):
                does(f"slice {number}{' last' * last}")
            turns.finish()
            does("checks")

        def run(seat: Seat) -> str:
            self.seats[name] = seat
            end = socket.socket(fileno=os.dup(seat.child_fd))
            seat.started()
            try:
                child(Turns(end, DeviceLock("")))
            except Died:
                if raises is not None:
                    raise raises("planted") from None
                return f"{name} died"
            finally:
                end.close()
            return f"{name} done"

        return Member(run)

    def group(self, *members: Member[str], **options: object) -> Group[str]:
        return Group(members, order=random.Random(0), cancel=self.cancelled.set, **options)

    def of(self, name: str) -> list[str]:
        """What one of them did."""
        return [text.partition(" ")[2] for text in self.text if text.partition(" ")[0] == name]

    def rounds(self) -> list[list[str]]:
        """Round → names, in the order of their slices."""
        slices = [text.split() for text in self.text if " slice " in text]
        return [[name for name, _, n, *_ in slices if int(n) == number] for number in range(1 + max(int(s[2]) for s in slices))]


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, not paths


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    """After which no thread and no file is left."""
    files, threads = open_files(), threading.active_count()
    found = Fakes()
    yield found
    assert threading.active_count() == threads
    assert len(open_files()) == len(files)


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROUNDS": 12, "LEAST_ROUNDS": 10, "MEMBER_S": 2.5}.items():
        monkeypatch.setattr(groups, name, value)


def test_each_member_builds_compiles_and_warms_up_before_the_next_one_starts(fakes: Fakes) -> None:
    assert sorted(fakes.group(*map(fakes.member, "abc")).run()) == ["a done", "b done", "c done"]
    assert fakes.text[:9] == [f"{name} {what}" for name in "abc" for what in ("builds", "compiles", "warms up")]
    assert fakes.most_at_once == 1


def test_each_round_has_a_slice_of_every_member_in_random_order(fakes: Fakes) -> None:
    list(fakes.group(*map(fakes.member, "abc")).run())
    rounds = fakes.rounds()
    assert len(rounds) == 12
    assert {"".join(sorted(names)) for names in rounds} == {"abc"}
    assert len({tuple(names) for names in rounds}) > 2
    assert fakes.of("a")[3:15] == [f"slice {n}" for n in range(11)] + ["slice 11 last"]


def test_outputs_are_checked_one_after_another_when_all_slices_are_over(fakes: Fakes) -> None:
    assert list(fakes.group(*map(fakes.member, "abc")).run()) == ["a done", "b done", "c done"]
    assert fakes.text[-3:] == ["a checks", "b checks", "c checks"]


def test_members_compile_at_once_and_warm_up_alone(fakes: Fakes) -> None:
    list(fakes.group(*map(fakes.member, "ab"), at_once=True).run())
    assert sorted(fakes.text[:2]) == ["a builds", "b builds"]
    assert sorted(fakes.text[2:4]) == ["a compiles at once", "b compiles at once"]
    assert fakes.text[4:6] == ["a warms up", "b warms up"]
    assert fakes.most_at_once == 2


@pytest.mark.parametrize("at_once", [False, True])
def test_a_single_member_compiles_with_nobody(fakes: Fakes, at_once: bool) -> None:
    assert list(fakes.group(fakes.member("a"), at_once=at_once).run()) == ["a done"]
    assert "compiles" in fakes.of("a")


@pytest.mark.parametrize("dies", ["builds", "compiles at once"])
def test_what_dies_before_it_has_compiled_lets_the_other_compile(fakes: Fakes, dies: str) -> None:
    group = fakes.group(fakes.member("a", dies=dies), fakes.member("b"), at_once=True)
    assert list(group.run()) == ["a died", "b done"]
    assert [len(names) for names in fakes.rounds()] == [1] * 12


WHOLE = ["builds", "compiles", "warms up", *(f"slice {n}" for n in range(11)), "slice 11 last", "checks"]


@pytest.mark.parametrize("dies", ["builds", "compiles", "warms up", "slice 0", "slice 5", "slice 11 last", "checks"])
def test_a_member_that_dies_leaves_the_others_as_they_are(fakes: Fakes, dies: str) -> None:
    found = list(fakes.group(fakes.member("a"), fakes.member("b", dies=dies), fakes.member("c")).run())
    assert sorted(found) == ["a done", "b died", "c done"]
    assert fakes.of("a") == fakes.of("c") == WHOLE
    assert fakes.of("b") == WHOLE[: WHOLE.index(dies) + 1]


def test_a_result_is_yielded_when_its_child_has_ended(fakes: Fakes) -> None:
    dies = {"a": "compiles", "b": "slice 3"}
    at = {}
    for result in fakes.group(*(fakes.member(name, dies=dies.get(name, "")) for name in "abc")).run():
        at[result] = fakes.text[-1]
    assert at["a died"] == "a compiles"
    assert at["b died"] in ("b slice 3", "c slice 3")
    assert at["c done"] == "c checks"


def test_when_all_have_died_nothing_is_waited_for(fakes: Fakes) -> None:
    rounds: list[int] = []
    group = fakes.group(
        fakes.member("a", dies="slice 1"), fakes.member("b", dies="builds"), on_round=lambda n, of: rounds.append(n)
    )
    assert sorted(group.run()) == ["a died", "b died"]
    assert rounds == [0, 1]


def test_a_group_of_nobody_is_over_at_once(fakes: Fakes) -> None:
    assert list(fakes.group().run()) == []


@pytest.mark.parametrize(("each_s", "rounds"), [((0.001, 0.001), 12), ((0.2, 0.3), 10), ((0.04, 0.4), 11), ((9, 9), 10)])
def test_long_slices_have_fewer_rounds(fakes: Fakes, each_s: tuple[float, float], rounds: int) -> None:
    told: list[tuple[int, int]] = []
    members = [fakes.member(name, slice_s=s) for name, s in zip("ab", each_s, strict=True)]
    list(fakes.group(*members, on_round=lambda n, of: told.append((n, of))).run())
    assert told == [(n, rounds) for n in range(rounds)]
    assert [len(names) for names in fakes.rounds()] == [2] * rounds


@pytest.mark.parametrize("room", [0, 1, 2])
def test_without_memory_for_another_child_the_rest_is_left_for_another_group(fakes: Fakes, room: int) -> None:
    left = [True] * room + [False]
    members = [fakes.member(name) for name in "abcd"]
    group = fakes.group(*members, room=lambda: left.pop(0))
    assert sorted(group.run()) == [f"{name} done" for name in "abcd"[: room + 1]]
    assert group.not_started == members[room + 1 :]
    assert left == []


@pytest.mark.parametrize("where", ["builds", "compiles", "slice 4", "checks"])
def test_what_the_thread_of_a_child_raises_ends_everything(fakes: Fakes, where: str) -> None:
    group = fakes.group(fakes.member("a"), fakes.member("b", dies=where, raises=OSError), fakes.member("c"))
    with pytest.raises(OSError, match="planted"):
        list(group.run())
    assert fakes.cancelled.is_set()
    assert "c checks" not in fakes.text


@pytest.mark.parametrize("where", ["compiles", "slice 4", "slice 11 last"])
def test_an_interrupt_while_a_child_runs_ends_everything(fakes: Fakes, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """As Ctrl-C does: it is raised in the thread of the group, which waits."""
    there = threading.Event()
    wait = Group._next

    def interrupted(group: Group[str]) -> Iterator[str]:
        if there.is_set():
            raise KeyboardInterrupt
        yield from wait(group)

    monkeypatch.setattr(Group, "_next", interrupted)
    group = fakes.group(fakes.member("a"), fakes.member("b", on=lambda what: there.set() if what == where else None))
    with pytest.raises(KeyboardInterrupt):
        list(group.run())
    assert fakes.cancelled.is_set()
    assert not any("checks" in text for text in fakes.text)


def test_a_second_interrupt_waits_until_all_children_have_ended(fakes: Fakes) -> None:
    """Else the interpreter would take a thread whose join it interrupts for one that has ended (bpo-45274)."""

    def interrupt(what: str) -> None:
        if what == "slice 4":
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)

    ends = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(fakes.group(fakes.member("a"), fakes.member("b", on=interrupt)).run())
    assert fakes.of("b")[-1] == "slice 4"
    assert time.monotonic() - ends >= 0.2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_stops_asking_for_results_ends_everything(fakes: Fakes) -> None:
    """As an interrupt does while a result is saved."""
    found = fakes.group(fakes.member("a", dies="slice 2"), fakes.member("b")).run()
    assert next(found) == "a died"
    found.close()
    assert fakes.cancelled.is_set()
    assert "b checks" not in fakes.text


def test_without_threads_everything_ends(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if len(fakes.seats) == 1:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        list(fakes.group(*map(fakes.member, "abc")).run())
    assert fakes.cancelled.is_set()


def test_a_child_that_speaks_another_language_is_waited_for(fakes: Fakes) -> None:
    """It goes on alone, as without a parent, and its result says what it is worth."""

    def run(seat: Seat) -> str:
        end = socket.socket(fileno=os.dup(seat.child_fd))
        seat.started()
        end.send(b"\xff\xfe")
        time.sleep(0.05)
        end.close()
        return "b gone"

    assert sorted(fakes.group(fakes.member("a"), Member(run), fakes.member("c")).run()) == ["a done", "b gone", "c done"]


def test_waiting_for_others_is_known_while_and_after_it_lasts(fakes: Fakes) -> None:
    seen: list[float] = []

    def slow(what: str) -> None:
        time.sleep(0.1 * (what == "compiles"))
        seen.append(fakes.seats["a"].waited_s())

    list(fakes.group(fakes.member("a"), fakes.member("b", on=slow)).run())
    assert seen == sorted(seen)
    assert seen[0] < 0.1 <= seen[1]
    waited_s = fakes.seats["a"].waited_s()
    assert waited_s >= seen[-2]
    time.sleep(0.02)
    assert fakes.seats["a"].waited_s() == waited_s, "it has ended, and waits no more"


def test_the_parent_knows_when_each_slice_was(fakes: Fakes) -> None:
    list(fakes.group(*map(fakes.member, "ab")).run())
    slices = sorted(times for seat in fakes.seats.values() for times in seat.slices)
    assert len(slices) == 24
    assert all(before[1] <= after[0] for before, after in pairwise(slices))
