"""What does a machine compute once for Inductor and its C++ compiler? Vector instruction probes, a precompiled header."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bakeoff.compilers import _torch_private as private


def pay(compile_something: Callable[[], Any]) -> None:
    """Put the probes, and the header that `compile_something` needs, into the private caches, without what it compiles."""
    private.need_compiler()
    private.probe_vector_instructions()
    caches = Path(private.cache_folder())
    probes = {p for p in caches.rglob("*") if p.is_file()}
    torch.set_grad_enabled(False)
    compile_something()  # the header is in TMPDIR, beside the caches
    for path in [p for p in caches.rglob("*") if p.is_file() and p not in probes]:
        path.unlink()
    for name in ("fxgraph", "aotautograd"):
        shutil.rmtree(caches / name, ignore_errors=True)
