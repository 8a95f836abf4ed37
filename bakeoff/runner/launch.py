"""The parent's verbs: each starts one child and returns what it saw as a frozen record."""

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

from bakeoff.authoring.discovery import ROOT, Source, StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.request import Job, Request
from bakeoff.records.trial import Export, Failure, MachinePeak, OneTimeCost, Phase, Settings, ShapeSeries, Start, Trial
from bakeoff.runner import processes
from bakeoff.runner.worker_result import WorkerResult, read_worker_result
from bakeoff.system.environment import child_cpus, child_environment
from bakeoff.system.sandbox import Sandbox, listing
from bakeoff.worker.turns import TURNS_FDS, Partner


@dataclass(slots=True)
class Launcher:
    """Starts children for one run. `folder` keeps their logs; private caches live in `scratch` and go when done with."""

    settings: Settings
    folder: Path
    scratch: Path
    interpreters: Mapping[str, str] = field(default_factory=dict)
    on_phase: Callable[[Phase], None] = lambda phase: None
    root: Path = ROOT  # whose harness, compilers and models children import
    variables: Mapping[str, str] = field(default_factory=dict)  # further ones of every child, over all others
    children_s: float = 0.0  # wall seconds spent in children
    cancelled: threading.Event = field(default_factory=threading.Event)  # children that other threads wait for end, too

    def measure(
        self,
        cell: Cell,
        model: Source,
        stack: StackSource,
        index: int,
        private: Sandbox,
        start: Start,
        reference: Path | None,
        partner: Partner | None = None,
        artifact: Path | None = None,
    ) -> Trial:
        """Measure a cell once, in `private`, which is empty but for the toolchain (cold) or as a cold trial left it (warm)."""
        name = f"{cell}-{index}-{start}"
        answer, wall_s = self._child(
            Job.MEASURE, cell, model, stack, private, start, name, reference, partner=partner, artifact=artifact
        )
        return Trial(
            cell=cell,
            index=index,
            start=start,
            settings=self.settings,
            wall_s=wall_s,
            finished_at=now(),
            framework=stack.framework,
            eager=stack.eager,
            workers=stack.workers,
            measurement=answer.measurement,
            compile_only=answer.compile_only,
            failure=answer.failure,
            diagnostics=answer.diagnostics,
            environment=answer.environment,
        )

    def diagnose(self, cell: Cell, model: Source, stack: StackSource, private: Sandbox) -> tuple[WorkerResult, float]:
        """(what the diagnosing child found, wall seconds). Untimed, so that several may run beside each other."""
        return self._child(Job.DIAGNOSE, cell, model, stack, private, Start.COLD, f"{cell}-diagnosis")

    def profile(self, cell: Cell, model: Source, stack: StackSource, private: Sandbox) -> tuple[WorkerResult, float]:
        """(which files the framework's profiler left in `private.artifacts`, wall seconds)."""
        return self._child(Job.PROFILE, cell, model, stack, private, Start.COLD, f"{cell}-profile")

    def shapes(
        self, cell: Cell, model: Source, stack: StackSource, private: Sandbox, axis: str, sizes: tuple[int, ...]
    ) -> ShapeSeries:
        """Run a series of shapes through one compiled program."""
        name = f"{cell}-shapes"
        answer, wall_s = self._child(Job.SHAPES, cell, model, stack, private, Start.COLD, name, axis=axis, sizes=sizes)
        return ShapeSeries(
            cell=cell,
            settings=self.settings,
            framework=stack.framework,
            axis=axis,
            wall_s=wall_s,
            finished_at=now(),
            tolerance=answer.tolerance,
            steps=tuple(answer.steps),
            failure=answer.failure,
            environment=answer.environment,
        )

    def export(
        self, cell: Cell, model: Source, stack: StackSource, exporter: StackSource, private: Sandbox, folder: Path
    ) -> Export:
        """Export a program of `exporter` in the format of `stack` to `folder`."""
        name = f"{cell}-export"
        answer, wall_s = self._child(
            Job.EXPORT, cell, model, exporter, private, Start.COLD, name, served=stack, artifact=folder
        )
        return Export(
            cell=cell,
            settings=self.settings,
            exporter=exporter.name,
            framework=exporter.framework,
            wall_s=wall_s,
            finished_at=now(),
            export_s=answer.export_s,
            files=answer.files,
            failure=answer.failure,
            environment=answer.environment,
        )

    def reference(
        self, model: Source, stack: StackSource, mode: Mode, target: Path, other: Path | None = None
    ) -> Failure | None:
        """Write the float64 eager outputs of every batch to `target`; the failure if that went wrong.

        In training it is compared with that of another framework, `other`.
        """
        with self.private() as private:
            cell = Cell(model.name, stack.name, mode)
            name = f"{cell}-reference"
            return self._child(Job.REFERENCE, cell, model, stack, private, Start.COLD, name, target, other=other)[0].failure

    def baseline(self, stack: StackSource) -> WorkerResult:
        """A child that only imports the stack's framework: its peak memory, or the failure that every cell would share."""
        with self.private() as private:
            cell = Cell("baseline", stack.framework, Mode.INFERENCE)
            return self._child(Job.BASELINE, cell, stack, stack, private, Start.COLD, f"{stack.framework}-import")[0]

    def one_time_cost(self, stack: StackSource, seed: Path) -> OneTimeCost:
        """Pay a stack's once-per-machine cost into `seed`, which later private caches start from."""
        private = Sandbox(seed)
        private.make()
        cell = Cell("one_time_cost", stack.one_time_cost or stack.name, Mode.INFERENCE)
        answer, wall_s = self._child(Job.TOOLCHAIN, cell, stack, stack, private, Start.COLD, f"{stack.one_time_cost}-toolchain")
        files = listing(seed, ("compiler", "tmp"))
        return OneTimeCost(
            stack=stack.name,
            wall_s=answer.wall_s if answer.wall_s is not None else wall_s,
            files=len(files),
            bytes=sum(files.values()),
            measured_at=now(),
            failure=answer.failure,
        )

    def machine_peak(self) -> MachinePeak:
        """What a child with the threads of this run's can reach at most, by numpy."""
        source = StackSource(name="numpy", path=Path("numpy"), framework="numpy")
        with self.private() as private:
            cell = Cell("machine_peak", "numpy", Mode.INFERENCE)
            answer, _ = self._child(Job.MACHINE_PEAK, cell, source, source, private, Start.COLD, "machine_peak")
        return MachinePeak(
            threads=self.settings.threads,
            measured_at=now(),
            flops_per_s=answer.flops_per_s,
            bytes_per_s=answer.bytes_per_s,
            failure=answer.failure,
        )

    @contextmanager
    def private(self, seed: Path | None = None) -> Iterator[Sandbox]:
        """A new private folder that is gone afterwards."""
        private = Sandbox(Path(tempfile.mkdtemp(prefix="trial-", dir=self.scratch)))
        try:
            private.make(seed)
            (private.root / "seed.json").write_text(json.dumps(sorted(private.files())))
            yield private
        finally:
            shutil.rmtree(private.root, ignore_errors=True)

    def _child(
        self,
        job: Job,
        cell: Cell,
        model: Source,
        stack: StackSource,
        private: Sandbox,
        start: Start,
        name: str,
        arrays: Path | None = None,
        axis: str = "batch_size",
        sizes: tuple[int, ...] = (),
        partner: Partner | None = None,
        other: Path | None = None,
        served: StackSource | None = None,
        artifact: Path | None = None,
    ) -> tuple[WorkerResult, float]:
        settings = replace(self.settings, target="") if job in (Job.REFERENCE, Job.BASELINE) else self.settings
        result, log = private.root / f"{job}-{start}.json", self.folder / f"{name}.log"
        request = Request(
            job=job,
            cell=cell,
            stack_path=str(stack.path),
            model_path="" if artifact and not served else str(model.path),  # who serves it has nothing of the model's file
            framework=stack.framework,
            settings=settings,
            start=start,
            private=str(private.root),
            result=str(result),
            axis=axis,
            sizes=sizes,
            begins=partner.begins if partner else (),
            waits=partner is not None and partner.waits,
            at_once=partner is not None and partner.at_once,
            arrays=None if arrays is None else str(arrays),
            other=None if other is None else str(other),
            served_path="" if served is None else str(served.path),
            artifact=None if artifact is None else str(artifact),
            extra=stack.extra,
        )
        task = private.root / f"{job}-{start}.request"
        request.write(task)
        threads, untimed = self.settings.threads * (stack.workers or 1), job is Job.DIAGNOSE
        interpreter = self.interpreters.get(stack.framework, sys.executable)
        mark = uuid.uuid4().hex
        environment = child_environment(private, settings, mark, diagnosing=untimed, root=self.root)
        pipes = {TURNS_FDS: ",".join(map(str, partner.fds))} if partner else {}
        exit = processes.run(
            [interpreter, "-m", "bakeoff.worker.__main__", str(task)],
            environment={**environment, **pipes, **self.variables},
            cpus=os.sched_getaffinity(0) if untimed else child_cpus(threads),
            directory=private.work,
            log=log,
            timeout_s=self.settings.timeout_s * (2 if partner else 1),  # one of two waits while the other compiles
            memory_limit_bytes=self.settings.memory_limit_bytes,
            on_phase=(lambda phase: None) if untimed else partner.on_phase if partner else self.on_phase,
            cancelled=self.cancelled.is_set,
            pass_fds=partner.fds if partner else (),
        )
        if not untimed:  # those run beside each other
            self.children_s += exit.wall_s
        return read_worker_result(result, exit, log, self.settings), exit.wall_s


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
