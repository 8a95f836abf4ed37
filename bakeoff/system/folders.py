"""Where does Bakeoff keep its files, and how does it write one? Beside the code, or if installed, in the user's data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bakeoff.authoring.discovery import INSTALLED, ROOT


def data() -> Path:
    """Bakeoff's folder in the user's data folder. As the XDG specification says, a relative XDG_DATA_HOME is ignored."""
    named = Path(os.environ.get("XDG_DATA_HOME") or "")
    return (named if named.is_absolute() else Path.home() / ".local" / "share") / "bakeoff"


def saved_runs() -> Path:
    """The folder of saved runs: the default of --benchmark-storage."""
    return data() / "benchmarks" if INSTALLED else ROOT / ".benchmarks"


def work() -> Path:
    """The folder of runs in progress and of one-time costs: the default of --bakeoff-storage."""
    return data() / "work" if INSTALLED else ROOT / ".bakeoff"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to. The file is renamed to `path` when it is complete, so that `path` is never a partial file."""
    partial = path.with_name(f"{path.name}.partial")
    yield partial
    partial.rename(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on the file `path`, which is made if it does not exist; wait while another process holds it (flock(2))."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
