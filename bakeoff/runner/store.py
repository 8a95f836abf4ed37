"""Where a run keeps what it has measured: one folder a run, one file a trial, written the moment the trial ends.

.bakeoff/runs/<time>/run.json            settings, and whether the run came to its end
.bakeoff/runs/<time>/<task>/*.json       a record each; of `timing`, trials. Ctrl-C loses one at most, and --resume goes on
.bakeoff/runs/<time>/logs/*.log          what the children printed
.bakeoff/runs/<time>/references/*.npz    float64 outputs, until the run is finished; scratch/ holds sandboxes
.bakeoff/machine/<key>/                  files of a one-time cost, and one_time_cost.json with what they cost
"""

import contextlib
import datetime
import fcntl
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO, TypeVar

import msgspec

from bakeoff.authoring.errors import UsageError
from bakeoff.records.trial import OneTimeCost, Settings

T = TypeVar("T")
ONE_TIME_COST = "one_time_cost.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHead:
    """run.json."""

    settings: Settings
    cells: list[str]
    trials: int
    started_at: str
    finished: bool = False


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder."""

    path: Path
    settings: Settings
    _locks: list[TextIO] = field(default_factory=list, compare=False)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def references(self) -> Path:
        return self.path / "references"

    @property
    def scratch(self) -> Path:
        return self.path / "scratch"

    def save(self, task: str, name: str, record: object) -> None:
        """Write a record's file, whole or not at all."""
        folder = self.path / task
        folder.mkdir(exist_ok=True)
        write(folder / f"{name}.json", record)

    def records(self, task: str, kind: type[T]) -> Iterator[T]:
        """Those of a task that are there, by name of their files. One that cannot be read is made again."""
        for path in sorted((self.path / task).glob("*.json")):
            with contextlib.suppress(UsageError):
                yield read(path, kind)

    def finish(self) -> None:
        """Mark the run as complete: nothing is left for --resume, and the references may go."""
        shutil.rmtree(self.references, ignore_errors=True)
        self.close()
        head = read(self.path / "run.json", RunHead)
        write(self.path / "run.json", replace(head, finished=True))

    def lock(self) -> bool:
        """Take this run for ourselves; False where a living session has it. The lock goes with the process."""
        self._locks.append((self.path / "lock").open("w"))
        try:
            fcntl.flock(self._locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Let go of the lock."""
        while self._locks:
            self._locks.pop().close()


class Store:
    """All runs below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def machine(self) -> Path:
        return self.root / "machine"

    def begin(self, settings: Settings, cells: Sequence[str], trials: int) -> RunFolder:
        """A new run. Raises UsageError where the folder cannot be written."""
        now = datetime.datetime.now(datetime.UTC)
        path = self.root / "runs" / now.strftime("%Y%m%dT%H%M%S.%f")
        try:
            for part in ("logs", "references", "scratch"):
                (path / part).mkdir(parents=True)
            self.machine.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write to {self.root}: {error.strerror}; start from a folder that is yours") from None
        started_at = now.isoformat(timespec="seconds")
        write(path / "run.json", RunHead(settings=settings, cells=list(cells), trials=trials, started_at=started_at))
        run = RunFolder(path, settings)
        run.lock()
        return run

    def resume(self, settings: Settings, cells: Sequence[str], trials: int) -> RunFolder:
        """The latest unfinished run of the same cells and settings. Raises UsageError if there is none; says what differs."""
        differs = "no run was left unfinished"
        for path in sorted((self.root / "runs").glob("*/run.json"), reverse=True):
            try:
                head = read(path, RunHead)
            except UsageError:  # of another version, or cut: nothing to go on with
                continue
            if head.finished:
                continue
            unlike = [name for name in _COMPARED if getattr(head.settings, name) != getattr(settings, name)]
            unlike += ["choice of cells"] * (set(head.cells) != set(cells)) + ["number of trials"] * (head.trials != trials)
            run = RunFolder(path.parent, head.settings)
            if unlike:
                differs = f"the unfinished run {path.parent.name} has another {', '.join(unlike)}"
            elif not run.lock():
                differs = f"the run {path.parent.name} is still going on"
            else:
                for part in (run.scratch, run.references):
                    part.mkdir(exist_ok=True)
                return run
        raise UsageError(f"--resume: {differs}; start anew without --resume")


# a memory limit follows from what was free at the moment
_COMPARED = ("size", "batch_size", "device", "threads", "seed", "timed_s")


def write(path: Path, record: object) -> None:
    """A record as JSON, by rename: whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))
    partial.rename(path)


def read(path: Path, record: type[T]) -> T:
    """The record in a JSON file. Raises UsageError in one line, naming the file and the field that does not fit."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=record)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a whole {record.__name__}: {error}; delete it and run again") from None


def one_time_cost(path: Path) -> OneTimeCost | None:
    """The recorded cost beside its files; None where it was never paid."""
    whole = all((path / part).is_dir() for part in ("compiler", "tmp"))
    try:
        return read(path / ONE_TIME_COST, OneTimeCost) if whole else None
    except UsageError:  # not there, or not readable: it is paid again
        return None
