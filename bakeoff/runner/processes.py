"""How is one child process started, watched and ended? With a time limit and a memory limit; no descendant survives it."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import psutil

from bakeoff.records.trial import Phase
from bakeoff.system import procfs
from bakeoff.system.environment import MARK, PHASES_FD

GRACE_S = 2.0  # between SIGTERM and SIGKILL
WATCH_S = 0.2  # interval of checking memory and time; an exit of the child is seen at once

End = Literal["exited", "timeout", "out of memory"]


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended. `code` is its exit code; for a signal the negative number of it, as in subprocess."""

    end: End
    code: int
    phase: Phase
    wall_s: float
    resident_bytes: int  # largest resident memory that was seen


class Child(Protocol):
    """A child that has been started, in a process session of its own."""

    pid: int
    exit_fds: tuple[int, ...]  # file descriptors; one of them becomes readable when the child has ended

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end, and return the exit code. Raises subprocess.TimeoutExpired after `timeout_s`."""
        ...

    def end(self) -> None:
        """Kill whatever of the child and its descendants still runs, and release `exit_fds`."""
        ...


Start = Callable[[BinaryIO, int], Child]  # (log file, writable end of the pipe for phases) → the child


def run(
    start: Start,
    *,
    log: Path,
    timeout_s: float,
    memory_limit_bytes: int | None,
    on_phase: Callable[[Phase], None],
    cancelled: Callable[[], bool] = lambda: False,
    started: Callable[[], None] = lambda: None,
    waited_s: Callable[[], float] = lambda: 0.0,
) -> Exit:
    """Start a child and watch it until it ends or exceeds a limit.

    Standard output and error go to `log`. `on_phase` is called with each phase that the child reports. If `cancelled` returns
    True, the child is stopped as by the time limit. An interrupt of the parent also stops the child. `started` is called when
    the child has been started. `waited_s`: seconds for which it has waited for others, which count for no limit and no time.
    Raises OSError if the child cannot be started.
    """
    kills = procfs.out_of_memory_kills()
    read_end, write_end = os.pipe()
    start_s = time.monotonic()
    child: Child | None = None
    watch: _Watch | None = None
    end: End = "exited"
    try:
        with log.open("w+b") as output:  # also readable: a child may read what its framework logs about compilations
            child = start(output, write_end)
        started()
        watch = _Watch(child, read_end, on_phase)
        while not watch.wait(WATCH_S):
            if memory_limit_bytes is not None and watch.resident() > memory_limit_bytes:
                end = "out of memory"
            elif time.monotonic() - start_s - waited_s() > timeout_s or cancelled():
                end = "timeout"
            if end != "exited":
                _stop(child)
                break
        code = child.wait()
        wall_s = time.monotonic() - start_s - waited_s()
    finally:
        with _uninterrupted():
            os.close(write_end)
            if watch is not None:
                watch.close()
            if child is not None:
                child.end()
            os.close(read_end)
    if end == "exited" and code == -signal.SIGKILL and kills is not None and procfs.out_of_memory_kills() != kills:
        end = "out of memory"
    return Exit(end, code, watch.phase, wall_s, watch.largest)


class Spawned:
    """A child that is a new process."""

    def __init__(
        self,
        argv: Sequence[str],
        log: BinaryIO,
        *,
        environment: Mapping[str, str],
        cpus: Iterable[int],
        directory: Path,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start `argv` on `cpus`. Raises OSError if that is impossible."""
        with started_on(cpus):
            self._process = subprocess.Popen(
                argv,
                env=environment,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        self._mark = environment[MARK]
        self.pid = self._process.pid
        self.exit_fds: tuple[int, ...] = (os.pidfd_open(self.pid),)

    def wait(self, timeout_s: float | None = None) -> int:
        return self._process.wait(timeout_s)

    def end(self) -> None:
        kill_group(self.pid)
        self._process.wait()
        os.close(self.exit_fds[0])
        sweep(self._mark)


def spawning(
    argv: Sequence[str], environment: Mapping[str, str], cpus: Iterable[int], directory: Path, pass_fds: Sequence[int] = ()
) -> Callable[[BinaryIO, int], Spawned]:
    """How to start `argv` as a new process that reports its phases."""

    def spawned(log: BinaryIO, phases: int) -> Spawned:
        own = {**environment, PHASES_FD: str(phases)}
        return Spawned(argv, log, environment=own, cpus=cpus, directory=directory, pass_fds=(phases, *pass_fds))

    return spawned


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay SIGINT and SIGTERM during this block, so that a second Ctrl-C does not interrupt the cleaning up."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def started_on(cpus: Iterable[int]) -> Iterator[None]:
    """A child that is started in this block has only these CPUs from its start: libraries count CPUs when loaded."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


class _Watch:
    """Waits for the exit of a child, and reads the phases that it reports."""

    def __init__(self, child: Child, phases: int, on_phase: Callable[[Phase], None]) -> None:
        self.phase = Phase.START
        self.largest = 0
        self._child, self._phases, self._on_phase, self._partial = child, phases, on_phase, b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(phases, selectors.EVENT_READ)
        for fd in child.exit_fds:
            self._selector.register(fd, selectors.EVENT_READ)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for an event. True if the child has ended."""
        ready = {key.fd for key, _ in self._selector.select(seconds)}
        if self._phases in ready:
            self._read()
        return not ready.isdisjoint(self._child.exit_fds)

    def resident(self) -> int:
        """Resident bytes of the child now; 0 after its end."""
        try:
            now = procfs.resident_bytes(self._child.pid)
        except (OSError, IndexError):
            return 0
        self.largest = max(self.largest, now)
        return now

    def close(self) -> None:
        self._selector.close()

    def _read(self) -> None:
        data = os.read(self._phases, 4096)
        if not data:
            self._selector.unregister(self._phases)
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if line.decode(errors="replace") in set(Phase):
                self.phase = Phase(line.decode())
                self._on_phase(self.phase)


def _stop(child: Child) -> None:
    """Send SIGTERM to the child's process group, and SIGKILL if the child has not ended after GRACE_S."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        kill_group(child.pid)


def kill_group(group: int) -> None:
    """Kill a child's process group, even if the child has ended: its descendants may still run."""
    assert group > 1  # 0 is this process's own group, and 1 every process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def sweep(mark: str) -> None:
    """Kill every process whose environment has a child's mark: none of them may run beside the next cell."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
            continue


def sigterm_as_ctrl_c() -> None:
    """Let SIGTERM clean up as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
