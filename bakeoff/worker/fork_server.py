"""How does an untimed child start without importing its framework again? It is forked from a process that has imported it.

A fork server is the child that found out whether the framework can be imported; then it waits for orders. For each stack it
forks a second server, which loads the stack's file, and this one forks a child per order. So no stack's settings reach another.

Only children whose results contain no time and no memory are forked: references and diagnoses. A timed child is a new process,
because its import is measured, and because all children of one server have the same memory layout, which changes their speed.
Nothing is forked on a GPU: CUDA cannot be used in a process forked from one that has initialized it.
"""

import contextlib
import ctypes
import gc
import os
import selectors
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.authoring.discovery import load_stack
from bakeoff.authoring.stack import Stack
from bakeoff.records.order import ORDERS_FD, READY, Order, read_order
from bakeoff.system.environment import PHASES_FD

Main = Callable[[str, Stack[Any] | None], int]  # runs the request in a file, with a stack that is loaded; returns an exit code


@dataclass(frozen=True, slots=True)
class _Received:
    """An order, and the file descriptors that came with it."""

    path: str
    log: int
    phases: int  # writable end of the pipe for phases
    status: int  # writable end of a pipe: process id and exit code of the child, a line each

    def close(self) -> None:
        for fd in (self.log, self.phases, self.status):
            os.close(fd)


def serve(main: Main) -> None:
    """Take orders until the parent closes its end of the socket, which it does by ending, too."""
    ctypes.CDLL(None).prctl(1, 0)  # the thread that started this process may end first (prctl(2), PR_SET_PDEATHSIG)
    orders = socket.socket(fileno=int(os.environ.pop(ORDERS_FD)))
    orders.set_inheritable(False)
    orders.send(READY)
    servers: dict[str, socket.socket] = {}  # stack file → the server that has loaded it
    while (received := _receive(orders)) is not None:
        stack_path = read_order(Path(received.path)).stack_path
        if not (stack_path in servers and _forward(received, servers[stack_path])):  # none, or it has died
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            if os.fork() == 0:
                for other in (orders, ours, *servers.values()):
                    other.close()
                received.close()
                _serve_stack(theirs, Path(stack_path), main)
                os._exit(0)
            theirs.close()
            if stack_path in servers:
                servers[stack_path].close()
            servers[stack_path] = ours
            _forward(received, ours)
        received.close()


def _forward(received: _Received, server: socket.socket) -> bool:
    """Pass an order on. False if the server has died; without one, nobody keeps the status pipe, which the parent sees."""
    try:
        socket.send_fds(server, [received.path.encode()], [received.log, received.phases, received.status])
    except OSError:
        return False
    return True


def _serve_stack(orders: socket.socket, stack_path: Path, main: Main) -> None:
    """Load the stack, and fork a child for each order. A file that cannot be loaded fails in each child, which reports it."""
    stack = None
    with contextlib.suppress(Exception, SystemExit):
        stack = load_stack(stack_path)
    gc.freeze()  # these objects stay, so that no child copies their pages only to count references
    running: dict[int, tuple[int, int]] = {}  # pidfd → process id, status pipe
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd in running:
                    selector.unregister(key.fd)
                    pid, status = running.pop(key.fd)
                    os.close(key.fd)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with contextlib.suppress(BrokenPipeError):
                        os.write(status, f"{code}\n".encode())
                    os.close(status)
                    continue
                received = _receive(orders)
                if received is None:
                    return
                pid = os.fork()
                if pid == 0:
                    orders.close()
                    for fd in (fd for pidfd, (_, pipe) in running.items() for fd in (pidfd, pipe)):
                        os.close(fd)
                    selector.close()
                    os._exit(_child(received, stack, main))
                pidfd = os.pidfd_open(pid)
                running[pidfd] = pid, received.status
                selector.register(pidfd, selectors.EVENT_READ)
                os.close(received.log)
                os.close(received.phases)


def _child(received: _Received, stack: Stack[Any] | None, main: Main) -> int:
    """In the forked child: the environment, folder and CPUs that a new process would have, then the request."""
    os.setsid()
    os.dup2(received.log, 1)
    os.dup2(received.log, 2)
    order: Order = read_order(Path(received.path))
    os.write(received.status, f"{os.getpid()}\n".encode())  # from now on the parent may kill this process's group
    os.close(received.status)
    _move_paths(str(Path(os.environ["TMPDIR"]).parent), str(Path(order.environment["TMPDIR"]).parent))
    os.environ.clear()
    os.environ.update({**order.environment, PHASES_FD: str(received.phases)})
    tempfile.tempdir = None
    if sys.path[0] == str(Path.cwd()):  # `python -m` put it there
        sys.path[0] = order.directory
    sys.argv[1:] = [order.request]
    os.chdir(order.directory)
    os.sched_setaffinity(0, order.cpus)
    code = main(order.request, stack)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _move_paths(old: str, new: str) -> None:
    """Replace the server's sandbox by this child's in constants of modules, which read TMPDIR when they were imported."""
    for module in list(sys.modules.values()):
        constants = getattr(module, "__dict__", {})
        for name in [name for name, value in constants.items() if isinstance(value, str) and value.startswith(old)]:
            constants[name] = new + constants[name].removeprefix(old)


def _receive(orders: socket.socket) -> _Received | None:
    """The next order; None if the other end is closed."""
    message, fds, _, _ = socket.recv_fds(orders, 65536, 3)
    if not message:
        return None
    for fd in fds:
        os.set_inheritable(fd, False)
    return _Received(message.decode(), *fds)
