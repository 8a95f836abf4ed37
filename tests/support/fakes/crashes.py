"""Stacks that fail or misbehave as processes: raise, exit, die, hang, eat memory, leave children behind."""

import ctypes
import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import BuildConfig, Diagnostics, Model, Step, Weights
from tests.support.fakes.honest import Compiler, Program

STAYS = f"import time; time.sleep(98765)  # {os.environ.get('FAKES_OF')}"  # so that a run of the tests finds only its own


class LeavesADaemon(Compiler):
    """Starts a process with an empty environment, in the child's process group."""

    def compile(self, program: Program) -> Step:
        subprocess.Popen([sys.executable, "-c", STAYS], env={})
        return super().compile(program)


class KillsItselfOddly(Compiler):
    def forward(self, x: Any) -> Any:
        os.kill(os.getpid(), 40)


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


class RaisesMemoryError(Compiler):
    def compile(self, program: Program) -> Step:
        raise MemoryError("no 17 GiB here")


class RaisesMemoryErrorOnce(Compiler):
    """Memory is too little for its first process. A variable names the file in which it remembers that."""

    def compile(self, program: Program) -> Step:
        tried = Path(os.environ["TRIED"])
        if not tried.exists():
            tried.touch()
            raise MemoryError("no room beside the others")
        return super().compile(program)


class KilledByKernel(Compiler):
    """SIGKILL, as the kernel sends when memory runs out, and others may send, too."""

    def forward(self, x: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class RaisesInBuild(Compiler):
    def build(self, model: Model, weights: Weights, config: BuildConfig) -> Program:
        if config.precision == "float32":
            raise RuntimeError("planted in build")
        return super().build(model, weights, config)


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


class HangsInASlice(Compiler):
    def forward(self, x: Any) -> Any:
        if not gc.isenabled():  # garbage collection is off only during timing
            self.timed = getattr(self, "timed", 0) + 1
            if self.timed > 20:
                time.sleep(3600)
        return super().forward(x)


class KilledInASlice(Compiler):
    def forward(self, x: Any) -> Any:
        if not gc.isenabled():
            self.timed = getattr(self, "timed", 0) + 1
            if self.timed > 20:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


class RaisesInFetch(Compiler):
    def fetch(self, output: Any) -> Any:
        raise RuntimeError("planted in fetch")


class RaisesInDiagnose(Compiler):
    def counters(self, program: Program) -> Diagnostics:
        raise RuntimeError("planted in diagnose")


class ExitsWithSystemExit(Compiler):
    def compile(self, program: Program) -> Step:
        sys.exit(0)
