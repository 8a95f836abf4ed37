"""Where does a run keep its records until it is saved? In one folder per run and one file per record, written at once.

.bakeoff/runs/<time>/run.json            settings, and whether the run is finished
.bakeoff/runs/<time>/<task>/*.json       one record per file; those of `timing` are trials
.bakeoff/runs/<time>/logs/*.log          output of the children
.bakeoff/runs/<time>/references/*.npz    float64 outputs; deleted when the run is finished
.bakeoff/runs/<time>/scratch/            sandboxes; deleted when the session ends
.bakeoff/machine/<key>/                  files of a one-time cost, and one_time_cost.json with the time that they took

Ctrl-C loses one record at most; --resume continues the run.
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

from bakeoff.analysis.settings import SETTINGS, differing
from bakeoff.authoring.errors import UsageError
from bakeoff.records.trial import OneTimeCost, Settings
from bakeoff.system.folders import whole

T = TypeVar("T")
ONE_TIME_COST = "one_time_cost.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHead:
    """The contents of run.json."""

    settings: Settings
    cells: list[str]
    trials: int
    started_at: str
    finished: bool = False


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

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
        """Write the file of a record, completely or not at all."""
        folder = self.path / task
        folder.mkdir(exist_ok=True)
        write(folder / f"{name}.json", record)

    def delete(self, task: str, name: str) -> None:
        """Delete the file of a record."""
        (self.path / task / f"{name}.json").unlink(missing_ok=True)

    def records(self, task: str, kind: type[T]) -> Iterator[T]:
        """The stored records of a task, by name of their files. One that cannot be read is skipped, and so made again."""
        for path in sorted((self.path / task).glob("*.json")):
            with contextlib.suppress(UsageError):
                yield read(path, kind)

    def finish(self) -> None:
        """Mark the run as finished, so that --resume does not continue it. Deletes the references."""
        shutil.rmtree(self.references, ignore_errors=True)
        self.close()
        head = read(self.path / "run.json", RunHead)
        write(self.path / "run.json", replace(head, finished=True))

    def lock(self) -> bool:
        """Lock the run for this process, until `close` or the end of the process. False if another process has locked it."""
        self._locks.append((self.path / "lock").open("w"))
        try:
            fcntl.flock(self._locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Release the lock."""
        while self._locks:
            self._locks.pop().close()


class Store:
    """All runs in one working folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def machine(self) -> Path:
        return self.root / "machine"

    def begin(self, settings: Settings, cells: Sequence[str], trials: int) -> RunFolder:
        """A new run, locked. `cells`: Plan.identity. Raises UsageError if the folder cannot be written to."""
        now = datetime.datetime.now(datetime.UTC)
        path = self.root / "runs" / now.strftime("%Y%m%dT%H%M%S.%f")
        try:
            for part in ("logs", "references", "scratch"):
                (path / part).mkdir(parents=True)
            self.machine.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write to {self.root}: {error.strerror}; choose another --bakeoff-storage") from None
        started_at = now.isoformat(timespec="seconds")
        write(path / "run.json", RunHead(settings=settings, cells=list(cells), trials=trials, started_at=started_at))
        run = RunFolder(path, settings)
        run.lock()
        return run

    def resume(self, settings: Settings, cells: Sequence[str], trials: int) -> RunFolder:
        """The latest unfinished run of the same cells, trials and settings, locked.

        Raises UsageError if there is none; its message says what differs.
        """
        reason = "there is no unfinished run"
        for path in sorted((self.root / "runs").glob("*/run.json"), reverse=True):
            try:
                head = read(path, RunHead)
            except UsageError:  # of another version, or incomplete: it cannot be continued
                continue
            if head.finished:
                continue
            different = [setting.title for setting in differing(head.settings, settings, _SAME_TO_RESUME)]
            different += ["choice of cells"] * (set(head.cells) != set(cells)) + ["number of trials"] * (head.trials != trials)
            run = RunFolder(path.parent, head.settings)
            if different:
                reason = f"the unfinished run {path.parent.name} has another {', '.join(different)}"
            elif not run.lock():
                reason = f"the run {path.parent.name} is still in progress"
            else:
                for part in (run.scratch, run.references):
                    part.mkdir(exist_ok=True)
                return run
        raise UsageError(f"--resume: {reason}; start a new run without --resume")


_SAME_TO_RESUME = [setting for setting in SETTINGS if setting.same_to_resume]


def write(path: Path, record: object) -> None:
    """Write a record as JSON, completely or not at all."""
    with whole(path) as partial:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))


def read(path: Path, record: type[T]) -> T:
    """The record in a JSON file. Raises UsageError, in one line that names the file and the field that is wrong."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=record)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a complete {record.__name__}: {error}; delete it and run again") from None


def one_time_cost(path: Path) -> OneTimeCost | None:
    """The one-time cost that is recorded in a folder with its files; None if it was not paid, or if files are missing."""
    complete = all((path / part).is_dir() for part in ("compiler", "tmp"))
    try:
        return read(path / ONE_TIME_COST, OneTimeCost) if complete else None
    except UsageError:  # missing or unreadable: it is paid again
        return None
