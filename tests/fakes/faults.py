"""Stacks in numpy: an honest eager one, an honest compiler, and one class per planted fault.

`plant` in conftest.py writes the leaf file that makes a class a stack: STACK = faults.NAME().
"""

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import (
    Batch,
    Compiled,
    CompilePhase,
    Diagnostics,
    GraphBreak,
    Kind,
    Model,
    Setup,
    Stack,
    Step,
    Unsupported,
    Weights,
)

STEP_S = 0.001


STAYS = f"import time; time.sleep(98765)  # {os.environ.get('FAKES_OF')}"  # so that one run of tests finds its own alone


def spend(seconds: float) -> None:
    """Busy, as a computation would be: sleeping is at the scheduler's mercy."""
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

    def build(self, model: Model, weights: Weights, setup: Setup) -> Program:
        return Program(weights["w"].astype(setup.precision), setup.precision)

    def place(self, program: Program, batch: Batch) -> Any:
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
    """Honest, and takes 50 ms to compile."""

    def compile(self, program: Program) -> Step:
        spend(0.05)
        return super().compile(program)

    def compilations(self, program: Program) -> int:
        return program.compiled

    def account(self, program: Program) -> Diagnostics:
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
    """Does nothing at all, at the cost of one call: what the instrument itself costs a step."""

    def compile(self, program: Program) -> Step:
        empty = np.zeros((4, 3), np.float32)
        return lambda x: empty


class Asynchronous(Compiler):
    """Returns a promise, and forgets to wait for it."""

    def forward(self, x: Any) -> Any:
        result: dict[str, Any] = {}
        thread = threading.Thread(target=lambda: (time.sleep(0.02), result.update(output=x @ self.program.w)))
        thread.start()
        return thread, result

    def fetch(self, output: Any) -> Any:
        output[0].join()
        return output[1]


class AsynchronousHonest(Asynchronous):
    """Returns a promise, and waits for it in synchronize."""

    def synchronize(self, output: Any) -> None:
        output[0].join()


class Lazy(Compiler):
    """Computes when asked for the result, each time anew."""

    def forward(self, x: Any) -> Any:
        return lambda: Compiler.forward(self, x)

    def fetch(self, output: Any) -> Any:
        return {"output": output()}


class WrongOutput(Compiler):
    def forward(self, x: Any) -> Any:
        return super().forward(x) * np.float32(1.001)


class WrongShape(Compiler):
    def forward(self, x: Any) -> Any:
        return super().forward(x)[:1]


class NotANumber(Compiler):
    def forward(self, x: Any) -> Any:
        return super().forward(x) * np.float32("nan")


class WrongOnSecondBatch(Compiler):
    """Bakes in what it saw first: right on the batch that it was compiled for."""

    def forward(self, x: Any) -> Any:
        self.first = getattr(self, "first", x)
        return super().forward(x) if x is self.first else super().forward(x) + np.float32(0.1)


class WrongOnUnseen(Compiler):
    """Right on both batches that it is timed with, wrong on any other."""

    def forward(self, x: Any) -> Any:
        right = super().forward(x)
        self.seen = getattr(self, "seen", [])
        if len(self.seen) < 2 and not any(x is s for s in self.seen):
            self.seen.append(x)
        return right if any(x is s for s in self.seen) else right + np.float32(0.1)


class CachesFirst(Compiler):
    """Computes once and answers the same for ever."""

    def forward(self, x: Any) -> Any:
        if not self.program.kept:
            self.program.kept.append(super().forward(x))
        return self.program.kept[0]


class CachesByContent(Compiler):
    """Remembers the right answer for every input that it has seen."""

    def forward(self, x: Any) -> Any:
        memory = self.__dict__.setdefault("memory", {})
        key = x.tobytes()
        if key not in memory:
            memory[key] = super().forward(x)
        return memory[key]


class CachesTinyWork(Compiler):
    """Remembers what would have taken 80 µs: the step is then as short as a look-up."""

    def forward(self, x: Any) -> Any:
        memory = self.__dict__.setdefault("memory", {})
        key = x.tobytes()
        if key not in memory:
            spend(80e-6)
            memory[key] = x @ self.program.w
        return memory[key]


