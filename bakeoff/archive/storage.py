"""Which folder holds the saved runs? The same one for pytest and for all commands, in every current folder."""

import os
from pathlib import Path

from bakeoff.authoring.errors import UsageError
from bakeoff.system import folders

FLAG = "--benchmark-storage"
VARIABLE = "PYTEST_BENCHMARK_STORAGE"
PYTEST_BENCHMARK_DEFAULT = "file://./.benchmarks"  # its default of FLAG, which default_storage() replaces


def default_storage() -> str:
    """The default of --benchmark-storage: PYTEST_BENCHMARK_STORAGE, else folders.saved_runs()."""
    return os.environ.get(VARIABLE) or str(folders.saved_runs())


def folder(storage: str) -> Path:
    """The folder that a value of the option names. Raises UsageError for anything else, such as a database."""
    found = local(storage)
    if found is None:
        raise UsageError(f"{FLAG} {storage}: name a folder, as PATH or file://PATH; other storage is not supported")
    return found


def local(storage: str) -> Path | None:
    """Like `folder`, but None instead of an error. A path is relative to the current folder, as in pytest-benchmark."""
    if storage.startswith("file://"):
        storage = storage.removeprefix("file://")
    return None if "://" in storage else Path(storage).absolute()
