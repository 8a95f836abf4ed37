"""How are runs saved that pytest-benchmark does not save? Also: is the folder of saved runs writable?

These are runs of `bakeoff run`, runs of `bakeoff ab`, and pytest sessions without a benchmark. They have the same format and
the next number. Runs of `bakeoff ab` are in a folder of their own: they hold no benchmarks for pytest-benchmark to compare.
"""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bakeoff.analysis import summary
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive import saved_runs, storage
from bakeoff.archive.saved_runs import SCHEMA_VERSION
from bakeoff.authoring.errors import UsageError
from bakeoff.records.trial import Trial
from bakeoff.runner import options
from bakeoff.runner.session import Session
from bakeoff.system.folders import locked, whole


def parts(session: Session, command: str) -> dict[str, Any]:
    """The keys that Bakeoff adds to a saved run, as JSON values. `command`: the command line of the run."""
    own = {"one_time_costs": session.one_time_costs, "neighbours": session.neighbours, "tasks": session.records}
    return run_parts(command, session.trials, summary.of_trials(session.trials), **own)


def run_parts(command: str, trials: Sequence[Trial], summaries: Sequence[CellSummary], **own: Any) -> dict[str, Any]:
    """The keys of every saved run, and those that only a kind of run has (`own`), as JSON values."""
    found = {"schema_version": SCHEMA_VERSION, "command": command, "trials": trials, "summaries": summaries, **own}
    return {name: saved_runs.to_json(value) for name, value in found.items()}


def need_storage(option: Callable[[str], Any]) -> None:
    """Raise UsageError if pytest-benchmark will not be able to save. Called before anything is measured."""
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
    """Save a run without benchmarks in the storage `folder`, and return the path. `parts`: its keys.

    `pairs`: it is a run of `bakeoff ab`. Raises UsageError if the file cannot be written.
    """
    from pytest_benchmark import __version__  # imported only here: the import takes 0.1 s
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
        text = msgspec.json.format(msgspec.json.encode(document), indent=1)
        with locked(home / ".lock"):  # two runs that end together get two numbers
            last = max((int(p.name[:4]) for p in home.glob("[0-9][0-9][0-9][0-9]_*.json")), default=0)
            path = home / f"{last + 1:04}_{name}.json"
            with whole(path) as partial:
                partial.write_bytes(text)
    except OSError as error:
        raise UsageError(f"cannot save the run in {home}: {error.strerror}") from None
    return path