class LazyTinyWork(Compiler):
    """Does its 80 µs of work when asked for the result."""

    def forward(self, x: Any) -> Any:
        return x

    def fetch(self, output: Any) -> Any:
        spend(80e-6)
        return {"output": output @ self.program.w}


class CompilesForValues(Compiler):
    """Compiles a constant for every input that it meets."""

    def forward(self, x: Any) -> Any:
        memory = self.__dict__.setdefault("memory", {})
        key = x.tobytes()
        if key not in memory:
            self.program.compiled += 1
            memory[key] = super().forward(x)
        return memory[key]


class CountsNoCompilations(Compiler):
    def compilations(self, program: Program) -> int:
        return 0


class ReusesItsBuffer(Compiler):
    """Honest, as CUDA graphs are: the output is valid until the next step."""

    def forward(self, x: Any) -> Any:
        self.buffer = getattr(self, "buffer", np.empty((x.shape[0], self.program.w.shape[1]), x.dtype))
        spend(STEP_S)
        return np.matmul(x, self.program.w, out=self.buffer)


class StallsNowAndThen(Compiler):
    """Every 20th step burns 80 ms of its own: the median does not see it."""

    def forward(self, x: Any) -> Any:
        spend(0.08 if self.program.steps % 20 == 0 else STEP_S)
        return x @ self.program.w


class SlowAndSlower(Compiler):
    """Steps so long that few are timed, each a tenth longer than the last."""

    def forward(self, x: Any) -> Any:
        spend(0.15 * 1.1**self.program.steps)
        return x @ self.program.w


class TakesAllCores(Compiler):
    def build(self, model: Model, weights: Weights, setup: Setup) -> Program:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        return super().build(model, weights, setup)


class StartsThreads(Compiler):
    def read_threads(self) -> dict[str, int]:
        return {"intra_op": 16}


class ReturnsNumpyCounts(Compiler):
    """Honest, with a counter that json does not know."""

    def compilations(self, program: Program) -> Any:
        return np.int64(program.compiled)


class LeavesADaemon(Compiler):
    """A child without our mark, in our process group."""

    def compile(self, program: Program) -> Step:
        subprocess.Popen([sys.executable, "-c", STAYS], env={})
        return super().compile(program)


class KillsItselfOddly(Compiler):
    def forward(self, x: Any) -> Any:
        os.kill(os.getpid(), 40)


class RecompilesWhileTimed(Compiler):
    def forward(self, x: Any) -> Any:
        if not gc.isenabled() and self.program.steps % 20 == 0:  # the instrument switches collections off for the timing
            self.program.compiled += 1
        return super().forward(x)


class WarmsUpFor60Steps(Compiler):
    """A plateau long enough that any online rule takes it for the steady state."""

    def forward(self, x: Any) -> Any:
        spend(0.02 if self.program.steps <= 61 else 0.01)
        return x @ self.program.w


class NeverSettles(Compiler):
    def forward(self, x: Any) -> Any:
        spend(STEP_S * (1 + self.program.steps / 10))
        return x @ self.program.w


class Leaks(Compiler):
    def forward(self, x: Any) -> Any:
        self.program.kept.append(np.ones(2**16))  # 512 KiB, touched
        return super().forward(x)


class SleepsInBuild(Compiler):
    def build(self, model: Model, weights: Weights, setup: Setup) -> Program:
        time.sleep(0.7)
        return super().build(model, weights, setup)


class HitsACache(Compiler):
    """Keeps compiled code where no private folder can hide it, but counts its hits honestly."""

    def account(self, program: Program) -> Diagnostics:
        return Diagnostics(graphs=1, recompiles=0, cache_hits=1)


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

    def account(self, program: Program) -> Diagnostics:
        return Diagnostics(graphs=1, recompiles=0, cache_hits=self.hits)


class Segfaults(Compiler):
    def forward(self, x: Any) -> Any:
        ctypes.string_at(0)


class ExitsEarly(Compiler):
    def compile(self, program: Program) -> Step:
        os._exit(3)


class Hangs(Compiler):
    def forward(self, x: Any) -> Any:
        time.sleep(3600)


class HangsIfTold(Compiler):
    def forward(self, x: Any) -> Any:
        if os.environ.get("HANG"):
            time.sleep(3600)
        return super().forward(x)


