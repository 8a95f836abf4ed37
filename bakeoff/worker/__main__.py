"""The child: `python -m bakeoff.worker REQUEST`. It holds the clock, imports one framework and reports through a file.

What it prints goes to its log; nobody parses it. Phases go through a pipe, so that the parent can name the one in which
a child died.
"""

import ctypes
import dataclasses
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from bakeoff.authoring.errors import Unavailable, Unsupported, install
from bakeoff.records.request import Request, read
from bakeoff.records.trial import Failure, Phase, Start, Status
from bakeoff.system.environment import PHASES_FD, describe, imported_versions
from bakeoff.system.sandbox import CacheNotEmpty, Sandbox
from bakeoff.worker.job import Job

OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError")


class Reporter:
    """Tells the parent which phase has begun."""

    def __init__(self) -> None:
        self.phase = Phase.START
        self._pipe = int(os.environ.get(PHASES_FD, "-1"))

    def enter(self, phase: Phase) -> None:
        self.phase = phase
        if self._pipe >= 0:
            os.write(self._pipe, f"{phase}\n".encode())


def main(path: str) -> int:
    """Do the request and write its result; 0 if there is a result to read, whatever it says."""
    request = read(Path(path))
    # if the session is killed, there is nobody left to hold this process to its limits (prctl(2), PR_SET_PDEATHSIG)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    # if memory runs out, let the kernel choose this process and not the session that keeps the results
    Path("/proc/self/oom_score_adj").write_text("1000")
    reporter = Reporter()
    environment: dict[str, Any] = {}
    try:
        result = _run(request, reporter)
        environment = dataclasses.asdict(describe(request.settings.device, imported_versions()))
        text = _json({"result": result, "environment": environment})
    except BaseException as error:
        why = dataclasses.asdict(failure(error, reporter.phase, request.framework, request.extra))
        text = _json({"failure": why, "environment": environment or None})
    partial = Path(request.result + ".partial")
    partial.write_text(text)
    partial.rename(request.result)  # whole or not at all
    return 0


def failure(error: BaseException, phase: Phase, framework: str, extra: str = "") -> Failure:
    """An exception as a row with a reason."""
    name, message = type(error).__name__, str(error).strip()
    status = Status.ERROR
    if isinstance(error, Unsupported):
        status = Status.UNSUPPORTED
    elif isinstance(error, Unavailable):
        status = Status.UNAVAILABLE
    elif isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == framework.split(".")[0]:
        status, message = Status.UNAVAILABLE, install(framework, extra)
    elif any(cls.__name__ in OUT_OF_MEMORY for cls in type(error).__mro__):
        status = Status.OUT_OF_MEMORY
    return Failure(
        status=status,
        phase=phase,
        error=name,
        message=f"{name}: {message}" if status is Status.ERROR and message else message or name,
        traceback="" if status in (Status.UNSUPPORTED, Status.UNAVAILABLE) else traceback.format_exc(),
    )


def _run(request: Request, reporter: Reporter) -> Any:
    """Prove the caches empty where they must be, then run the module that the request names."""
    sandbox = Sandbox(Path(request.sandbox))
    reporter.enter(Phase.IMPORT)
    found = sandbox.files()
    if request.start is Start.COLD:
        strangers = sorted(set(found) - sandbox.expected_files())
        if strangers:
            raise CacheNotEmpty(
                f"the caches of the sandbox hold {len(strangers)} files before the start: {', '.join(strangers[:3])}"
            )
    child = importlib.import_module(request.child)
    return child.run(Job(request, sandbox, found, reporter.enter))


def _json(content: dict[str, Any]) -> str:
    """Records become objects, and numpy's scalars, which stacks and models may well return, become Python's numbers."""
    return json.dumps(content, default=_plain, allow_nan=False)


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value.item()


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    gc.disable()
    os._exit(code)  # frameworks' exit handlers take up to a second, and some crash; the result is already written
