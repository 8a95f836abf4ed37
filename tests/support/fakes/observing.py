"""A job that returns what its child sees: its process, folders and environment; or does what the request's options say."""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bakeoff.system.environment import MARK
from bakeoff.worker.job import Job


def run(job: Job) -> dict[str, Any]:
    stack = job.load_stack()
    print(f"output of {job.request.cell.stack}", flush=True)
    keeper = os.getppid()
    server = int(Path(f"/proc/{keeper}/stat").read_text().rpartition(")")[2].split()[1])
    match job.request.options.get("does"):
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill its server":
            os.kill(server, signal.SIGKILL)
            signal.pause()
        case "kill its keeper":
            os.kill(keeper, signal.SIGKILL)
            signal.pause()
        case "stop its keeper":
            os.kill(keeper, signal.SIGSTOP)
        case "hang":
            signal.pause()
        case "leave a daemon":
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(98765)
                os._exit(0)
            os.wait()
    framework = sys.modules[job.request.framework]
    return {
        "pid": os.getpid(),
        "parent": keeper,
        "server": server,
        "group": os.getpgid(0) == os.getpid(),
        "value": getattr(stack, "value", None),
        "folders": [tempfile.gettempdir(), os.environ["TMPDIR"], getattr(framework, "READ_WHEN_IMPORTED", "")],
        "asked": sys.argv[1],
        "work": str(Path.cwd()),
        "mark": os.environ[MARK],
        "cpus": sorted(os.sched_getaffinity(0)),
    }
