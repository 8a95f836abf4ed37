"""How does an untimed child start without importing its framework again? It is forked from a process that has imported it.

A fork server is the child that found out whether the framework can be imported; then it waits for orders. For each order it
forks a keeper, and the keeper forks the child. When the child has ended, the keeper kills what the child left running, reports
the exit code and ends. For Bakeoff's own stacks there is a second kind of server, which has also loaded the stack's file. The
file of a user's stack is loaded by each child: it may start threads, take long, or change during the run.

Only children whose results contain no time and no memory are forked: references and diagnoses. A timed child is a new process,
because its import is measured, and because all children of one server have the same memory layout, which changes their speed.
Nothing is forked on a GPU: CUDA cannot be used in a process forked from one that has initialized it.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.authoring.discovery import ROOT, load_stack
from bakeoff.authoring.stack import Stack
from bakeoff.records.order import ORDERS_FD, READY, Order, read_order
from bakeoff.system import procfs
from bakeoff.system.environment import PHASES_FD

Main = Callable[[str, Stack[Any] | None], int]  # runs the request in a file, with a stack that is loaded; returns an exit code


@dataclass(frozen=True, slots=True)
class _Received:
    """An order, and the file descriptors that came with it."""

    path: str
    stack_path: str
    log: int
    phases: int  # writable end of the pipe for phases
    status: int  # writable end of a pipe: "pid CHILD KEEPER", and "exit CODE" at the end

    def close(self) -> None:
        for fd in (self.log, self.phases, self.status):
            os.close(fd)


def serve(main: Main) -> None:
    """Take orders until the parent closes its end of the socket, which it does by ending, too."""
    procfs.end_with_parent(0)  # the thread that started this process may end first; the end of the socket tells
    orders = socket.socket(fileno=int(os.environ.pop(ORDERS_FD)))
    orders.set_inheritable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
    orders.send(READY)
    servers: dict[str, socket.socket] = {}  # file of one of Bakeoff's stacks → the server that has loaded it
    while (received := _receive(orders)) is not None:
        if not Path(received.stack_path).is_relative_to(ROOT / "compilers"):
            _fork_keeper(received, None, main, orders, *servers.values())
        elif not (received.stack_path in servers and _forward(received, servers[received.stack_path])):  # none, or it has died
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            if os.fork() == 0:
                procfs.end_with_parent(signal.SIGKILL)
                for other in (orders, ours, *servers.values()):
                    other.close()
                received.close()
                _serve_stack(theirs, Path(received.stack_path), main)
                os._exit(0)
            theirs.close()
            if received.stack_path in servers:
                servers[received.stack_path].close()
            servers[received.stack_path] = ours
            _forward(received, ours)
        received.close()


def _serve_stack(orders: socket.socket, stack_path: Path, main: Main) -> None:
    """Load one of Bakeoff's stacks, and fork for each order. If it cannot be loaded, each child fails and says why."""
    threads, stack = _threads(), None
    with contextlib.suppress(Exception, SystemExit):
        stack = load_stack(stack_path)
    if _threads() > threads:
        return  # a forked child would wait for threads that it does not have; the parent starts new processes
    gc.freeze()  # these objects stay, so that no child copies their pages only to count references
    while (received := _receive(orders)) is not None:
        _fork_keeper(received, stack, main, orders)
        received.close()


def _fork_keeper(received: _Received, stack: Stack[Any] | None, main: Main, *sockets: socket.socket) -> None:
    """Fork a keeper, which forks the child of the order."""
    if os.fork():
        return
    code = 1
    try:
        procfs.end_with_parent(signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in sockets:
            each.close()
        procfs.adopt_orphans()
        child = os.fork()
        if child == 0:
            os.close(received.status)
            os._exit(_child(received, stack, main))
        os.close(received.log)
        os.close(received.phases)
        os.write(received.status, f"pid {child} {os.getpid()}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _kill_children()
        os.write(received.status, f"exit {code}\n".encode())
    finally:
        os._exit(0)


def _kill_children() -> None:
    """Kill all children of this process, and theirs, which become its own when their parent ends."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while children.exists():  # a kernel may lack it; then the parent finds those that it can tell by their environment
        for pid in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _child(received: _Received, stack: Stack[Any] | None, main: Main) -> int:
    """In the forked child: the environment, folder and CPUs that a new process would have, then the request."""
    os.setsid()  # the parent ends this process by its group
    order: Order = read_order(Path(received.path))
    os.dup2(received.log, 1)
    os.dup2(received.log, 2)
    os.close(received.log)
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


def _forward(received: _Received, server: socket.socket) -> bool:
    """Pass an order on. False if the server has died; without one, nobody keeps the status pipe, which the parent sees."""
    message = f"{received.path}\n{received.stack_path}".encode()
    try:
        socket.send_fds(server, [message], [received.log, received.phases, received.status])
    except OSError:
        return False
    return True


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
    path, stack_path = message.decode().split("\n")
    return _Received(path, stack_path, *fds)


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))
