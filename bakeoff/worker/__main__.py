"""The child: `python -m bakeoff.worker.__main__ REQUEST`. It holds the clock, imports one framework and reports through a file.

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
import time
import traceback
from pathlib import Path
from typing import Any

from bakeoff.authoring.errors import Unavailable, Unsupported, install
from bakeoff.records.request import Job, Request, read
from bakeoff.records.trial import Failure, Phase, Start, Status
from bakeoff.system import procfs
from bakeoff.system.environment import PHASES_FD, describe, imported_versions
from bakeoff.system.sandbox import CacheNotEmpty, Sandbox

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
        answer = _do(request, reporter)
        environment = dataclasses.asdict(describe(request.settings.device, imported_versions()))
        text = _json({**answer, "environment": environment})
    except BaseException as error:
        said = dataclasses.asdict(failure(error, reporter.phase, request.framework, request.extra))
        text = _json({"failure": said, "environment": environment or None})
    partial = Path(request.result + ".partial")
    partial.write_text(text)
    partial.rename(request.result)  # whole or not at all
    return 0


def _json(answer: dict[str, Any]) -> str:
    """numpy's scalars, which stacks and models may well return, become Python's."""
    return json.dumps(answer, default=lambda value: value.item(), allow_nan=False)


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


def _do(request: Request, reporter: Reporter) -> dict[str, Any]:
    private = Sandbox(Path(request.private))
    reporter.enter(Phase.IMPORT)
    if request.job is Job.BASELINE:
        importlib.import_module("numpy")
        importlib.import_module(request.framework)
        return {"peak_bytes": procfs.peak_bytes()}
    if request.job is Job.MACHINE_PEAK:
        from bakeoff.tasks.machine_peak import child as machine_peak

        return machine_peak.reached(request.settings.threads)
    if request.job is Job.TOOLCHAIN:
        from bakeoff.authoring.discovery import load_stack
        from bakeoff.authoring.protocols import PaysOneTimeCost

        stack = load_stack(Path(request.stack_path))
        if not isinstance(stack, PaysOneTimeCost):
            raise Unsupported(f"{type(stack).__name__} has no one-time cost")
        reporter.enter(Phase.COMPILE)
        start = time.perf_counter()
        stack.pay_one_time_cost()
        return {"wall_s": time.perf_counter() - start}

    found = private.files()
    if request.start is Start.COLD:
        seed = Path(request.private, "seed.json")
        expected = set(json.loads(seed.read_text())) if seed.exists() else set()
        strangers = sorted(set(found) - expected)
        if strangers:
            raise CacheNotEmpty(f"the private caches hold {len(strangers)} files before the start: {', '.join(strangers[:3])}")
    from bakeoff.worker import measure

    if request.job is Job.REFERENCE:
        from bakeoff.worker import reference

        reference.write(request, reporter.enter)
        return {}
    if request.job is Job.DIAGNOSE:
        from bakeoff.tasks.diagnose import child as diagnose

        return _plain(diagnose.diagnosis(request, private, reporter.enter))
    if request.job is Job.EXPORT:
        from bakeoff.tasks.export import child as export

        return export.exported(request, reporter.enter)
    if request.job is Job.PROFILE:
        from bakeoff.tasks.profile import child as profile

        return profile.profiled(request, private, reporter.enter)
    if request.job is Job.SHAPES:
        from bakeoff.tasks.shapes import child as shapes

        tolerance, steps = shapes.series(request, reporter.enter)
        return {"tolerance": tolerance, "steps": [dataclasses.asdict(step) for step in steps]}
    if request.settings.target:
        from bakeoff.tasks.compile_only import child as lower

        return _plain(lower.compile_only(request, private, reporter.enter))
    measurement, diagnostics = measure.measurement(request, private, found, reporter.enter)
    return _plain({"measurement": measurement, "diagnostics": diagnostics})


def _plain(records: dict[str, Any]) -> dict[str, Any]:
    return {name: None if record is None else dataclasses.asdict(record) for name, record in records.items()}


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    gc.disable()
    os._exit(code)  # frameworks' exit handlers take up to a second, and some crash; the result is already written
