"""Does Inductor tune its kernels while it holds the device lock?"""

import subprocess
import sys

from bakeoff.authoring.discovery import ROOT
from tests.support.needs import needs_torch


@needs_torch
def test_inductor_tunes_its_kernels_inside_it() -> None:
    program = """
from contextlib import contextmanager
from bakeoff.compilers import torch_inductor
from torch._inductor.runtime.triton_heuristics import CachingAutotuner as Tuner
calls = []
@contextmanager
def alone():
    calls.append("alone")
    yield
    calls.append("no longer")
before = Tuner.autotune_to_one_config = lambda self, *args, **kwargs: calls.append((args, kwargs))
with torch_inductor.STACK.measuring(alone):
    Tuner.autotune_to_one_config(None, 1, stream=2)
assert calls == ["alone", ((1,), {"stream": 2}), "no longer"], calls
assert Tuner.autotune_to_one_config is before
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
