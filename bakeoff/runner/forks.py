"""How does the parent have a child forked? It starts a fork server per framework, and sends it orders through a socket."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from bakeoff.records.order import ORDERS_FD, READY, Order
from bakeoff.runner.processes import Child, Spawned, Start, kill_group, sweep
from bakeoff.system.environment import MARK

START_S = 60.0  # in which a server must have forked a child; before the first one it may load a stack's file
REPORT_S = 5.0  # in which a keeper must have reported the end of its child


class ForkServerGone(Exception):
    """The server has died, or does not answer. The child can be started as a new process."""

    hung = False  # it may still do what it was asked for, so it has to be ended first


class ForkServer:
    """A process that has imported a framework and forks children (bakeoff/worker/fork_server.py)."""

    def __init__(self, process: Spawned, orders: socket.socket) -> None:
        self._process, self._orders = process, orders

    def start(self, order: Order, path: Path, stack_path: Path, turns: int | None = None) -> Start:
        """How to start the child of an order, which is written to `path`. Starting raises ForkServerGone.

        `turns`: file descriptor of the child's end of the socket, if it is a member of a group.
        """

        def forked(log: BinaryIO, phases: int) -> Child:
            order.write(path)
            status, theirs = os.pipe()
            try:
                try:
                    message = f"{path}\n{stack_path}".encode()
                    fds = [log.fileno(), phases, theirs] + ([] if turns is None else [turns])
                    socket.send_fds(self._orders, [message], fds)
                except OSError as error:
                    raise ForkServerGone(str(error)) from None
                finally:
                    os.close(theirs)
                return Forked(status, order.environment[MARK])
            except BaseException:
                os.close(status)
                raise

        return forked

    def close(self) -> None:
        """End the server, and with it whatever of its children still runs."""
        self._orders.close()
        self._process.end()


class Forked:
    """A child that a fork server has forked. Its keeper reports the exit code, after it has killed what the child left."""

    def __init__(self, status: int, mark: str) -> None:
        """Wait until it runs. `status`: the pipe that its keeper writes to. Raises ForkServerGone if it does not run."""
        self._status, self._mark, self._text = status, mark, b""
        asked = time.monotonic()
        word, *pids = (self._next_line(START_S) or "").split()[:3] or [""]
        if word != "pid" or len(pids) != 2:
            gone = ForkServerGone("it did not fork a child")
            gone.hung = time.monotonic() - asked >= START_S
            raise gone
        self.pid, self._keeper = map(int, pids)
        self._code: int | None = None
        try:
            self._ended = os.pidfd_open(self.pid)
        except ProcessLookupError:  # it has ended already
            self._ended = os.dup(status)
        self.exit_fds: tuple[int, ...] = (self._ended,)

    def wait(self, timeout_s: float | None = None) -> int:
        if self._code is None:
            if not select.select(self.exit_fds, [], [], timeout_s)[0]:
                raise subprocess.TimeoutExpired("a forked child", timeout_s or 0.0)
            word, _, code = (self._next_line(REPORT_S) or "").partition(" ")
            self._code = int(code) if word == "exit" else -signal.SIGKILL  # the keeper was killed, and the child with it
        return self._code

    def end(self) -> None:
        kill_group(self.pid)
        if self._code is None:
            for pid in (self.pid, self._keeper):  # the child may have no group of its own yet
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        os.close(self._ended)
        os.close(self._status)
        sweep(self._mark)

    def _next_line(self, timeout_s: float) -> str | None:
        """The next line from the keeper. None if there will be none, or not within `timeout_s`."""
        until = time.monotonic() + timeout_s
        while b"\n" not in self._text:
            if not select.select([self._status], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            data = os.read(self._status, 256)
            if not data:
                return None
            self._text += data
        line, _, self._text = self._text.partition(b"\n")
        return line.decode()


class Starting:
    """A fork server that imports its framework. It has ended, in the sense of a child, when it is ready for orders."""

    def __init__(self, spawn: Callable[[dict[str, str], tuple[int, ...]], Spawned]) -> None:
        """`spawn` starts it with these further environment variables and file descriptors."""
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = spawn({ORDERS_FD: str(theirs.fileno())}, (theirs.fileno(),))
        self.pid = self._process.pid
        self.exit_fds: tuple[int, ...] = (self._orders.fileno(), *self._process.exit_fds)
        self.server: ForkServer | None = None

    def wait(self, timeout_s: float | None = None) -> int:
        if self.server is None:
            ready, _, _ = select.select(self.exit_fds, [], [], timeout_s)
            if not ready:
                raise subprocess.TimeoutExpired("a fork server", timeout_s or 0.0)
            # if the server has died, one of its descendants may keep the socket open
            if self._orders.fileno() not in ready or self._orders.recv(64) != READY:
                kill_group(self.pid)  # in case it closed the socket and goes on
                return self._process.wait(timeout_s)
            self.server = ForkServer(self._process, self._orders)
        return 0

    def end(self) -> None:
        if self.server is None:
            self._orders.close()
            self._process.end()
