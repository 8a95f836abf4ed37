"""What a cell needs before its child starts, had once per run: availability, a float64 reference, the machine's toolchain, and
what a deployment format serves.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

from bakeoff.authoring.discovery import ROOT, Source, StackSource, shown
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.compile_only import TARGETS, family
from bakeoff.records.trial import Export, Failure, OneTimeCost, Phase, Status
from bakeoff.runner import store
from bakeoff.runner.launch import Launcher, now
from bakeoff.runner.plan import Plan
from bakeoff.runner.store import RunFolder
from bakeoff.system.environment import cpu_model


class Prepared:
    """The preparations of one run, or of one arm of one."""

    def __init__(self, plan: Plan, launcher: Launcher, folder: RunFolder, machine: Path, note: Callable[[str], None]) -> None:
        self.plan = plan
        self.launcher = launcher
        self.one_time_costs: list[OneTimeCost] = []
        self.seeds: dict[str, Path] = {}
        self._folder, self._machine, self._note = folder, machine, note
        self._baselines: dict[str, tuple[int | None, Failure | None]] = {}
        self._references: dict[str, Path | None] = {}
        self.exports: dict[Cell, Export] = {export.cell: export for export in folder.exports()}
        self._artifacts: dict[Cell, Path] = {}  # made in this session; they go with it

    def seed(self, stack: StackSource) -> Path | None:
        """The toolchain's files that a private cache starts from."""
        return self.seeds.get(stack.one_time_cost) if stack.one_time_cost else None

    def baseline(self, stack: StackSource) -> tuple[int | None, Failure | None]:
        """(peak bytes of a child that only imports the framework, why the framework is not to be had)."""
        if stack.framework not in self._baselines:
            self._note(f"{stack.framework}: memory and availability")
            answer = self.launcher.baseline(stack)
            gone = answer.failure if answer.failure and answer.failure.status is Status.UNAVAILABLE else None
            self._baselines[stack.framework] = answer.peak_bytes, gone
        return self._baselines[stack.framework]

    def refused(self, stack: StackSource) -> tuple[int | None, Failure | None]:
        """(as `baseline`, why no child of this stack need be started: framework, target, device or CPUs)."""
        peak_bytes, unavailable = self.baseline(stack)
        settings, cpus = self.plan.settings, len(os.sched_getaffinity(0))
        wanted = settings.threads * (stack.workers or 1)
        if unavailable is not None:
            return peak_bytes, unavailable
        if settings.target and family(settings.target) not in stack.targets:
            there = "names none in its file" if not stack.targets else f"compiles for {' and '.join(stack.targets)}"
            message = f"{stack.name} does not compile for {settings.target} on a machine without it ({there})"
            return peak_bytes, _failure(Status.UNSUPPORTED, "Unsupported", message)
        if not settings.target and stack.devices and settings.device not in stack.devices:
            told = f"; --target {' or '.join(TARGETS)} needs none" if stack.targets else ""
            message = (
                f"{stack.name} runs on {' and '.join(stack.devices)}, and this run is on {settings.device} (--device){told}"
            )
            return peak_bytes, _failure(Status.UNAVAILABLE, "Unavailable", message)
        if stack.workers and wanted > cpus:
            fewer = f"--threads {cpus // stack.workers}" if cpus >= stack.workers else "that takes another machine"
            message = f"{stack.name} takes {wanted} CPUs, as many for each worker as --threads, and there are {cpus}: {fewer}"
            return peak_bytes, _failure(Status.UNAVAILABLE, "Unavailable", message)
        return peak_bytes, None

    def reference(self, model: Source, mode: Mode, framework: str) -> Path | None:
        """What is computed in float64 by the first eager stack that can: those selected first, then any.

        In training by one of the cell's own framework, whose rounding is what its stacks are held to, and compared with the
        first framework's.
        """
        # ours first: what a user's own baseline computes is the user's claim, not the truth
        selected = sorted(self.plan.stacks, key=lambda s: not s.path.is_relative_to(ROOT / "compilers"))
        candidates = [s for s in dict.fromkeys((*selected, *self.plan.all_stacks)) if s.eager]
        of = {name: [s for s in candidates if s.framework == name] for name in dict.fromkeys(s.framework for s in candidates)}
        if mode is Mode.INFERENCE or framework not in of:
            return self._had(model, mode, candidates, f"{model.name}-{mode}")
        truth = None
        for name in takewhile(lambda name: name != framework, of):
            truth = truth or self._had(model, mode, of[name], f"{model.name}-{mode}-{name}")
        return self._had(model, mode, of[framework], f"{model.name}-{mode}-{framework}", truth)

    def _had(
        self, model: Source, mode: Mode, candidates: list[StackSource], name: str, other: Path | None = None
    ) -> Path | None:
        if name not in self._references:
            path: Path | None = self._folder.references / f"{name}.npz"
            if path is not None and not path.exists():
                self._note(f"{model.name}: float64 reference")
                path = self._first_reference(model, mode, candidates, path, other)
            self._references[name] = path
        return self._references[name]

    def _first_reference(
        self, model: Source, mode: Mode, candidates: list[StackSource], path: Path, other: Path | None
    ) -> Path | None:
        said = "no eager stack is there"
        for stack in candidates:
            if self.baseline(stack)[1] is None:
                failure = self.launcher.reference(model, stack, mode, path, other)
                if failure is None:
                    return path
                said = f"{stack.name}: {failure.message}"
        self._note(f"{model.name} has no float64 reference ({said})")
        return None

    def artifact(
        self, cell: Cell, model: Source, stack: StackSource, refused: Failure | None
    ) -> tuple[Path | None, Failure | None]:
        """(the folder that the cell is served from, why there is none). Exported once, however many trials there are.

        `refused` says why the cell has no child at all: then there is nothing to export, and the record says so, too.
        """
        exporter = next((s for s in self.plan.all_stacks if s.name == stack.exported_by), None)
        if exporter is None:
            names = ", ".join(s.name for s in self.plan.all_stacks)
            raise UsageError(
                f"{shown(stack.path)}: HEADER's exported_by is {stack.exported_by!r}, which is no stack; there are: {names}"
            )
        if refused is None and cell.mode is Mode.TRAINING:
            message = f"{stack.name} serves inference: a deployment format holds no training step"
            refused = Failure(status=Status.UNSUPPORTED, phase=Phase.START, error="Unsupported", message=message)
        refused = refused or self.baseline(exporter)[1]
        if cell not in self._artifacts and (refused or cell not in self.exports or self.exports[cell].failure is None):
            self.exports[cell] = (
                self._refused(cell, exporter, refused) if refused else self._exported(cell, model, stack, exporter)
            )
            self._folder.save_export(self.exports[cell])
        failure = self.exports[cell].failure
        return (self._artifacts[cell], None) if failure is None else (None, failure)

    def _exported(self, cell: Cell, model: Source, stack: StackSource, exporter: StackSource) -> Export:
        self._note(f"{cell}: export")
        folder = Path(tempfile.mkdtemp(prefix="artifact-", dir=self._folder.scratch))
        with self.launcher.private(self.seed(stack)) as private:
            export = self.launcher.export(cell, model, stack, exporter, private, folder)
        if export.failure is None:
            self._artifacts[cell] = folder
        return export

    def _refused(self, cell: Cell, exporter: StackSource, failure: Failure) -> Export:
        return Export(
            cell=cell,
            settings=self.plan.settings,
            exporter=exporter.name,
            framework=exporter.framework,
            wall_s=0.0,
            finished_at=now(),
            failure=failure,
        )

    def once_per_machine(self, stack: StackSource) -> None:
        """Pay a stack's toolchain cost if this machine has not paid it; either way it becomes a row of the run."""
        if stack.one_time_cost is None or stack.one_time_cost in self.seeds or self.baseline(stack)[1] is not None:
            return
        interpreter = self.plan.interpreters.get(stack.framework, sys.executable)
        settings = self.plan.settings
        home = one_time_cost_home(self._machine, stack, interpreter, family(settings.target) or settings.device)
        record = store.one_time_cost(home)
        if record is None:
            self._note(f"{stack.one_time_cost}: once-per-machine cost")
            making = self._folder.scratch / home.name  # by rename: another session may be making it, too
            record = self.launcher.one_time_cost(stack, making)
            if record.failure is None:
                store.write(making / "toolchain.json", record)
                if store.one_time_cost(home) is None:  # else the other session was first, and its cells are copying from there
                    shutil.rmtree(home, ignore_errors=True)
                    with contextlib.suppress(OSError):
                        making.rename(home)
        self.one_time_costs.append(record)
        if record.failure is None:
            self.seeds[stack.one_time_cost] = home


def machine_key(interpreter: str, framework: str) -> str:
    """Whatever would make a precompiled header stale: interpreter, framework, C++ compiler, processor."""
    ask = f"import importlib.metadata as m; print(m.version({framework!r}))"
    parts = [interpreter, platform.machine(), cpu_model()]
    for command in ([interpreter, "-c", ask], [os.environ.get("CXX", "g++"), "--version"]):
        try:
            parts.append(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout)
        except (OSError, subprocess.TimeoutExpired):
            parts.append("none")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def one_time_cost_home(machine: Path, stack: StackSource, interpreter: str, built_for: str = "cpu") -> Path:
    """Where the files lie that a stack's once-per-machine cost buys; another device or kind of target needs others."""
    return machine / f"{stack.one_time_cost}-{built_for}-{machine_key(interpreter, stack.framework)}"


def _failure(status: Status, error: str, message: str) -> Failure:
    """Of a child that is not started."""
    return Failure(status=status, phase=Phase.START, error=error, message=message)
