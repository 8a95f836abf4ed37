"""What did a child return? Its result, or the reason why there is none."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from bakeoff.records.trial import Environment, Failure, Settings, Status
from bakeoff.runner import processes

T = TypeVar("T")
LOG_LINES = 12  # last lines of the log that a failure quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerResult(Generic[T]):
    """The JSON file that a child writes: what its `run` returned, or a failure."""

    result: T | None = None
    failure: Failure | None = None
    environment: Environment | None = None


def read_worker_result(path: Path, kind: type[T], exit: processes.Exit, log: Path, settings: Settings) -> WorkerResult[T]:
    """What the child wrote, with its result as a `kind`. If it wrote nothing, a failure that says how it ended."""
    if exit.end == "exited" and path.exists():
        try:
            found: WorkerResult[T] = msgspec.json.decode(path.read_bytes(), type=WorkerResult[kind])  # type: ignore[valid-type]
        except msgspec.DecodeError as error:
            message = f"the child's result cannot be read: {error}"
            return WorkerResult(failure=_failed(Status.ERROR, exit, "DecodeError", message, log))
        return found
    if exit.end == "timeout":
        message = f"stopped after {settings.timeout_s:g} s in phase {exit.phase}; --timeout-s raises the limit"
        return WorkerResult(failure=_failed(Status.TIMEOUT, exit, "Timeout", message, log))
    if exit.end == "out of memory":
        used = f"it used {exit.resident_bytes / 2**30:.1f} GiB"
        limit = settings.memory_limit_bytes
        message = f"{used}; the limit is {limit / 2**30:.1f} GiB, from the memory that was free" if limit else used
        return WorkerResult(failure=_failed(Status.OUT_OF_MEMORY, exit, "OutOfMemory", message, log))
    name = f"exit {exit.code}"
    if exit.code < 0:
        known = {int(number): number.name for number in signal.Signals}
        name = known.get(-exit.code, f"signal {-exit.code}")
    message = f"the child ended with {name} in phase {exit.phase} and wrote no result; last line of its log: {_tail(log, 1)}"
    return WorkerResult(failure=_failed(Status.CRASH, exit, name, message, log))


def _failed(status: Status, exit: processes.Exit, error: str, message: str, log: Path) -> Failure:
    return Failure(status=status, phase=exit.phase, error=error, message=message, traceback=_tail(log, LOG_LINES))


def _tail(log: Path, lines: int) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        text = file.read().decode(errors="replace")
    kept = [line[:500] for line in text.splitlines() if line.strip()]
    return "\n".join(kept[-lines:]) or "(empty)"
