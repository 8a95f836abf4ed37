"""How is a child started? The same way for every task: request, environment, CPUs, limits, result.

A child is a new process, or forked from one that has imported its framework (bakeoff/worker/fork_server.py).
"""

import datetime
import json
import os
import shutil
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from bakeoff.authoring.discovery import ROOT, StackSource
from bakeoff.records.order import Order
from bakeoff.records.request import Request
from bakeoff.records.trial import Environment, Failure, Phase, Settings, Start
from bakeoff.records.turns import TURNS_FD
from bakeoff.runner import forks, processes
from bakeoff.runner.forks import ForkServerGone
from bakeoff.runner.group import Seat
from bakeoff.runner.plan import PlannedCell
from bakeoff.runner.worker_result import read_worker_result
from bakeoff.system.environment import child_cpus, child_environment
from bakeoff.system.sandbox import Sandbox

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Generic[T]):
    """A child that has ended: what its `run` returned, or why it returned nothing. Times are wall time in seconds."""

    result: T | None
    failure: Failure | None
    environment: Environment | None
    wall_s: float  # from start to exit
    finished_at: str  # UTC, ISO 8601


@dataclass(slots=True)
class Launcher:
    """Starts the children of one run. Their logs stay in `folder`; their sandboxes are in `scratch` until they end."""

    settings: Settings
    folder: Path
    scratch: Path
    interpreters: Mapping[str, str] = field(default_factory=dict)  # framework → path of its Python, if it is not this one
    on_phase: Callable[[Phase], None] = lambda phase: None
    root: Path = ROOT  # children import bakeoff, compilers and models from here
    variables: Mapping[str, str] = field(default_factory=dict)  # environment variables of every child; they override all others
    children_s: float = 0.0  # wall seconds spent in children
    cancelled: threading.Event = field(default_factory=threading.Event)  # if set, children of all threads are stopped
    _servers: dict[tuple[str, int], forks.ForkServer] = field(default_factory=dict)  # by framework and number

    def run(
        self,
        child: str,
        kind: type[T],
        planned: PlannedCell,
        sandbox: Sandbox,
        *,
        name: str,
        settings: Settings | None = None,
        start: Start = Start.COLD,
        reference: Path | None = None,
        artifact: Path | None = None,
        served: bool = False,
        options: Mapping[str, Any] | None = None,
        seat: Seat | None = None,
        diagnosing: bool = False,
        fork_server: int | None = None,
    ) -> Ended[T]:
        """Run the module `child` in a process of its own, wait for its end, and read its result as a `kind`.

        `name`: of its log file, without ".log".
        `settings`: those of the run, unless given.
        `served`: the child does not get the path of the model's file, only `artifact`, the folder of the exported program.
        `options`: JSON values that the child reads from its request.
        `seat`: the child is a member of a group. Its time limit, and the times of its result, leave out its waiting.
        `diagnosing`: nothing is timed, so the child may run beside others on any CPU.
        `fork_server`: number of the framework's fork server that forks the child. None, or if it does not run: a new process.
        """
        settings, stack = settings or self.settings, planned.stack
        request = Request(
            child=child,
            cell=planned.cell,
            stack_path=str(stack.path),
            model_path="" if served else str(planned.model.path),
            framework=stack.framework,
            settings=settings,
            start=start,
            sandbox=str(sandbox.root),
            result=str(sandbox.root / f"{_job(child)}-{start}.json"),
            reference=None if reference is None else str(reference),
            artifact=None if artifact is None else str(artifact),
            extra=stack.extra,
            options=dict(options or {}),
        )
        turns = {TURNS_FD: str(seat.child_fd)} if seat else {}
        order = self._order(request, sandbox, stack, diagnosing=diagnosing, variables=turns)
        server = None if settings.target or fork_server is None else self._servers.get((stack.framework, fork_server))
        spawning = processes.spawning(
            self._argv(stack, order), order.environment, order.cpus, sandbox.work, (seat.child_fd,) if seat else ()
        )
        watching: dict[str, Any] = {
            "log": self.folder / f"{name}.log",
            "timeout_s": self.settings.timeout_s,
            "memory_limit_bytes": self.settings.memory_limit_bytes,
            "on_phase": (lambda phase: None) if diagnosing else self.on_phase,
            "cancelled": self.cancelled.is_set,
        }
        if seat is not None:
            watching |= {"waited_s": seat.waited_s, "started": seat.started}
        try:
            turns_fd = seat.child_fd if seat is not None else None
            forking = spawning if server is None else server.start(order, sandbox.root / "order.json", stack.path, turns_fd)
            exit = processes.run(forking, **watching)
        except ForkServerGone as gone:
            if gone.hung and server is not None:
                self._servers.pop((stack.framework, fork_server or 0), None)
                server.close()
            exit = processes.run(spawning, **watching)
        if not diagnosing:  # these run at the same time: their task adds the time of all
            self.children_s += exit.wall_s
        return self._ended(request, kind, exit, watching["log"])

    def import_framework(self, planned: PlannedCell, number: int = 0) -> Ended[dict[str, int]]:
        """Run the child that only imports the framework of a stack.

        On a CPU it stays, as the framework's fork server with this number, and forks children until `close`.
        """
        stack, sandbox = planned.stack, Sandbox(Path(tempfile.mkdtemp(prefix="import-", dir=self.scratch)))
        sandbox.make()
        (sandbox.root / "seed.json").write_text("[]")
        request = Request(
            child="bakeoff.worker.import_baseline",
            cell=planned.cell,
            stack_path=str(stack.path),
            model_path=str(planned.model.path),
            framework=stack.framework,
            settings=replace(self.settings, target=""),
            start=Start.COLD,
            sandbox=str(sandbox.root),
            result=str(sandbox.root / "import_baseline.json"),
            extra=stack.extra,
        )
        order = self._order(request, sandbox, stack)
        starting: forks.Starting | None = None

        def start(log: BinaryIO, phases: int) -> processes.Child:
            nonlocal starting

            def spawn(variables: Mapping[str, str], fds: tuple[int, ...]) -> processes.Spawned:
                environment = {**order.environment, **variables}
                return processes.spawning(self._argv(stack, order), environment, order.cpus, sandbox.work, fds)(log, phases)

            if request.settings.device != "cpu":
                return spawn({}, ())
            starting = forks.Starting(spawn)
            return starting

        log = self.folder / f"{stack.framework}-import{f'-{number}' * (number > 0)}.log"
        try:
            exit = processes.run(
                start,
                log=log,
                timeout_s=self.settings.timeout_s,
                memory_limit_bytes=self.settings.memory_limit_bytes,
                on_phase=self.on_phase,
                cancelled=self.cancelled.is_set,
            )
        except BaseException:  # an interrupt: nobody else would end the server
            if starting is not None and starting.server is not None:
                starting.server.close()
            raise
        self.children_s += exit.wall_s
        ended = self._ended(request, dict[str, int], exit, log)
        if starting is not None and starting.server is not None:
            if ended.failure is None:
                self._servers[stack.framework, number] = starting.server
            else:
                starting.server.close()
        return ended

    def close(self) -> None:
        """End the fork servers."""
        while self._servers:
            self._servers.popitem()[1].close()

    def _argv(self, stack: StackSource, order: Order) -> list[str]:
        return [self.interpreters.get(stack.framework, sys.executable), "-m", "bakeoff.worker", order.request]

    def _order(
        self,
        request: Request,
        sandbox: Sandbox,
        stack: StackSource,
        *,
        diagnosing: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> Order:
        """Write the request. Returns what starts its child, whether it is spawned or forked."""
        path = sandbox.root / f"{_job(request.child)}-{request.start}.request"
        request.write(path)
        own = child_environment(sandbox, request.settings, uuid.uuid4().hex, diagnosing=diagnosing, root=self.root)
        cpus = os.sched_getaffinity(0) if diagnosing else child_cpus(self.settings.threads * (stack.workers or 1))
        return Order(
            request=str(path),
            environment={**own, **(variables or {}), **self.variables},
            cpus=sorted(cpus),
            directory=str(sandbox.work),
        )

    def _ended(self, request: Request, kind: type[T], exit: processes.Exit, log: Path) -> Ended[T]:
        found = read_worker_result(Path(request.result), kind, exit, log, self.settings)
        return Ended(
            result=found.result,
            failure=found.failure,
            environment=found.environment,
            wall_s=exit.wall_s,
            finished_at=now(),
        )

    @contextmanager
    def sandbox(self, seed: Path | None = None) -> Iterator[Sandbox]:
        """A new sandbox, deleted afterwards. Its caches hold the files of `seed` (a one-time cost) and nothing else."""
        sandbox = Sandbox(Path(tempfile.mkdtemp(prefix="trial-", dir=self.scratch)))
        try:
            sandbox.make(seed)
            (sandbox.root / "seed.json").write_text(json.dumps(sorted(sandbox.files())))
            yield sandbox
        finally:
            shutil.rmtree(sandbox.root, ignore_errors=True)


def _job(child: str) -> str:
    """The short name of a child's module, for the names of its files: shapes for bakeoff.tasks.shapes.child."""
    return child.removeprefix("bakeoff.").removesuffix(".child").rpartition(".")[2]


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
