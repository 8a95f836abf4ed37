"""How does an untimed child start without importing its framework again? It is forked from a process that has imported it.

A fork server is the child that found out whether the framework can be imported; then it waits for orders. For each order it
forks a keeper, and the keeper forks the child. When the child has ended, the keeper kills what the child left running, reports
the exit code and ends. For Bakeoff's own stacks there is a second kind of server, which has also loaded the stack's file. The
file of a user's stack is loaded by each child: it may start threads, take long, or change during the run.

A forked child that is timed gets copies of the server's pages at once, as a new process would have them after its imports. All
children of one server have the same memory layout, which changes their speed, so each group has servers of its own. Nothing is
forked on a GPU: CUDA cannot be used in a process forked from one that has initialized it.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.authoring.discovery import ROOT, load_stack
from bakeoff.authoring.stack import Stack
from bakeoff.records.order import ORDERS_FD, READY, Order, read_order
from bakeoff.records.turns import TURNS_FD
from bakeoff.system import procfs
from bakeoff.system.environment import PHASES_FD
from bakeoff.system.pages import in_memory, populate


@dataclass(frozen=True, slots=True)
class _Received:
    """An order, and the file descriptors that came with it."""

    path: str
    stack_path: str
    log: int
    phases: int  # writable end of the pipe for phases
    status: int  # writable end of a pipe: "pid CHILD KEEPER", and "exit CODE" at the end
    turns: int | None = None  # the child's end of the socket, if it is a member of a group

    @property
    def fds(self) -> list[int]:
        return [fd for fd in (self.log, self.phases, self.status, self.turns) if fd is not None]

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class ForkedChild:
    """In a forked child: what it is to run."""

    request: str
    stack: Stack[Any] | None  # the cell's, if the server has loaded it


def serve() -> ForkedChild | None:
    """Take orders until the parent closes its end of the socket, which it does by ending, too. Returns None then.

    It also returns in each forked child, so that its Python frames lie where they do in a new process. With four more below
    them, eager steps of TensorFlow took 4 % longer (docs/decisions/0014-fork-server.md).
    """
    procfs.end_with_parent(0)  # the thread that started this process may end first; the end of the socket tells
    orders = socket.socket(fileno=int(os.environ.pop(ORDERS_FD)))
    orders.set_inheritable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
    pages = in_memory()
    orders.send(READY)
    servers: dict[str, socket.socket] = {}  # file of one of Bakeoff's stacks → the server that has loaded it
    while (received := _receive(orders)) is not None:
        if not Path(received.stack_path).is_relative_to(ROOT / "compilers"):
            child = _fork(received, None, orders, *servers.values(), pages=(pages,))
            if child is not None:
                return child
        elif not (received.stack_path in servers and _forward(received, servers[received.stack_path])):  # none, or it has died
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            if _forked() == 0:
                procfs.end_with_parent(signal.SIGKILL)
                for other in (orders, ours, *servers.values()):
                    other.close()
                received.close()
                return _serve_stack(theirs, Path(received.stack_path), pages)
            theirs.close()
            if received.stack_path in servers:
                servers[received.stack_path].close()
            servers[received.stack_path] = ours
            _forward(received, ours)
        received.close()
    return None


def _serve_stack(orders: socket.socket, stack_path: Path, imported: int) -> ForkedChild | None:
    """Load one of Bakeoff's stacks, and fork for each order. If it cannot be loaded, each child fails and says why.

    `imported`: list of the pages that the framework's server has in memory. A process that was forked from it has not mapped
    those of libraries.
    """
    threads, stack = _threads(), None
    with contextlib.suppress(Exception, SystemExit):
        stack = load_stack(stack_path)
    if _threads() > threads:
        return None  # a forked child would wait for threads that it does not have; the parent starts new processes
    gc.freeze()  # these objects stay, so that no child copies their pages only to count references
    pages = (imported, in_memory())
    while (received := _receive(orders)) is not None:
        child = _fork(received, stack, orders, pages=pages)
        if child is not None:
            return child
        received.close()
    return None


def _fork(received: _Received, stack: Stack[Any] | None, *sockets: socket.socket, pages: Sequence[int]) -> ForkedChild | None:
    """Fork a keeper, which forks the child of the order. Returns in this process, and in the child.

    `pages`: lists of those in the memory of this process. If one is empty, as in a container that hides /proc, no child is
    forked that is timed: the parent sees that nobody holds the status pipe, and starts a new process.
    """
    if (received.turns is not None and not all(os.fstat(listed).st_size for listed in pages)) or _forked():
        return None
    child = -1
    try:
        procfs.end_with_parent(signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in sockets:
            each.close()
        procfs.adopt_orphans()
        child = os.fork()
        if child:
            _keep(child, received)
    finally:
        if child:
            os._exit(0)
    try:
        os.close(received.status)
        if received.turns is not None:  # it is timed: let it have what a new process has after its imports
            gc.unfreeze()
            for listed in pages:
                populate(listed)
        return _in_child(received, stack)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _forked() -> int:
    """Fork: 0 in the child. Without room for another process it returns −1, and the parent starts a new process, or says so."""
    try:
        return os.fork()
    except OSError:
        return -1


def _keep(child: int, received: _Received) -> None:
    """Wait for the end of a child, kill what it has left, and report its exit code."""
    for fd in received.fds:
        if fd != received.status:
            os.close(fd)
    os.write(received.status, f"pid {child} {os.getpid()}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _kill_children()
    os.write(received.status, f"exit {code}\n".encode())


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


def _in_child(received: _Received, stack: Stack[Any] | None) -> ForkedChild:
    """In the forked child: have the environment, folder and CPUs that a new process would have."""
    os.setsid()  # the parent ends this process by its group
    order: Order = read_order(Path(received.path))
    os.dup2(received.log, 1)
    os.dup2(received.log, 2)
    os.close(received.log)
    _move_paths(str(Path(os.environ["TMPDIR"]).parent), str(Path(order.environment["TMPDIR"]).parent))
    inherited = Path("/proc/self/environ").read_bytes().split(b"\0")
    began_with = {os.fsdecode(entry.partition(b"=")[0]) for entry in inherited}
    imported = {name: value for name, value in os.environ.items() if name not in began_with}  # set by the framework
    os.environ.clear()
    os.environ.update({**imported, **order.environment, PHASES_FD: str(received.phases)})
    if received.turns is not None:
        os.environ[TURNS_FD] = str(received.turns)
    tempfile.tempdir = None
    if sys.path[0] == str(Path.cwd()):  # `python -m` put it there
        sys.path[0] = order.directory
    sys.argv[1:] = [order.request]
    os.chdir(order.directory)
    os.sched_setaffinity(0, order.cpus)
    return ForkedChild(order.request, stack)


def _forward(received: _Received, server: socket.socket) -> bool:
    """Pass an order on. False if the server has died; without one, nobody keeps the status pipe, which the parent sees."""
    message = f"{received.path}\n{received.stack_path}".encode()
    try:
        socket.send_fds(server, [message], received.fds)
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
    fds: list[int] = []
    while len(fds) < 3:  # fewer arrive if this process has too many files open
        for fd in fds:
            os.close(fd)
        message, fds, _, _ = socket.recv_fds(orders, 65536, 4)
        if not message:
            return None
    for fd in fds:
        os.set_inheritable(fd, False)
    path, stack_path = message.decode().split("\n")
    return _Received(path, stack_path, *fds)


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))
