"""How does the parent have a child forked? It starts a fork server per framework, and sends it orders through a socket."""

import contextlib
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from bakeoff.records.order import ORDERS_FD, READY, Order
from bakeoff.runner.processes import Child, Spawned, Start, kill_group, sweep
from bakeoff.system.environment import MARK

START_S = 60.0  # in which a server must have forked a child; the first one of a stack loads the stack's file


class ForkServerGone(Exception):
    """The server has died, or does not answer. The child can be started as a new process."""


class ForkServer:
    """A process that has imported a framework and forks children (bakeoff/worker/fork_server.py)."""

    def __init__(self, process: Spawned, orders: socket.socket) -> None:
        self._process, self._orders = process, orders

    def start(self, order: Order, path: Path) -> Start:
        """How to start the child of an order, which is written to `path`. Starting raises ForkServerGone."""

        def forked(log: BinaryIO, phases: int) -> Child:
            order.write(path)
            status, theirs = os.pipe()
            try:
                socket.send_fds(self._orders, [str(path).encode()], [log.fileno(), phases, theirs])
            except OSError as error:
                os.close(status)
                raise ForkServerGone(str(error)) from None
            finally:
                os.close(theirs)
            return Forked(status, order.environment[MARK])

        return forked

    def close(self) -> None:
        """End the server, and with it whatever of its children still runs."""
        self._orders.close()
        self._process.end()


class Forked:
    """A child that a fork server has forked. `exit_fd` is the pipe through which the server sends its exit code."""

    def __init__(self, status: int, mark: str) -> None:
        """Wait until it runs. Raises ForkServerGone if it does not."""
        self.exit_fd, self._mark, self._line = status, mark, b""
        self._code: int | None = None
        line = self._next_line(START_S)
        if not line:
            os.close(status)
            raise ForkServerGone("it did not fork a child")
        self.pid = int(line)

    def wait(self, timeout_s: float | None = None) -> int:
        if self._code is None:
            line = self._next_line(timeout_s)
            if line is None:
                raise subprocess.TimeoutExpired("a forked child", timeout_s or 0.0)
            self._code = int(line or -9)  # a server that was killed takes its children with it
        return self._code

    def end(self) -> None:
        if self._code is None:
            kill_group(self.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(START_S)
        kill_group(self.pid)
        os.close(self.exit_fd)
        sweep(self._mark)

    def _next_line(self, timeout_s: float | None) -> bytes | None:
        """The next line from the server; empty if there will be none, None after `timeout_s`."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while b"\n" not in self._line:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self.exit_fd], [], [], left)[0]:
                return None
            data = os.read(self.exit_fd, 64)
            if not data:
                return b""
            self._line += data
        line, _, self._line = self._line.partition(b"\n")
        return line


class Starting:
    """A fork server that imports its framework. It has ended, in the sense of a child, when it is ready for orders."""

    def __init__(self, spawn: Callable[[dict[str, str], tuple[int, ...]], Spawned]) -> None:
        """`spawn` starts it with these further environment variables and file descriptors."""
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = spawn({ORDERS_FD: str(theirs.fileno())}, (theirs.fileno(),))
        self.pid, self.exit_fd = self._process.pid, self._orders.fileno()
        self.server: ForkServer | None = None

    def wait(self, timeout_s: float | None = None) -> int:
        self._orders.settimeout(timeout_s)
        try:
            ready = self._orders.recv(64) == READY
        except TimeoutError:
            raise subprocess.TimeoutExpired("a fork server", timeout_s or 0.0) from None
        except OSError:
            ready = False
        self._orders.settimeout(None)
        if ready:
            self.server = ForkServer(self._process, self._orders)
            return 0
        return self._process.wait(timeout_s)

    def end(self) -> None:
        if self.server is None:
            self._orders.close()
            self._process.end()
