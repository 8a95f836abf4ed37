"""Saved runs: pytest-benchmark's own JSON, in which the key `trials` holds every Trial. Data, never executed.

Versions of our keys (`schema_version`):

1  until 2026-11-28, without the key: `figures`, `toolchains`, `ceilings`, `diagnoses`, `shape_series`, `exports`, and private
   words in trials (`lowering`, `asynchrony`, `unseen_step_s`). version1.py reads it.
2  `summaries`, `one_time_costs`, and under `tasks` the records of every other kind of job, by its name.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from bakeoff.analysis import summary
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive import version1
from bakeoff.archive.paired import Ab
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell
from bakeoff.records.trial import OneTimeCost, Trial

T = TypeVar("T")


class Commit(msgspec.Struct, frozen=True):
    """pytest-benchmark's account of the code that was measured."""

    id: str = "unversioned"
    dirty: bool = False
    branch: str | None = None

    def __str__(self) -> str:
        return f"{self.id[:9]}{'+' * self.dirty}"


class SavedRun(msgspec.Struct, frozen=True):
    """What we read of a saved run; pytest-benchmark's own keys are left to pytest-benchmark."""

    trials: list[Trial]
    schema_version: int = 1
    summaries: list[CellSummary] | None = None  # None: saved before they were
    datetime: str = ""
    version: str = ""
    one_time_costs: list[OneTimeCost] = []
    tasks: dict[str, msgspec.Raw] = {}  # records of other kinds of jobs, by the task's name: `of` reads them
    commit_info: Commit = Commit()
    command: str = ""  # that made it

    def of(self, task: str, kind: type[T]) -> list[T]:
        """The records of a task. UsageError in one line where they do not fit."""
        found = self.tasks.get(task)
        return [] if found is None else _part(Path(task), found, list[kind])  # type: ignore[valid-type]


SCHEMA_VERSION = 2
PAIRS = "pairs"  # where pytest-benchmark does not look: its own compare would find no benchmark in them


class Run(msgspec.Struct, frozen=True):
    """A saved run as comparisons read it: no samples."""

    path: Path
    summaries: list[CellSummary]
    when: str = ""
    commit: Commit = Commit()
    ab: Ab | None = None

    @property
    def label(self) -> str:
        """Its number, and the commit that it measured."""
        return f"{self.path.stem[:4]} ({self.commit})" if self.path.stem[:4].isdigit() else self.path.stem


class _Saved(msgspec.Struct, frozen=True):
    schema_version: int = 1
    summaries: list[msgspec.Raw] | None = None
    figures: list[msgspec.Raw] | None = None  # their name in version 1
    datetime: str = ""
    commit_info: Commit = Commit()
    ab: msgspec.Raw = msgspec.Raw(b"null")


class _Head(msgspec.Struct, frozen=True):
    schema_version: int = 1


class _Named(msgspec.Struct, frozen=True):
    cell: Cell


def runs(storage: Path) -> list[Path]:
    """All saved runs of the matrix, by number; those of `bakeoff ab` lie beside them, in PAIRS."""
    found = storage.glob("*/[0-9][0-9][0-9][0-9]_*.json")
    return sorted((path for path in found if path.parent.name != PAIRS), key=lambda path: path.name)


def find(name: str | None, storage: Path, *, back: int = 0) -> Path:
    """A saved run by path, by number (`7`, `0007`), by name, or for None the latest, or `back` before it.

    UsageError if there is none.
    """
    with contextlib.suppress(OSError):  # a name too long to be one
        if name is not None and Path(name).is_file():
            return Path(name)
    there = runs(storage)
    found = there[: len(there) - back] if name is None else [p for p in there if _named(p, name)]
    found = found or [p for p in storage.glob(f"{PAIRS}/*.json") if p.stem == name]
    if not found:
        what = "no saved run" if name is None else f"no saved run {name}"
        known = ", ".join(p.name for p in there[-5:]) or "none; `make experiments` makes one"
        raise UsageError(f"there is {what} in {storage}; there are: {known}")
    return found[-1]


def _named(path: Path, name: str) -> bool:
    return path.name.startswith(f"{name:0>4}_") or name in (path.name, path.stem, path.stem[5:])


def read_summaries(path: Path, only: Callable[[Cell], bool] | None = None) -> Run:
    """What comparisons need of a saved run, or of `only` some cells of it.

    UsageError in one line for a file that is cut, foreign, or does not fit.
    """
    saved = _decoded(path, _Saved)
    _check_version(path, saved.schema_version)
    found, kept = None, saved.figures if saved.schema_version < 2 else saved.summaries
    if kept is not None:
        wanted = [raw for raw in kept if only is None or only(_part(path, raw, _Named).cell)]
        found = [_part(path, raw, CellSummary) for raw in wanted]
    if found is None:  # saved before summaries were: the same formulas, now
        found = summary.of_trials(read(path).trials)
    ab = _ab(path, saved.ab, saved.schema_version)
    groups = [found, *(() if ab is None else (ab.summaries, *ab.control))]
    problem = next((p for group in groups for f in group if (p := f.problem())), "")
    if any(len({f.cell for f in group}) < len(group) for group in groups):
        problem = "the same cell twice"
    if ab is not None and not 0 <= ab.planned < 10**6:
        problem = "a number of planned cells that cannot be"
    if problem:
        raise UsageError(f"{path} is not a whole saved run: {problem}")
    return Run(path=path, summaries=found, when=saved.datetime, commit=saved.commit_info, ab=ab)


def _decoded(path: Path, kind: type[T]) -> T:
    try:
        return _part(path, path.read_bytes(), kind)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _part(path: Path, text: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not a whole saved run: {_printable(error)}") from None


def _ab(path: Path, text: msgspec.Raw, version: int) -> Ab | None:
    """What a run of two arms holds beside the candidate's trials; None of a run of one."""
    found = _part(path, text, dict | None)  # type: ignore[arg-type]
    if found is None:
        return None
    return _part(path, text, Ab) if version >= 2 else _converted(path, version1.upgraded_ab(found), Ab)


def _converted(path: Path, document: object, kind: type[T]) -> T:
    """An upgraded document as records."""
    try:
        return msgspec.convert(document, type=kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UsageError(f"{path} is not a whole saved run: {_printable(error)}") from None


def _check_version(path: Path, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema_version {version}, and this Bakeoff reads up to {SCHEMA_VERSION}: read it with a newer Bakeoff"
        )


def _printable(error: Exception) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(error))[:300]  # it may quote the file


def read(path: Path) -> SavedRun:
    """A saved run. UsageError in one line for a file that is cut, foreign, or does not fit, naming the field."""
    head = _decoded(path, _Head)
    _check_version(path, head.schema_version)
    if head.schema_version >= 2:
        run = _decoded(path, SavedRun)
    else:
        document = _decoded(path, dict)
        upgraded, tasks = version1.upgraded(document)
        run = _converted(path, upgraded, SavedRun)
        run = msgspec.structs.replace(
            run, tasks={name: msgspec.Raw(msgspec.json.encode(found)) for name, found in tasks.items()}
        )
    if not run.trials and not run.tasks:
        raise UsageError(f"{path} holds no trials: nothing was measured in it")
    for trial in run.trials:
        measured = trial.measurement
        if measured and not (measured.step_s and min(measured.step_s) > 0 and measured.steps_per_sample > 0):
            raise UsageError(f"{path}: the measurement of {trial.cell} has no steps, or steps of no time")
    return run


def to_json(records: object) -> object:
    """Records as plain JSON values, for a file that another tool writes."""
    return msgspec.to_builtins(records)
