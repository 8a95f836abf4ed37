"""A job that returns what its child sees: its process, folders and environment; or that dies, if the request says so."""

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from bakeoff.system.environment import MARK
from bakeoff.worker.job import Job


def run(job: Job) -> dict[str, Any]:
    stack = job.load_stack()
    print(f"output of {job.request.cell.stack}", flush=True)
    if dies := job.request.options.get("dies"):
        os.kill(os.getpid() if dies == "itself" else os.getppid(), signal.SIGKILL)
        signal.pause()
    return {
        "parent": os.getppid(),
        "group": os.getpgid(0) == os.getpid(),
        "imported": sorted(name for name in sys.modules if name.startswith("bakeoff_extra_")),
        "folders": [tempfile.gettempdir(), os.environ["TMPDIR"], sys.modules[type(stack).__module__].READ_WHEN_IMPORTED],
        "asked": sys.argv[1],
        "work": str(Path.cwd()),
        "mark": os.environ[MARK],
        "cpus": sorted(os.sched_getaffinity(0)),
    }
