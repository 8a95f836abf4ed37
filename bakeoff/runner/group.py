"""How do children that are alive together take turns? The parent lets one of them run at a time, in random order, in rounds.

In the matrix each member builds, compiles and warms up before the next one is started. In `ab` all build, compile at the same
time on the same CPUs, and then warm up one after another. In each round every member runs one slice. At the end one after
another checks its outputs and ends. A member that dies or is stopped leaves the others as they are.
"""

import contextlib
import os
import random
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bakeoff.records.turns import ROUNDS, Answers, Asks

T = TypeVar("T")
SPARE = 1.3  # another child starts only if this many times the memory of a child is free
LEAST_ROUNDS = 15  # of a group, however long its slices are
MEMBER_S = 3.0  # there are fewer rounds than ROUNDS if they would take more seconds per member


class Seat:
    """The parent's side of one member: the socket to its child, and what the child asks for."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ended_fd, self._end = os.pipe()
        self.asks: Asks | None = None  # None while the child runs
        self.ended = False
        self.slice_s = 0.0  # expected seconds of a slice
        self.slices: list[tuple[float, float]] = []  # begin and end of each, in seconds of CLOCK_MONOTONIC
        self._waited_s = self._asked_at = 0.0

    @property
    def child_fd(self) -> int:
        """File descriptor of the child's end, which the child inherits."""
        return self._theirs.fileno()

    @property
    def parent_fd(self) -> int:
        """File descriptor of the parent's end."""
        return self._ours.fileno()

    def started(self) -> None:
        """The child has inherited its end."""
        self._theirs.close()

    def finished(self) -> None:
        """The child has ended. Called by the thread that has run it."""
        self._theirs.close()
        os.write(self._end, b".")

    def waited_s(self) -> float:
        """Seconds for which the child has waited for an answer."""
        return self._waited_s + (time.monotonic() - self._asked_at if self.asks is not None else 0.0)

    def read(self) -> bool:
        """Read what the child asks for. False if it will ask for nothing more."""
        try:
            ask, *numbers = self._ours.recv(256).decode().split()
            values = [float(number) for number in numbers]
            if ask == Asks.WARM:
                (self.slice_s,) = values
            elif ask in (Asks.SLICE, Asks.TIMED):
                self.slices.append((values[0], values[1]))
            self._asked_at, self.asks = time.monotonic(), Asks(ask)
        except (OSError, ValueError, IndexError):  # it has closed the socket, or does not speak this language
            return False
        return True

    def answer(self, word: Answers) -> None:
        """Let the child go on."""
        self._waited_s, self.asks = self.waited_s(), None
        with contextlib.suppress(OSError):  # it has died; the thread that runs it will say so
            self._ours.send(word.encode())

    def hang_up(self) -> None:
        """Answer no more. A child that asks for something goes on as without a parent."""
        if self.asks is not None:
            self.answer(Answers.LAST)
        self._ours.close()

    def close(self) -> None:
        """Close everything."""
        self._ours.close()
        self._theirs.close()
        os.close(self.ended_fd)
        os.close(self._end)


@dataclass(slots=True)
class Member(Generic[T]):
    """One member of a group. `run` starts its child, waits for its end, and returns the result; it runs in a thread."""

    run: Callable[[Seat], T]
    begins: Callable[[], None] = lambda: None  # called before the child is started
    seat: Seat = field(default_factory=Seat)
    results: list[T | BaseException] = field(default_factory=list)  # one, when the child has ended
    thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self.begins()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.results.append(self.run(self.seat))
        except BaseException as error:  # raised again in the thread of the group
            self.results.append(error)
        finally:
            self.seat.finished()

    def result(self) -> T:
        """What `run` returned, or raised."""
        found = self.results[0]
        if isinstance(found, BaseException):
            raise found
        return found


