"""Stacks with an untimed diagnosing child, which finds the planted break, another number of breaks, or nothing."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff import Compiled, CompilePhase, Diagnosable, Diagnostics, GraphBreak, Kind, Step, Unsupported
from tests.support.fakes.honest import Compiler, Program, spend


class Diagnosed(Compiler, Diagnosable):
    """Breaks the graph once, reports it in both children, and prints on every call."""

    breaks = 1

    def forward(self, x: Any) -> Any:
        print("step")
        return super().forward(x)

    def counters(self, program: Program) -> Diagnostics:
        return Diagnostics(graphs=1, counted={Kind.GRAPH_BREAK: 1}, cache_hits=0)

    def phases(self, program: Program) -> tuple[CompilePhase, ...]:
        return (CompilePhase(name="spinning", seconds=0.05),)

    def enable_collectors(self, folder: Path) -> None:
        (folder / "graph.txt").write_text("x @ w")

    def step_without_compiler(self, program: Program) -> Step:
        return self.step

    def diagnose(self, program: Program, step: Step, batch: Any) -> Diagnostics:
        assert program.steps >= 12  # it has run the warm-up and both held-out batches
        found = GraphBreak(
            kind=Kind.GRAPH_BREAK, reason="planted", where="tests/support/fakes/diagnosed.py:1", count=self.breaks
        )
        return Diagnostics(graphs=1, breaks=(found,) * bool(self.breaks))


class CountsAnotherBreak(Diagnosed):
    """Finds two breaks with collectors on, where the timed child counted one."""

    breaks = 2


class CountsKernels(Diagnosed):
    """Compiles to as many kernels as a variable says: an arm of an A/B comparison."""

    def diagnose(self, program: Program, step: Step, batch: Any) -> Diagnostics:
        found = super().diagnose(program, step, batch)
        return replace(found, compiled=Compiled(kernels=int(os.environ.get("KNOB_KERNELS", "3"))))


class DiesInDiagnosis(Diagnosed):
    def enable_collectors(self, folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class HangsInDiagnosis(Diagnosed):
    def enable_collectors(self, folder: Path) -> None:
        time.sleep(98765)


class Refuses(Diagnosed):
    """Refuses the model, and gives the place."""

    def compile(self, program: Program) -> Step:
        raise KeyError("planted")

    def refusal(self, error: Exception) -> Exception:
        return Unsupported("no such thing")

    def locate_refusal(self, program: Program, error: Exception) -> tuple[GraphBreak, ...]:
        return (GraphBreak(kind=Kind.TRACE_ERROR, reason="planted", where="tests/support/fakes/toy.py:1"),)


class CompilesPerShape(Diagnosed):
    """Compiles each batch size once, in 50 ms, and is wrong for 16."""

    def compile(self, program: Program) -> Step:
        self.program, self.seen = program, set()
        program.compiled = 0
        return self.step

    def forward(self, x: Any) -> Any:
        if len(x) not in self.seen:
            self.seen.add(len(x))
            self.program.compiled += 1
            spend(0.05)
        return (1 + (len(x) == 16)) * (x @ self.program.w)

    def step_without_compiler(self, program: Program) -> Step:
        return lambda x: x @ program.w
