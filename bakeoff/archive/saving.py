"""Whether a run can be saved, and saved runs that pytest-benchmark does not write.

Those of a session in which no benchmark ran, and of `bakeoff ab`: the same format, with the next number; pairs in a folder of
their own, since they hold no benchmark to compare.
"""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bakeoff.analysis import summary
from bakeoff.archive import saved_runs, storage
from bakeoff.archive.saved_runs import SCHEMA_VERSION
from bakeoff.authoring.errors import UsageError
from bakeoff.runner import options
from bakeoff.runner.session import Session


def parts(session: Session, command: str) -> dict[str, Any]:
    """Our keys of a saved run."""
    found = {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "trials": session.trials,
        "summaries": summary.of_trials(session.trials),
        "one_time_costs": session.one_time_costs,
        "tasks": session.records,
    }
    return {name: saved_runs.to_json(value) for name, value in found.items()}


def need_storage(option: Callable[[str], Any]) -> None:
    """Find out now whether pytest-benchmark will be able to save, not after everything has been measured."""
    folders = {}
    if option("benchmark_autosave") or option("benchmark_save"):
        folder = storage.local(option("benchmark_storage"))
        if folder is not None:
            folders[storage.FLAG] = folder
    for name in ("histogram", "json"):
        asked = option(f"benchmark_{name}")
        for path in asked if isinstance(asked, list) else [asked] if asked else []:
            folders[f"--benchmark-{name}"] = Path(path).parent
    options.need_writable(folders)


def save(folder: Path, name: str, parts: dict[str, Any], *, pairs: bool = False) -> Path:
    """Write a run without benchmarks, and say where. UsageError where that is impossible."""
    from pytest_benchmark import __version__  # a tenth of a second, and rarely needed
    from pytest_benchmark.plugin import pytest_benchmark_generate_machine_info
    from pytest_benchmark.utils import get_commit_info, get_machine_id

    document = {
        "machine_info": pytest_benchmark_generate_machine_info(),  # type: ignore[no-untyped-call]
        "commit_info": get_commit_info(),  # type: ignore[no-untyped-call]
        "benchmarks": [],
        "datetime": datetime.datetime.now(datetime.UTC).isoformat(),
        "version": __version__,
        **parts,
    }
    home: Path = folder / (saved_runs.PAIRS if pairs else str(get_machine_id()))  # type: ignore[no-untyped-call]
    try:
        home.mkdir(parents=True, exist_ok=True)
        last = max((int(p.name[:4]) for p in home.glob("[0-9][0-9][0-9][0-9]_*.json")), default=0)
        path = home / f"{last + 1:04}_{name}.json"
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1))
        partial.rename(path)
    except OSError as error:
        raise UsageError(f"cannot save the run in {home}: {error.strerror}") from None
    return path
