"""How does a child run a request? `python -m bakeoff.worker REQUEST` imports one framework and writes its result to a file.

What it prints goes to its log, which is never parsed. It reports its phases through a pipe, so that the parent can name the
phase in which a child died.
"""

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
from bakeoff.authoring.stack import Stack
from bakeoff.records.order import ORDERS_FD
from bakeoff.records.request import Request, read
from bakeoff.records.trial import Failure, Phase, Start, Status
from bakeoff.system import procfs
from bakeoff.system.environment import PHASES_FD, describe, imported_versions
from bakeoff.system.folders import whole
from bakeoff.system.sandbox import CacheNotEmpty, Sandbox
from bakeoff.worker.job import Job

OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError")


class Reporter:
    """Reports to the parent which phase has begun."""

    def __init__(self) -> None:
        self.phase = Phase.START
        self._pipe = int(os.environ.get(PHASES_FD, "-1"))

    def enter(self, phase: Phase) -> None:
        """Begin `phase`."""
        self.phase = phase
        if self._pipe >= 0:
            os.write(self._pipe, f"{phase}\n".encode())


def main(path: str, loaded: Stack[Any] | None = None) -> int:
    """Run the request in the file `path` and write its result. Returns 0 once it is written, even if it is a failure.

    `loaded`: the cell's stack, if a fork server has loaded it.
    """
    request = read(Path(path))
    procfs.end_with_parent(signal.SIGKILL)  # the parent enforces the limits of this process
    # if memory runs out, the kernel should kill this process and not the parent, which holds the results
    Path("/proc/self/oom_score_adj").write_text("1000")
    reporter = Reporter()
    environment: dict[str, Any] = {}
    try:
        result = _run(request, reporter, loaded)
        environment = dataclasses.asdict(describe(request.settings.device, imported_versions()))
        text = _json({"result": result, "environment": environment})
    except BaseException as error:
        why = dataclasses.asdict(failure(error, reporter.phase, request.framework, request.extra))
        text = _json({"failure": why, "environment": environment or None})
    with whole(Path(request.result)) as partial:
        partial.write_text(text)
    return 0


def failure(error: BaseException, phase: Phase, framework: str, extra: str = "") -> Failure:
    """The record of an exception: its status, phase and message. `extra`: as in Request."""
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


def _run(request: Request, reporter: Reporter, loaded: Stack[Any] | None) -> Any:
    """Check that the caches of a cold trial are empty, then run the module that the request names. Raises CacheNotEmpty."""
    sandbox = Sandbox(Path(request.sandbox))
    reporter.enter(Phase.IMPORT)
    found = sandbox.files()
    if request.start is Start.COLD:
        unexpected = sorted(set(found) - sandbox.expected_files())
        if unexpected:
            raise CacheNotEmpty(
                f"a cold trial must start with empty caches; it found {len(unexpected)} files: {', '.join(unexpected[:3])}"
            )
    child = importlib.import_module(request.child)
    return child.run(Job(request, sandbox, found, reporter.enter, loaded))


def _json(content: dict[str, Any]) -> str:
    """`content` as JSON. Records become objects; numpy scalars, which stacks and models may return, become numbers."""
    return json.dumps(content, default=_plain, allow_nan=False)


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value.item()


if __name__ == "__main__":
    code = main(sys.argv[1])
    if ORDERS_FD in os.environ:
        from bakeoff.worker import fork_server  # not before: what it imports is no memory of the framework's

        child = fork_server.serve()
        if child is not None:
            code = main(child.request, child.stack)
    sys.stdout.flush()
    sys.stderr.flush()
    gc.disable()
    os._exit(code)  # frameworks' exit handlers take up to a second, and some crash; the result is already written
