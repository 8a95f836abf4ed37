"""What is in a saved run, and how is it found and read?

The file is JSON in pytest-benchmark's format, with further keys; `trials` holds every Trial. It is data, never executed.
Versions of these keys (`schema_version`):

1  until 2026-11-28, without the key `schema_version`. Other names for most keys; version1.py lists them and reads such files.
2  `summaries`, `one_time_costs`, and `tasks`: the records of every task except timing, by the name of the task. `neighbours`,
   which older runs of this version do not have.
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
from bakeoff.records.measurement import Measurement
from bakeoff.records.neighbours import Neighbours
from bakeoff.records.trial import OneTimeCost, Start, Trial
from bakeoff.system.terminal import clean

T = TypeVar("T")


class Commit(msgspec.Struct, frozen=True):
    """The commit of the code that was measured, as pytest-benchmark stores it."""

    id: str = "unversioned"
    dirty: bool = False
    branch: str | None = None

    def __str__(self) -> str:
        return f"{self.id[:9]}{'+' * self.dirty}"


class SavedRun(msgspec.Struct, frozen=True):
    """A saved run with all trials, without the keys that belong to pytest-benchmark."""

    trials: list[Trial]
    schema_version: int = 1
    summaries: list[CellSummary] | None = None  # None in old runs
    datetime: str = ""  # when it was saved, ISO 8601
    version: str = ""  # of pytest-benchmark
    one_time_costs: list[OneTimeCost] = []
    neighbours: Neighbours | None = None  # None in old runs, and where no cell was timed on the CPU
    tasks: dict[str, msgspec.Raw] = {}  # name of a task → its records, which `of` reads
    commit_info: Commit = Commit()
    command: str = ""  # the command line that made the run

    def of(self, task: str, kind: type[T]) -> list[T]:
        """The records of a task, each as a `kind`; empty if there are none. Raises UsageError if they do not have that type."""
        found = self.tasks.get(task)
        return [] if found is None else _part(Path(task), found, list[kind])  # type: ignore[valid-type]


SCHEMA_VERSION = 2
LONGEST_S, MOST_STEPS = 30 * 86400.0, 10**9  # of a sample, in a measurement that can be
PAIRS = "pairs"  # folder of runs of `bakeoff ab`; pytest-benchmark does not read it, since these runs hold no benchmarks


class Run(msgspec.Struct, frozen=True):
    """A saved run as comparisons need it: the summaries of its cells, without trials."""

    path: Path
    summaries: list[CellSummary]
    when: str = ""  # when it was saved, ISO 8601
    commit: Commit = Commit()
    ab: Ab | None = None  # only in a run of `bakeoff ab`

    @property
    def label(self) -> str:
        """The number of the run and its commit, such as "0007 (1a2b3c4d5)"; the file's name if it has no number."""
        return f"{self.path.stem[:4]} ({self.commit})" if self.path.stem[:4].isdigit() else self.path.stem


class _Saved(msgspec.Struct, frozen=True):
    schema_version: int = 1
    summaries: list[msgspec.Raw] | None = None
    figures: list[msgspec.Raw] | None = None  # the same in version 1
    datetime: str = ""
    commit_info: Commit = Commit()
    ab: msgspec.Raw = msgspec.Raw(b"null")


class _Head(msgspec.Struct, frozen=True):
    schema_version: int = 1


class _Named(msgspec.Struct, frozen=True):
    cell: Cell


def runs(storage: Path) -> list[Path]:
    """The paths of all saved runs in the order of their numbers, without those of `bakeoff ab`, which are in PAIRS."""
    found = storage.glob("*/[0-9][0-9][0-9][0-9]_*.json")
    return sorted((path for path in found if path.parent.name != PAIRS), key=lambda path: path.name)


def find(name: str | None, storage: Path, *, back: int = 0) -> Path:
    """The path of a saved run. `name` is a path, a number (`7`, `0007`) or a name.

    None means the latest run, or the one that is `back` runs older. Raises UsageError if there is no such run.
    """
    with contextlib.suppress(OSError):  # the name is too long for a path
        if name is not None and Path(name).is_file():
            return Path(name)
    saved = runs(storage)
    found = saved[: len(saved) - back] if name is None else [p for p in saved if _named(p, name)]
    found = found or [p for p in storage.glob(f"{PAIRS}/*.json") if p.stem == name]
    if name is None and not found and saved:
        raise UsageError(f"there is only one saved run in {storage}: {saved[0].name}; make another, or name two")
    folders = list(dict.fromkeys(p.parent.name for p in found))
    if name is not None and len(folders) > 1:
        raise UsageError(
            f"{name} is a run of more than one machine: {', '.join(folders)} in {storage}; name the file by its path"
        )
    if not found:
        what = "no saved run" if name is None else f"no saved run {name}"
        known = ", ".join(p.name for p in saved[-5:]) or "none; `make experiments` makes one"
        raise UsageError(f"there is {what} in {storage}; there are: {known}")
    return found[-1]


