"""Which stacks can run here, and how can the others be installed? Found without importing a framework.

An installed framework may still fail to import: the first cell of a run finds that out, in a child.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bakeoff.authoring.discovery import ROOT, StackSource
from bakeoff.authoring.errors import UsageError, install
from bakeoff.authoring.header import syntax_of
from bakeoff.machine import installed as installed_here

ASKING_S = 20.0  # time limit for an interpreter, which may be on a slow disk


@dataclass(frozen=True, slots=True)
class Machine:
    """What stacks may need of the machine. `interpreters`: framework → path of its Python, if it is not this one."""

    installed: Mapping[str, Mapping[str, str | None]]  # interpreter → module → version
    compiler: str | None  # path of the C++ compiler that Inductor would use
    gpu: bool
    cpus: int
    interpreters: Mapping[str, str]

    def version(self, module: str, framework: str) -> str | None:
        """The version of a module in the interpreter that runs the children of `framework`; None if it is not installed."""
        return self.installed.get(self.interpreters.get(framework, sys.executable), {}).get(module)


@dataclass(frozen=True, slots=True)
class Availability:
    """Can a stack run here? `missing`: what it lacks and how to get it, one line each; empty if the stack is available.

    `versions`: module → version of what is installed for it.
    """

    stack: StackSource
    versions: Mapping[str, str]
    missing: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        return not self.missing

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return "; ".join(self.missing) if self.missing else f"available ({versions})"


def availabilities(stacks: Sequence[StackSource], machine: Machine, threads: int = 1) -> list[Availability]:
    """The availability of each stack with so many threads, in the same order. Reads only the files of the stacks."""
    return [_availability(stack, {s.name: s for s in stacks}, machine, threads) for stack in stacks]


def lacks_cpus(stack: StackSource, threads: int, cpus: int) -> str:
    """Why there are too few CPUs for the workers of a stack; empty if there are enough, or it has no workers."""
    wanted = threads * (stack.workers or 1)
    if not stack.workers or wanted <= cpus:
        return ""
    advice = f"use --threads {cpus // stack.workers}" if cpus >= stack.workers else "use a machine with more"
    return f"needs {wanted} CPUs, --threads of them for each worker, and there are {cpus}: {advice}"


def this_machine(stacks: Sequence[StackSource], interpreters: Mapping[str, str]) -> Machine:
    """Examine this machine. Each other interpreter is asked in one process. Raises UsageError if one does not answer."""
    asked: dict[str, set[str]] = {}
    of = {s.name: s.framework for s in stacks}
    for stack in stacks:
        asked.setdefault(interpreters.get(stack.framework, sys.executable), set()).add(_top(stack.framework))
        exporter = of.get(stack.exported_by or "", stack.framework)
        asked.setdefault(interpreters.get(exporter, sys.executable), set()).update(_needs(stack))
    return Machine(
        installed={path: installed(path, names) for path, names in asked.items()},
        compiler=compiler(),
        gpu=any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")),
        cpus=len(os.sched_getaffinity(0)),
        interpreters=interpreters,
    )


def installed(interpreter: str, modules: Iterable[str]) -> dict[str, str | None]:
    """Module → its version in an interpreter; None: not installed. Raises UsageError if the interpreter does not answer."""
    wanted = sorted(modules)
    if interpreter == sys.executable:
        return {name: installed_here.version(name) for name in wanted}
    ask = [interpreter, "-c", Path(installed_here.__file__).read_text(encoding="utf-8"), *wanted]
    try:  # in the root folder: modules in the current folder are not installed ones
        ran = subprocess.run(ask, capture_output=True, text=True, timeout=ASKING_S, check=True, cwd="/")
        answer = json.loads(ran.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        reason = lines[-1] if lines else "no output"
        raise UsageError(f"--interpreter: {interpreter} does not list its modules: {reason}") from None
    return {name: answer.get(name) for name in wanted}


def compiler() -> str | None:
    """Path of the C++ compiler that Inductor would use: CXX, or g++ (torch._inductor.config.cpp.cxx). None if there is none."""
    return shutil.which(os.environ.get("CXX") or "g++")


def _availability(stack: StackSource, by_name: Mapping[str, StackSource], machine: Machine, threads: int) -> Availability:
    if stack.problem:
        return Availability(stack, {}, (stack.problem,))
    exporter = by_name.get(stack.exported_by or "", stack)
    found: dict[str, str] = {}
    missing: dict[str, None] = {}  # in order, each once
    for module, owner in (
        (_top(stack.framework), stack),
        (_top(exporter.framework), exporter),
        *((name, exporter) for name in sorted(_needs(stack))),
    ):
        version = machine.version(module, owner.framework)
        if version is not None:
            found[module] = version
        else:  # modules that write a deployment format are in the format's extra, but in the exporter's interpreter
            extra = owner.extra if module == _top(owner.framework) else stack.extra
            missing[_install(module, stack, extra, machine.interpreters.get(owner.framework))] = None
    if stack.one_time_cost is not None and machine.compiler is None:
        named = os.environ.get("CXX")
        missing[
            f"CXX names {named}, which does not exist: name a C++ compiler, or unset it"
            if named
            else "needs a C++ compiler: apt-get install g++, or name one in CXX"
        ] = None
    if "cuda" in stack.devices and "cpu" not in stack.devices and not machine.gpu:
        missing["needs a GPU" + ("; without one: --target cuda:sm_90 compiles only" if "cuda" in stack.targets else "")] = None
    if few := lacks_cpus(stack, threads, machine.cpus):
        missing[few] = None
    return Availability(stack, found, tuple(missing))


def _install(module: str, stack: StackSource, extra: str, interpreter: str | None) -> str:
    """The line that says how to install a module into the interpreter that lacks it."""
    if interpreter is None and stack.path.is_relative_to(ROOT / "compilers"):
        return install(module, extra)
    pip = "pip" if interpreter is None else f"{interpreter} -m pip"
    return f"{module} is not installed: {pip} install {module.replace('_', '-')}"


def _top(module: str) -> str:
    """The top-level package: looking for a module in a package would import the package."""
    return module.partition(".")[0]


def _needs(stack: StackSource) -> set[str]:
    """Further packages that a stack's file asks for by need("…"), beside its framework."""
    try:
        tree = syntax_of(stack.path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):  # measuring the stack reports the error
        return set()
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "need"]
    words = [call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)]
    return {_top(word) for word in words if isinstance(word, str)} - {_top(stack.framework)}
