"""Which stacks can run here, and how are the others to be had? Asked of interpreters without importing a framework.

That something is installed does not say that it works: the first cell of a run finds that out, in a child.
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
from bakeoff.machine import installed as asking

ASKING_S = 20.0  # an interpreter on a slow disk has that long to answer


@dataclass(frozen=True, slots=True)
class Machine:
    """What stacks may need of it. `interpreters`: those that are not our own, by framework."""

    installed: Mapping[str, Mapping[str, str | None]]  # interpreter → module → version
    compiler: str | None  # the C++ compiler that Inductor would take
    gpu: bool
    cpus: int
    interpreters: Mapping[str, str]

    def version(self, module: str, framework: str) -> str | None:
        """Of a module, in the interpreter that runs `framework`'s children."""
        return self.installed.get(self.interpreters.get(framework, sys.executable), {}).get(module)


@dataclass(frozen=True, slots=True)
class Stand:
    """How one stack stands here. `lacks`: what is missing and how to get it, a line each; none: it is available."""

    stack: StackSource
    versions: Mapping[str, str]
    lacks: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        return not self.lacks

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return "; ".join(self.lacks) if self.lacks else f"available ({versions})"


def stands(stacks: Sequence[StackSource], machine: Machine) -> list[Stand]:
    """Of each stack, in their order. Pure but for the stacks' files."""
    return [_stand(stack, {s.name: s for s in stacks}, machine) for stack in stacks]


def here(stacks: Sequence[StackSource], interpreters: Mapping[str, str]) -> Machine:
    """Ask: each other interpreter by one process, this one directly."""
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
    """Module → version of what an interpreter has, None where it has not. UsageError where it does not answer."""
    wanted = sorted(modules)
    if interpreter == sys.executable:
        return {name: asking.version(name) for name in wanted}
    ask = [interpreter, "-c", Path(asking.__file__).read_text(encoding="utf-8"), *wanted]
    try:  # at the root: what lies in the current directory is not installed
        ran = subprocess.run(ask, capture_output=True, text=True, timeout=ASKING_S, check=True, cwd="/")
        answer = json.loads(ran.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise UsageError(f"--interpreter: {interpreter} did not say what it has: {said[-1] if said else 'nothing'}") from None
    return {name: answer.get(name) for name in wanted}


def compiler() -> str | None:
    """The C++ compiler that Inductor would take: CXX, or g++ (torch._inductor.config.cpp.cxx)."""
    return shutil.which(os.environ.get("CXX") or "g++")


def _stand(stack: StackSource, by_name: Mapping[str, StackSource], machine: Machine) -> Stand:
    if stack.problem:
        return Stand(stack, {}, (stack.problem,))
    exporter = by_name.get(stack.exported_by or "", stack)
    found: dict[str, str] = {}
    lacks: dict[str, None] = {}  # in order, each once
    for module, owner in (
        (_top(stack.framework), stack),
        (_top(exporter.framework), exporter),
        *((name, exporter) for name in sorted(_needs(stack))),
    ):
        version = machine.version(module, owner.framework)
        if version is not None:
            found[module] = version
        else:  # what it takes to write a format belongs to the format's extra, and into the exporter's interpreter
            extra = owner.extra if module == _top(owner.framework) else stack.extra
            lacks[_install(module, stack, extra, machine.interpreters.get(owner.framework))] = None
    if stack.one_time_cost is not None and machine.compiler is None:
        named = os.environ.get("CXX")
        lacks[
            f"CXX names {named}, which is not there: name a C++ compiler, or unset it"
            if named
            else "needs a C++ compiler: apt-get install g++, or name one in CXX"
        ] = None
    if "cuda" in stack.devices and "cpu" not in stack.devices and not machine.gpu:
        lacks["needs a GPU" + ("; without one: --target cuda:sm_90 compiles only" if "cuda" in stack.targets else "")] = None
    if stack.workers is not None and stack.workers > machine.cpus:
        lacks[f"needs {stack.workers} CPUs, and there are {machine.cpus}: another machine"] = None
    return Stand(stack, found, tuple(lacks))


def _install(module: str, stack: StackSource, extra: str, interpreter: str | None) -> str:
    """The command, for the interpreter that it is missing in."""
    if interpreter is None and stack.path.is_relative_to(ROOT / "compilers"):
        return install(module, extra)
    pip = "pip" if interpreter is None else f"{interpreter} -m pip"
    return f"{module} is not installed: {pip} install {module.replace('_', '-')}"


def _top(module: str) -> str:
    """The package: to look for a module inside of it would import it."""
    return module.partition(".")[0]


def _needs(stack: StackSource) -> set[str]:
    """Further packages that a stack's file asks for by need("…"), beside its framework."""
    try:
        tree = ast.parse(stack.path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):  # measuring it gives the reason
        return set()
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "need"]
    words = [call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)]
    return {_top(word) for word in words if isinstance(word, str)} - {_top(stack.framework)}