class HangsStubbornly(Compiler):
    """Ignores SIGTERM, and has children: one in its session, one that has left it."""

    def forward(self, x: Any) -> Any:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for leaves in (False, True):
            subprocess.Popen([sys.executable, "-c", STAYS], start_new_session=leaves)
        time.sleep(3600)


class PrintsGarbage(Compiler):
    def forward(self, x: Any) -> Any:
        if self.program.steps < 50:
            print('{"measurement": null}', "\0\xff" * 50)
            os.write(1, b"\xff\xfe\n{")
            os.write(2, b"\xff\xfe\n}")
        return super().forward(x)


class EatsMemory(Compiler):
    def forward(self, x: Any) -> Any:
        while True:
            self.program.kept.append(np.ones(2**22))  # 32 MiB, touched
            time.sleep(0.01)


class HoldsMemory(Compiler):
    """256 MiB, for as long as it lives."""

    def compile(self, program: Program) -> Step:
        program.kept.append(np.ones(2**25))
        return super().compile(program)


class RaisesMemoryError(Compiler):
    def compile(self, program: Program) -> Step:
        raise MemoryError("no 17 GiB here")


class KilledByKernel(Compiler):
    """SIGKILL from somebody else: the kernel's way, and not only its."""

    def forward(self, x: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class RaisesInBuild(Compiler):
    def build(self, model: Model, weights: Weights, setup: Setup) -> Program:
        if setup.precision == "float32":
            raise RuntimeError("planted in build")
        return super().build(model, weights, setup)


class RaisesInCompile(Compiler):
    def compile(self, program: Program) -> Step:
        raise RuntimeError("planted in compile")


class RaisesInFirstStep(Compiler):
    def forward(self, x: Any) -> Any:
        raise RuntimeError("planted in first step")


class RaisesInWarmUp(Compiler):
    def forward(self, x: Any) -> Any:
        if self.program.steps == 5:
            raise RuntimeError("planted in warm-up")
        return super().forward(x)


class RaisesInTiming(Compiler):
    def forward(self, x: Any) -> Any:
        if not gc.isenabled():
            raise RuntimeError("planted in timing")
        return super().forward(x)


class RaisesInFetch(Compiler):
    def fetch(self, output: Any) -> Any:
        raise RuntimeError("planted in fetch")


class RaisesInDiagnose(Compiler):
    def account(self, program: Program) -> Diagnostics:
        raise RuntimeError("planted in diagnose")


class ExitsWithSystemExit(Compiler):
    def compile(self, program: Program) -> Step:
        sys.exit(0)


class Diagnosed(Compiler):
    """Breaks once, says so in both children, and prints on every call."""

    breaks = 1

    def forward(self, x: Any) -> Any:
        print("step")
        return super().forward(x)

    def account(self, program: Program) -> Diagnostics:
        return Diagnostics(graphs=1, counted={Kind.GRAPH_BREAK: 1}, cache_hits=0)

    def phases(self, program: Program) -> tuple[CompilePhase, ...]:
        return (CompilePhase(name="spinning", seconds=0.05),)

    def watch(self, folder: Path) -> None:
        (folder / "graph.txt").write_text("x @ w")

    def bare(self, program: Program) -> Step:
        return self.step

    def diagnose(self, program: Program, step: Step, batch: Any) -> Diagnostics:
        assert program.steps >= 12  # it has seen the warm-up and both unseen batches
        found = GraphBreak(kind=Kind.GRAPH_BREAK, reason="planted", where="tests/fakes/faults.py:1", count=self.breaks)
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
    def watch(self, folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class HangsInDiagnosis(Diagnosed):
    def watch(self, folder: Path) -> None:
        time.sleep(98765)


class Refuses(Diagnosed):
    """Cannot compile the model, and knows where."""

    def compile(self, program: Program) -> Step:
        raise KeyError("planted")

    def refusal(self, error: Exception) -> Exception:
        return Unsupported("no such thing")

    def refused(self, program: Program, error: Exception) -> tuple[GraphBreak, ...]:
        return (GraphBreak(kind=Kind.TRACE_ERROR, reason="planted", where="tests/fakes/toy.py:1"),)


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

    def bare(self, program: Program) -> Step:
        return lambda x: x @ program.w
