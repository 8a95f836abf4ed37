"""How is a child started? The same way for every task: request, environment, CPUs, limits, result."""

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from bakeoff.authoring.discovery import ROOT
from bakeoff.records.request import Request
from bakeoff.records.trial import Environment, Failure, Phase, Settings, Start
from bakeoff.records.turns import TURNS_FDS
from bakeoff.runner import processes
from bakeoff.runner.partner import Partner
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
        partner: Partner | None = None,
        diagnosing: bool = False,
    ) -> Ended[T]:
        """Run the module `child` in a process of its own, wait for its end, and read its result as a `kind`.

        `name`: of its log file, without ".log".
        `settings`: those of the run, unless given.
        `served`: the child does not get the path of the model's file, only `artifact`, the folder of the exported program.
        `options`: JSON values that the child reads from its request.
        `partner`: the child takes turns with another one.
        `diagnosing`: nothing is timed, so the child may run beside others on any CPU.
        """
        settings, stack = settings or self.settings, planned.stack
        job = child.removeprefix("bakeoff.").removesuffix(".child").rpartition(".")[2]
        result, log = sandbox.root / f"{job}-{start}.json", self.folder / f"{name}.log"
        turns = {"begins": partner.begins, "waits": partner.waits, "at_once": partner.at_once} if partner else {}
        request = Request(
            child=child,
            cell=planned.cell,
            stack_path=str(stack.path),
            model_path="" if served else str(planned.model.path),
            framework=stack.framework,
            settings=settings,
            start=start,
            sandbox=str(sandbox.root),
            result=str(result),
            reference=None if reference is None else str(reference),
            artifact=None if artifact is None else str(artifact),
            extra=stack.extra,
            options={**(options or {}), **turns},
        )
        path = sandbox.root / f"{job}-{start}.request"
        request.write(path)
        environment = child_environment(sandbox, settings, uuid.uuid4().hex, diagnosing=diagnosing, root=self.root)
        pipes = {TURNS_FDS: ",".join(map(str, partner.fds))} if partner else {}
        exit = processes.run(
            [self.interpreters.get(stack.framework, sys.executable), "-m", "bakeoff.worker", str(path)],
            environment={**environment, **pipes, **self.variables},
            cpus=os.sched_getaffinity(0) if diagnosing else child_cpus(self.settings.threads * (stack.workers or 1)),
            directory=sandbox.work,
            log=log,
            timeout_s=self.settings.timeout_s * (2 if partner else 1),  # each child waits while the other one compiles
            memory_limit_bytes=self.settings.memory_limit_bytes,
            on_phase=(lambda phase: None) if diagnosing else partner.on_phase if partner else self.on_phase,
            cancelled=self.cancelled.is_set,
            pass_fds=partner.fds if partner else (),
        )
        if not diagnosing:  # these run at the same time: their task adds the time of all
            self.children_s += exit.wall_s
        found = read_worker_result(result, kind, exit, log, self.settings)
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


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