class Group(Generic[T]):
    """Runs members, and yields each one's result when its child has ended.

    `at_once`: all members build and compile at the same time. `room`: is there memory for another child? `cancel` makes all
    children end, after an interrupt. `on_round` is called with (round, rounds) when a round begins.
    """

    def __init__(
        self,
        members: Sequence[Member[T]],
        *,
        order: random.Random,
        cancel: Callable[[], None],
        at_once: bool = False,
        room: Callable[[], bool] = lambda: True,
        on_round: Callable[[int, int], None] = lambda number, of: None,
    ) -> None:
        self.members = list(members)
        self._order, self._cancel, self._at_once, self._room, self._on_round = order, cancel, at_once, room, on_round
        self._selector = selectors.DefaultSelector()
        self.not_started: list[Member[T]] = []  # for lack of memory: they belong in another group

    def run(self) -> Iterator[T]:
        """Do everything. An interrupt ends all children, and is raised again."""
        try:
            yield from self._begin()
            warm = [member for member in self.members if member.seat.asks is Asks.WARM]
            rounds = self._rounds(warm)
            for number in range(rounds):
                if not warm:
                    break
                self._on_round(number, rounds)
                for member in self._order.sample(warm, len(warm)):
                    member.seat.answer(Answers.LAST if number == rounds - 1 else Answers.GO)
                    yield from self._until(member, Asks.TIMED if number == rounds - 1 else Asks.SLICE)
                warm = [member for member in warm if not member.seat.ended]
            for member in warm:
                member.seat.answer(Answers.GO)
                yield from self._until(member, None)
        except BaseException:
            self._cancel()
            raise
        finally:
            with _uninterrupted():
                for member in self.members:
                    if member.thread is not None and member.thread.ident is not None:  # else the system had no thread left
                        member.seat.hang_up()
                        member.thread.join()
                    member.seat.close()
                self._selector.close()

    def _begin(self) -> Iterator[T]:
        """Start all members, and have them compile and warm up."""
        alive: list[Member[T]] = []
        for number, member in enumerate(self.members):
            if number and not self._room():
                self.not_started = self.members[number:]
                break
            self._start(member)
            alive.append(member)
            if not self._at_once:
                yield from self._led(member)
        if self._at_once:
            for member in alive:
                yield from self._until(member, Asks.BUILT)
            ready = [member for member in alive if not member.seat.ended]
            for member in ready:
                member.seat.answer(Answers.TOGETHER if len(ready) > 1 else Answers.GO)
            for member in alive:
                yield from self._until(member, Asks.COMPILED)
            for member in alive:
                yield from self._led(member)

    def _led(self, member: Member[T]) -> Iterator[T]:
        """Let a member go on alone until it is warm."""
        while not member.seat.ended and member.seat.asks is not Asks.WARM:
            if member.seat.asks is not None:
                member.seat.answer(Answers.GO)
            yield from self._next()

    def _until(self, member: Member[T], stage: Asks | None) -> Iterator[T]:
        """Wait until a member asks to go on after `stage`, or has ended. None: until it has ended."""
        while not member.seat.ended and (stage is None or member.seat.asks is not stage):
            yield from self._next()

    def _next(self) -> Iterator[T]:
        """Wait until a child asks for something or ends. Yields the results of those that have ended."""
        for key, _ in self._selector.select():
            member: Member[T] = key.data
            if key.fd == member.seat.ended_fd:
                self._selector.unregister(key.fd)
                member.seat.ended, member.seat.asks = True, None
                yield member.result()
            elif member.seat.ended or not member.seat.read():  # what it asked for before it died needs no answer
                self._selector.unregister(key.fd)

    def _start(self, member: Member[T]) -> None:
        for fd in (member.seat.parent_fd, member.seat.ended_fd):
            self._selector.register(fd, selectors.EVENT_READ, member)
        member.start()

    def _rounds(self, warm: Sequence[Member[T]]) -> int:
        """ROUNDS; fewer where slices are so long that they would take more than MEMBER_S per member."""
        each = sum(member.seat.slice_s for member in warm) / max(1, len(warm))
        return max(LEAST_ROUNDS, min(ROUNDS, int(MEMBER_S / each) if each > 0 else ROUNDS))


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the end of this block.

    It would end `Thread.join`, and the interpreter would take a thread whose child is alive for one that has ended (bpo-45274).
    """
    if threading.current_thread() is not threading.main_thread():  # others are not interrupted
        yield
        return
    missed: list[int] = []
    before: dict[int, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, lambda number, frame: missed.append(number))
    try:
        yield
    finally:
        for handled, handler in before.items():
            signal.signal(handled, signal.SIG_DFL if handler is None else handler)
        for late in missed[:1]:
            signal.raise_signal(late)
