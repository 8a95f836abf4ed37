"""What did a child leave behind? Its result, or why there is none."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from bakeoff.records.trial import Environment, Failure, Settings, Status
from bakeoff.runner import processes

T = TypeVar("T")
LOG_LINES = 12  # of a dead child's log, quoted in its row


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerResult(Generic[T]):
    """A child's JSON: what its `run` returned, or a failure."""

    result: T | None = None
    failure: Failure | None = None
    environment: Environment | None = None


def read_worker_result(path: Path, kind: type[T], exit: processes.Exit, log: Path, settings: Settings) -> WorkerResult[T]:
    """The child's JSON, its result as a `kind`; or a failure that says how the child ended."""
    if exit.end == "exited" and path.exists():
        try:
            found: WorkerResult[T] = msgspec.json.decode(path.read_bytes(), type=WorkerResult[kind])  # type: ignore[valid-type]
        except msgspec.DecodeError as error:
            why = f"the child's result does not fit: {error}"
            return WorkerResult(failure=_failed(Status.ERROR, exit, "DecodeError", why, log))
        return found
    if exit.end == "timeout":
        message = f"stopped after {settings.timeout_s:g} s in phase {exit.phase}; give it longer with --timeout-s"
        return WorkerResult(failure=_failed(Status.TIMEOUT, exit, "Timeout", message, log))
    if exit.end == "out of memory":
        held = f"{exit.resident_bytes / 2**30:.1f} GiB held"
        limit = settings.memory_limit_bytes
        message = f"{held}; the limit is {limit / 2**30:.1f} GiB, what this machine had free" if limit else held
        return WorkerResult(failure=_failed(Status.OUT_OF_MEMORY, exit, "OutOfMemory", message, log))
    name = f"exit {exit.code}"
    if exit.code < 0:
        known = {int(number): number.name for number in signal.Signals}
        name = known.get(-exit.code, f"signal {-exit.code}")
    message = f"the child ended with {name} in phase {exit.phase} and left no result; its log ends: {_tail(log, 1)}"
    return WorkerResult(failure=_failed(Status.CRASH, exit, name, message, log))


def _failed(status: Status, exit: processes.Exit, error: str, message: str, log: Path) -> Failure:
    return Failure(status=status, phase=exit.phase, error=error, message=message, traceback=_tail(log, LOG_LINES))


def _tail(log: Path, lines: int) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        text = file.read().decode(errors="replace")
    kept = [line[:500] for line in text.splitlines() if line.strip()]
    return "\n".join(kept[-lines:]) or "(empty)"
