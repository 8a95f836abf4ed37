"""Is a framework installed, and how much memory does importing it take? In a child that does nothing else."""

import importlib

from bakeoff.system import procfs
from bakeoff.worker.job import Job


def run(job: Job) -> dict[str, int]:
    """{"peak_bytes": peak resident set size of this process}. Raises ModuleNotFoundError where it is not installed."""
    importlib.import_module("numpy")
    importlib.import_module(job.request.framework)
    return {"peak_bytes": procfs.peak_bytes()}
