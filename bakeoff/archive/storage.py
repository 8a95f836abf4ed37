"""Where are saved runs? In one folder for pytest and for every command, whatever folder they are called from."""

import os
from pathlib import Path

from bakeoff.authoring.errors import UsageError
from bakeoff.system import folders

FLAG = "--benchmark-storage"
VARIABLE = "PYTEST_BENCHMARK_STORAGE"
PYTEST_BENCHMARK_DEFAULT = "file://./.benchmarks"  # of its option; ours takes its place


def default_storage() -> str:
    """The value of --benchmark-storage where it is not given."""
    return os.environ.get(VARIABLE) or str(folders.saved_runs())


def folder(storage: str) -> Path:
    """The folder that a value of the option names. UsageError for what is no folder, such as a database."""
    found = local(storage)
    if found is None:
        raise UsageError(f"{FLAG} {storage}: name a folder, as PATH or file://PATH; nothing else is read here")
    return found


def local(storage: str) -> Path | None:
    """The same; None for what is no folder. A relative path is relative to the current folder, as in pytest-benchmark."""
    if storage.startswith("file://"):
        storage = storage.removeprefix("file://")
    return None if "://" in storage else Path(storage).absolute()
