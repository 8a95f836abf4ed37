"""Stacks with invalid results: wrong, cached, asynchronous, unsteady, or counted wrongly."""

import gc
import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from bakeoff import BuildConfig, Diagnostics, Model, Step, Weights
from tests.support.fakes.honest import STEP_S, Compiler, Program, spend


class Asynchronous(Compiler):
    """Returns before the output is computed, and does not wait for it."""

    def forward(self, x: Any) -> Any:
        result: dict[str, Any] = {}
        thread = threading.Thread(target=lambda: (time.sleep(0.02), result.update(output=x @ self.program.w)))
        thread.start()
        return thread, result

    def fetch(self, output: Any) -> Any:
        output[0].join()
        return output[1]


class AsynchronousHonest(Asynchronous):
    """Returns before the output is computed, and waits for it in synchronize."""

    def synchronize(self, output: Any) -> None:
        output[0].join()


class Lazy(Compiler):
    """Computes only in fetch, each time again."""

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
    """Right only on the first batch, for which it was compiled."""

    def forward(self, x: Any) -> Any:
        self.first = getattr(self, "first", x)
        return super().forward(x) if x is self.first else super().forward(x) + np.float32(0.1)


class WrongOnUnseen(Compiler):
    """Right on both timed batches, wrong on any other."""

    def forward(self, x: Any) -> Any:
        right = super().forward(x)
        self.seen = getattr(self, "seen", [])
        if len(self.seen) < 2 and not any(x is s for s in self.seen):
            self.seen.append(x)
        return right if any(x is s for s in self.seen) else right + np.float32(0.1)


class CachesFirst(Compiler):
    """Computes once and always returns that result."""

    def forward(self, x: Any) -> Any:
        if not self.program.kept:
            self.program.kept.append(super().forward(x))
        return self.program.kept[0]


class CachesByContent(Compiler):
    """Caches the right result for every input that it has seen."""

    def forward(self, x: Any) -> Any:
        memory = self.__dict__.setdefault("memory", {})
        key = x.tobytes()
        if key not in memory:
            memory[key] = super().forward(x)
        return memory[key]


class CachesTinyWork(Compiler):
    """Caches a result that takes 80 µs to compute, so that a step is as short as a dictionary lookup."""

    def forward(self, x: Any) -> Any:
        memory = self.__dict__.setdefault("memory", {})
        key = x.tobytes()
        if key not in memory:
            spend(80e-6)
            memory[key] = x @ self.program.w
        return memory[key]


class LazyTinyWork(Compiler):
    """Does its 80 µs of work in fetch."""

    def forward(self, x: Any) -> Any:
        return x

    def fetch(self, output: Any) -> Any:
        spend(80e-6)
        return {"output": output @ self.program.w}


class CompilesForValues(Compiler):
    """Compiles a constant for every new input."""

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


class StallsNowAndThen(Compiler):
    """Every 20th step takes 80 ms, which the median hides."""

    def forward(self, x: Any) -> Any:
        spend(0.08 if self.program.steps % 20 == 0 else STEP_S)
        return x @ self.program.w


class SlowAndSlower(Compiler):
    """Steps so long that few are timed, each a tenth longer than the last."""

    def forward(self, x: Any) -> Any:
        spend(0.15 * 1.1**self.program.steps)
        return x @ self.program.w


class TakesAllCores(Compiler):
    def build(self, model: Model, weights: Weights, config: BuildConfig) -> Program:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        return super().build(model, weights, config)


class StartsThreads(Compiler):
    def read_threads(self) -> dict[str, int]:
        return {"intra_op": 16}


class RecompilesWhileTimed(Compiler):
    def forward(self, x: Any) -> Any:
        if not gc.isenabled() and self.program.steps % 20 == 0:  # garbage collection is off only during timing
            self.program.compiled += 1
        return super().forward(x)


class NeverSettles(Compiler):
    def forward(self, x: Any) -> Any:
        spend(STEP_S * (1 + self.program.steps / 10))
        return x @ self.program.w


class Leaks(Compiler):
    def forward(self, x: Any) -> Any:
        self.program.kept.append(np.ones(2**16))  # 512 KiB, touched
        return super().forward(x)


class HitsACache(Compiler):
    """Keeps compiled code outside the private folders, and counts its cache hits correctly."""

    def counters(self, program: Program) -> Diagnostics:
        return Diagnostics(graphs=1, recompiles=0, cache_hits=1)


class SpinsAfterItsSlice(Compiler):
    """Its pool of threads spins for a while when no step follows, as one of OpenMP does."""

    def compile(self, program: Program) -> Step:
        self.stepped = time.perf_counter()
        threading.Thread(target=self.spin, daemon=True).start()
        return super().compile(program)

    def spin(self) -> None:
        spun = 0.0
        while True:
            time.sleep(0.001)
            last = self.stepped
            if spun < last < time.perf_counter() - 2 * STEP_S:
                spend(0.003)
                spun = last

    def forward(self, x: Any) -> Any:
        output = super().forward(x)
        self.stepped = time.perf_counter()
        return output


class CompilesInTheBackground(Compiler):
    """A process of its own goes on compiling for two seconds, for a better program later."""

    def compile(self, program: Program) -> Step:
        subprocess.Popen([sys.executable, "-c", "import time\nwhile time.process_time() < 2: pass"])
        return super().compile(program)


class WorksAhead(Compiler):
    """A helper thread computes the results of inputs that it has seen, while nobody asks for them."""

    def compile(self, program: Program) -> Step:
        self.seen: dict[bytes, Any] = {}
        self.ready: dict[bytes, Any] = {}
        threading.Thread(target=self.help, daemon=True).start()
        return super().compile(program)

    def help(self) -> None:
        while True:
            time.sleep(0.002)
            for key, x in list(self.seen.items()):
                if key not in self.ready:
                    self.ready[key] = super().forward(x)

    def forward(self, x: Any) -> Any:
        key = x.tobytes()
        self.seen[key] = x
        return self.ready.pop(key) if key in self.ready else super().forward(x)
