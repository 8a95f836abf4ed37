"""Saved runs: pytest-benchmark's own JSON, in which the key `trials` holds every Trial. Data, never executed."""

import contextlib
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.trial import Diagnosis, ShapeSeries, Toolchain, Trial


class SavedRun(msgspec.Struct, frozen=True):
    """What we read of a saved run; pytest-benchmark's own keys are left to pytest-benchmark."""

    trials: list[Trial]
    datetime: str = ""
    version: str = ""
    toolchains: list[Toolchain] = []
    diagnoses: list[Diagnosis] = []
    shape_series: list[ShapeSeries] = []


def find(name: str | None, storage: Path) -> Path:
    """A saved run by path, by number (`7`, `0007`), or the latest for None. UsageError if there is none."""
    with contextlib.suppress(OSError):  # a name too long to be one
        if name is not None and Path(name).is_file():
            return Path(name)
    there = sorted(storage.glob("*/[0-9][0-9][0-9][0-9]_*.json"), key=lambda path: path.name)
    found = there if name is None else [p for p in there if p.name.startswith(f"{name:0>4}_") or p.stem == name]
    if not found:
        what = "no saved run" if name is None else f"no saved run {name}"
        known = ", ".join(p.name for p in there[-5:]) or "none; `make experiments` makes one"
        raise UsageError(f"there is {what} in {storage}; there are: {known}")
    return found[-1]


def read(path: Path) -> SavedRun:
    """A saved run. UsageError in one line for a file that is cut, foreign, or does not fit, naming the field."""
    try:
        run = msgspec.json.decode(path.read_bytes(), type=SavedRun)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a whole saved run: {error}") from None
    if not run.trials:
        raise UsageError(f"{path} holds no trials: nothing was measured in it")
    for trial in run.trials:
        measured = trial.measurement
        if measured and not (measured.step_s and min(measured.step_s) > 0 and measured.steps_per_sample > 0):
            raise UsageError(f"{path}: the measurement of {trial.cell} has no steps, or steps of no time")
    return run


def to_json(records: object) -> object:
    """Records as plain JSON values, for a file that another tool writes."""
    return msgspec.to_builtins(records)
