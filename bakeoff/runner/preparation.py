"""What is prepared once per run, for all cells? Availability of frameworks and stacks, float64 references, one-time costs."""

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from bakeoff.authoring.discovery import ROOT, Source, StackSource
from bakeoff.machine.available import lacks_cpus
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.compile_only import TARGETS, family
from bakeoff.records.trial import Failure, OneTimeCost, Phase, Status
from bakeoff.runner import store
from bakeoff.runner.launch import Launcher, now
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.store import RunFolder
from bakeoff.system.environment import cpu_model
from bakeoff.system.pages import can_populate
from bakeoff.system.sandbox import Sandbox, listing


class Preparation:
    """The preparations of one run, or of one arm of `ab`. Each is made when it is first needed, and kept."""

    def __init__(self, plan: Plan, launcher: Launcher, folder: RunFolder, machine: Path, note: Callable[[str], None]) -> None:
        self.plan = plan
        self.launcher = launcher
        self.one_time_costs: list[OneTimeCost] = []
        self._seeds: dict[str, Path] = {}
        self._not_paid: dict[str, Failure] = {}
        self._folder, self._machine, self._note = folder, machine, note
        self._baselines: dict[str, tuple[int | None, Failure | None]] = {}
        self._references: dict[str, Path | None] = {}
        self._fork_servers: set[tuple[str, int]] = set()

    def seed(self, stack: StackSource) -> Path | None:
        """The folder with the files of the stack's one-time cost; new sandboxes start with a copy. None if there is none."""
        return self._seeds.get(stack.one_time_cost) if stack.one_time_cost else None

    def baseline(self, stack: StackSource) -> tuple[int | None, Failure | None]:
        """(peak bytes of a child that only imports the framework, the reason why the framework cannot be imported)."""
        if stack.framework not in self._baselines:
            self._note(f"{stack.framework}: memory and availability")
            ended = self.launcher.import_framework(_planned_import(stack))
            unavailable = ended.failure if ended.failure and ended.failure.status is Status.UNAVAILABLE else None
            self._baselines[stack.framework] = (ended.result or {}).get("peak_bytes"), unavailable
        return self._baselines[stack.framework]

    def forks(self, stack: StackSource) -> bool:
        """May a timed child of this stack be forked? A user's file may set variables that its framework reads when imported."""
        settings = self.plan.settings
        own = stack.path.is_relative_to(ROOT / "compilers")
        return own and stack.workers is None and settings.device == "cpu" and not settings.target and can_populate()

    def start_fork_server(self, stack: StackSource, number: int) -> None:
        """Have a process that has imported the stack's framework, from which timed children of group `number` are forked."""
        if not self.forks(stack) or self.baseline(stack)[1] is not None or (stack.framework, number) in self._fork_servers:
            return
        self._fork_servers.add((stack.framework, number))
        if number:  # else `baseline` has started it
            self._note(f"{stack.framework}: import for group {number + 1}")
            self.launcher.import_framework(_planned_import(stack), number)

    def refused(self, stack: StackSource) -> Failure | None:
        """Why this stack cannot run here: framework, target, device or CPUs. None if it can."""
        unavailable = self.baseline(stack)[1]
        settings = self.plan.settings
        if unavailable is not None:
            return unavailable
        if settings.target and family(settings.target) not in stack.targets:
            known = "its file names no targets" if not stack.targets else f"it compiles for {' and '.join(stack.targets)}"
            message = f"{stack.name} does not compile for {settings.target} on a machine without it ({known})"
            return not_started(Status.UNSUPPORTED, message)
        if not settings.target and stack.devices and settings.device not in stack.devices:
            hint = f"; --target {' or '.join(TARGETS)} needs none" if stack.targets else ""
            message = (
                f"{stack.name} runs on {' and '.join(stack.devices)}, and this run is on {settings.device} (--device){hint}"
            )
            return not_started(Status.UNAVAILABLE, message)
        if few := lacks_cpus(stack, settings.threads, len(os.sched_getaffinity(0))):
            return not_started(Status.UNAVAILABLE, f"{stack.name} {few}")
        return None

    def reference(self, model: Source, mode: Mode, framework: str) -> Path | None:
        """The .npz file with the float64 outputs of a model, computed once per run; None if no eager stack can compute them.

        The first eager stack that succeeds computes them: built-in ones first, among these the selected ones, and then those of
        the selected stacks' frameworks, so that a run of one framework does not import the other one. In training
        each framework has its own reference, since its stacks are compared with that framework's rounding; this reference is
        itself compared with the first framework's.
        """
        # built-in ones first: a user's own baseline may be wrong
        selected = sorted(self.plan.stacks, key=lambda s: not s.path.is_relative_to(ROOT / "compilers"))
        chosen = {stack.framework for stack in selected}
        others = sorted(self.plan.all_stacks, key=lambda s: s.framework not in chosen)
        candidates = [s for s in dict.fromkeys((*selected, *others)) if s.eager]
        frameworks = dict.fromkeys(s.framework for s in candidates)
        by_framework = {name: [s for s in candidates if s.framework == name] for name in frameworks}
        if mode is Mode.INFERENCE or framework not in by_framework:
            return self._kept_reference(model, mode, candidates, f"{model.name}-{mode}")
        first = None
        for name in takewhile(lambda name: name != framework, by_framework):
            first = first or self._kept_reference(model, mode, by_framework[name], f"{model.name}-{mode}-{name}")
        return self._kept_reference(model, mode, by_framework[framework], f"{model.name}-{mode}-{framework}", first)

    def _kept_reference(
        self, model: Source, mode: Mode, candidates: list[StackSource], name: str, other: Path | None = None
    ) -> Path | None:
        if name not in self._references:
            path: Path | None = self._folder.references / f"{name}.npz"
            if path is not None and not path.exists():
                self._note(f"{model.name}: float64 reference")
                path = self._computed_reference(model, mode, candidates, path, other)
            self._references[name] = path
        return self._references[name]

    def _computed_reference(
        self, model: Source, mode: Mode, candidates: list[StackSource], path: Path, other: Path | None
    ) -> Path | None:
        reason = "there is no eager stack"
        for stack in candidates:
            if self.baseline(stack)[1] is not None:
                continue
            planned = PlannedCell(Cell(model.name, stack.name, mode), model, stack)
            with self.launcher.sandbox() as sandbox:
                ended = self.launcher.run(
                    "bakeoff.worker.reference",
                    type(None),
                    planned,
                    sandbox,
                    name=f"{planned.cell}-reference",
                    settings=replace(self.plan.settings, target=""),
                    reference=path,
                    fork_server=0,
                    options={} if other is None else {"other": str(other)},
                )
            if ended.failure is None:
                return path
            reason = f"{stack.name}: {ended.failure.message}"
        self._note(f"{model.name} has no float64 reference ({reason})")
        return None

    def pay_one_time_cost(self, stack: StackSource) -> Failure | None:
        """Pay the stack's one-time cost if this machine has not paid it yet. Either way the run records it.

        Returns why the stack is unavailable, if paying found that out: a compiler may be missing. It is tried once.
        """
        name = stack.one_time_cost
        if name is None or name in self._seeds or self.baseline(stack)[1] is not None:
            return None
        if name not in self._not_paid:
            self._pay_or_copy(stack, name)
        failure = self._not_paid.get(name)
        return failure if failure is not None and failure.status is Status.UNAVAILABLE else None

    def _pay_or_copy(self, stack: StackSource, name: str) -> None:
        interpreter = self.plan.interpreters.get(stack.framework, sys.executable)
        settings = self.plan.settings
        home = one_time_cost_home(self._machine, stack, interpreter, family(settings.target) or settings.device)
        record = store.one_time_cost(home)
        if record is None:
            self._note(f"{name}: one-time cost of this machine")
            making = self._folder.scratch / home.name  # renamed when complete: another session may make it, too
            record = self._pay(stack, making)
            if record.failure is None:
                store.write(making / store.ONE_TIME_COST, record)
                if store.one_time_cost(home) is None:  # else another session was first: keep its files
                    shutil.rmtree(home, ignore_errors=True)
                    with contextlib.suppress(OSError):
                        making.rename(home)
        self.one_time_costs.append(record)
        if record.failure is None:
            self._seeds[name] = home
        else:
            self._not_paid[name] = record.failure

    def _pay(self, stack: StackSource, seed: Path) -> OneTimeCost:
        """Pay it, and leave its files in the folder `seed`."""
        sandbox = Sandbox(seed)
        sandbox.make()
        planned = PlannedCell(Cell("one_time_cost", stack.one_time_cost or stack.name, Mode.INFERENCE), stack, stack)
        ended = self.launcher.run(
            "bakeoff.worker.one_time_cost", dict[str, float], planned, sandbox, name=f"{stack.one_time_cost}-one-time-cost"
        )
        files = listing(seed, ("compiler", "tmp"))
        return OneTimeCost(
            stack=stack.name,
            wall_s=(ended.result or {}).get("wall_s", ended.wall_s),
            files=len(files),
            bytes=sum(files.values()),
            measured_at=now(),
            failure=ended.failure,
        )


def machine_key(interpreter: str, framework: str) -> str:
    """A hash of everything that a precompiled header depends on: interpreter, framework, C++ compiler, processor."""
    ask = f"import importlib.metadata as m; print(m.version({framework!r}))"
    parts = [interpreter, platform.machine(), cpu_model()]
    for command in ([interpreter, "-c", ask], [os.environ.get("CXX", "g++"), "--version"]):
        try:
            parts.append(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout)
        except (OSError, subprocess.TimeoutExpired):
            parts.append("none")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def one_time_cost_home(machine: Path, stack: StackSource, interpreter: str, built_for: str = "cpu") -> Path:
    """The folder of the files of a stack's one-time cost. Each device and family of targets has its own."""
    return machine / f"{stack.one_time_cost}-{built_for}-{machine_key(interpreter, stack.framework)}"


def _planned_import(stack: StackSource) -> PlannedCell:
    return PlannedCell(Cell("baseline", stack.framework, Mode.INFERENCE), stack, stack)


def not_started(status: Status, message: str) -> Failure:
    """The failure of a cell whose child is not started."""
    return Failure(status=status, phase=Phase.START, error=status.title(), message=message)
