"""In a child that only imports a framework: is it there, and how much memory does importing it take at its peak?"""

import importlib

from bakeoff.system import procfs
from bakeoff.worker.job import Job


def run(job: Job) -> dict[str, int]:
    """{"peak_bytes": peak resident set size of this process}. ModuleNotFoundError where the framework is not installed."""
    importlib.import_module("numpy")
    importlib.import_module(job.request.framework)
    return {"peak_bytes": procfs.peak_bytes()}