def _named(path: Path, name: str) -> bool:
    return path.name.startswith(f"{name:0>4}_") or name in (path.name, path.stem, path.stem[5:])


def read_summaries(path: Path, only: Callable[[Cell], bool] | None = None) -> Run:
    """A saved run of any version as comparisons need it. `only`: which cells; None: all.

    Raises UsageError, in one line, for a file that is truncated, not a saved run, or has an impossible value.
    """
    saved = _decoded(path, _Saved)
    _check_version(path, saved.schema_version)
    found, kept = None, saved.figures if saved.schema_version < 2 else saved.summaries
    if kept is not None:
        wanted = [raw for raw in kept if only is None or only(_part(path, raw, _Named).cell)]
        found = [_part(path, raw, CellSummary) for raw in wanted]
    if found is None:  # an old run without summaries: compute them
        found = summary.of_trials(read(path).trials)
    ab = _ab(path, saved.ab, saved.schema_version)
    groups = [found, *(() if ab is None else (ab.summaries, *ab.control))]
    problem = next((p for group in groups for f in group if (p := f.problem())), "")
    if any(len({f.cell for f in group}) < len(group) for group in groups):
        problem = "the same cell twice"
    if ab is not None and not 0 <= ab.planned < 10**6:
        problem = "an impossible number of planned cells"
    if problem:
        raise UsageError(f"{path} is not a complete saved run: {problem}")
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
        raise UsageError(f"{path} is not a complete saved run: {clean(str(error))[:300]}") from None


def _ab(path: Path, text: msgspec.Raw, version: int) -> Ab | None:
    """The key `ab` of a saved run; None in a run of one arm."""
    found = _part(path, text, dict | None)  # type: ignore[arg-type]
    if found is None:
        return None
    return _part(path, text, Ab) if version >= 2 else _converted(path, version1.upgraded_ab(found), Ab)


def _converted(path: Path, document: object, kind: type[T]) -> T:
    """An upgraded document as a record of type `kind`."""
    try:
        return msgspec.convert(document, type=kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UsageError(f"{path} is not a complete saved run: {clean(str(error))[:300]}") from None


def _check_version(path: Path, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema_version {version}, and this Bakeoff reads up to {SCHEMA_VERSION}: read it with a newer Bakeoff"
        )


def read(path: Path) -> SavedRun:
    """A saved run of any version, with its trials.

    Raises UsageError, in one line that names the field, for a file that is truncated, not a saved run, or has a wrong value.
    """
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
    if run.neighbours is not None and (problem := run.neighbours.problem()):
        raise UsageError(f"{path} is not a complete saved run: {problem}")
    cold = {trial.cell for trial in run.trials if trial.start is Start.COLD}
    for trial in run.trials:
        wrong = _impossible(trial.measurement) if trial.measurement is not None else ""
        if wrong or trial.cell not in cold:
            raise UsageError(
                f"{path} is not a complete saved run: {trial.cell} has {wrong or 'a warm trial without a cold one'}"
            )
    return run


def _impossible(measured: Measurement) -> str:
    """What no child can have measured; empty for a measurement that can be."""
    if not measured.step_s or not all(0 < step < LONGEST_S for step in measured.step_s):
        return "no steps, or steps that take no time or more than a month"
    if not 0 < measured.steps_per_sample < MOST_STEPS:
        return f"samples of {measured.steps_per_sample} steps"
    if not measured.held_out_step_s or not measured.contention.wall_s > 0:
        return "no held-out steps, or no time in which it was timed"
    counts = [one.samples for one in measured.slices]
    if min(counts, default=0) < 0 or sum(counts) > len(measured.step_s):
        return "slices of more samples than it has"
    return ""


def to_json(records: object) -> object:
    """Records as plain JSON values, for a file that another tool (pytest-benchmark) writes."""
    return msgspec.to_builtins(records)
