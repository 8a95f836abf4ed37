"""Correct stacks in numpy: an eager one, a compiler, and unusual ones that are correct, too.

They are the bases of the planted faults: `plant` in conftest.py writes the file that makes a class of these modules a stack.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import Batch, BuildConfig, Diagnostics, Model, Stack, Step, Weights

STEP_S = 0.001


def spend(seconds: float) -> None:
    """Keep the CPU busy, as a computation does; how long a sleep takes depends on the scheduler."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


@dataclass
class Program:
    w: np.ndarray[Any, Any]
    precision: str
    steps: int = 0
    compiled: int = 1
    kept: list[Any] = field(default_factory=list)


class Eager(Stack[Program]):
    """x @ w in a millisecond."""

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> Program:
        return Program(weights["w"].astype(config.precision), config.precision)

    def to_device(self, program: Program, batch: Batch) -> Any:
        return batch.inputs[0].astype(program.precision)

    def compile(self, program: Program) -> Step:
        self.program = program
        return self.step

    def step(self, x: Any) -> Any:
        self.program.steps += 1
        return self.forward(x)

    def forward(self, x: Any) -> Any:
        spend(STEP_S)
        return x @ self.program.w

    def synchronize(self, output: Any) -> None:
        pass

    def fetch(self, output: Any) -> Any:
        return {"output": output}


class Compiler(Eager):
    """Correct, and takes 50 ms to compile."""

    def compile(self, program: Program) -> Step:
        spend(0.05)
        return super().compile(program)

    def compilations(self, program: Program) -> int:
        return program.compiled

    def counters(self, program: Program) -> Diagnostics:
        return Diagnostics(graphs=1, recompiles=0, cache_hits=0)


class Knob(Compiler):
    """As slow as a variable says: an arm of an A/B comparison."""

    def forward(self, x: Any) -> Any:
        spend(STEP_S * float(os.environ.get("KNOB_STEP", "1")))
        return x @ self.program.w

    def compile(self, program: Program) -> Step:
        if os.environ.get("KNOB_DIES"):
            os.abort()
        if os.environ.get("KNOB_HANGS") == "1":
            time.sleep(98765)
        return super().compile(program)


class NoOp(Compiler):
    """Does nothing, at the cost of one call: the overhead of measuring a step."""

    def compile(self, program: Program) -> Step:
        empty = np.zeros((4, 3), np.float32)
        return lambda x: empty


class ReusesItsBuffer(Compiler):
    """Correct, as CUDA graphs are: the output is valid until the next step."""

    def forward(self, x: Any) -> Any:
        self.buffer = getattr(self, "buffer", np.empty((x.shape[0], self.program.w.shape[1]), x.dtype))
        spend(STEP_S)
        return np.matmul(x, self.program.w, out=self.buffer)


class ReturnsNumpyCounts(Compiler):
    """Correct, with a counter of a type that json does not know."""

    def compilations(self, program: Program) -> Any:
        return np.int64(program.compiled)


class WarmsUpFor60Steps(Compiler):
    """A plateau so long that any online rule takes it for the steady state."""

    def forward(self, x: Any) -> Any:
        spend(0.02 if self.program.steps <= 61 else 0.01)
        return x @ self.program.w


class SleepsInBuild(Compiler):
    def build(self, model: Model, weights: Weights, config: BuildConfig) -> Program:
        time.sleep(0.7)
        return super().build(model, weights, config)


class HoldsMemory(Compiler):
    """256 MiB, for as long as it lives."""

    def compile(self, program: Program) -> Step:
        program.kept.append(np.ones(2**25))
        return super().compile(program)


class CachesOnDisk(Compiler):
    """A disk cache in the private folder: slow when cold, quick when warm."""

    def compile(self, program: Program) -> Step:
        entry = Path(os.environ["XDG_CACHE_HOME"], "compiled")
        self.hits = int(entry.exists())
        if not entry.exists():
            spend(0.3)
            entry.parent.mkdir(parents=True)
            entry.write_text("compiled")
        return Eager.compile(self, program)

    def counters(self, program: Program) -> Diagnostics:
        return Diagnostics(graphs=1, recompiles=0, cache_hits=self.hits)


class CachesAndHangsIfTold(CachesOnDisk):
    """Hangs where it finds its cache, if a variable says so: in the second group of a run."""

    def forward(self, x: Any) -> Any:
        if self.hits and os.environ.get("HANG"):
            time.sleep(3600)
        return super().forward(x)
