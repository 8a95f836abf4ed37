"""bakeoff export --tensorboard DIR: how do I see saved runs in TensorBoard? Writes them, and profiler traces of chosen cells.

DIR/<run>/<model>/<stack>-<mode>/            a TensorBoard run per cell of each saved run
DIR/<run>/<model>/<stack>-<mode>/reference/  for a training cell: the float64 losses, on the same charts
DIR/series/<model>/<stack>-<mode>/           for several saved runs: each metric over the runs
DIR/profiles/<model>/<stack>-<mode>/         traces, in plugins/profile/<time>/
"""

import argparse
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bakeoff.analysis import summary
from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.analysis.settings import SETTINGS
from bakeoff.archive import saved_runs
from bakeoff.authoring import discovery
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import _common
from bakeoff.records.cell import Cell
from bakeoff.records.trial import Status
from bakeoff.report import event_files, tensorboard
from bakeoff.report.event_files import Note, Scalar, Text
from bakeoff.runner import options
from bakeoff.runner.plan import Plan
from bakeoff.runner.processes import sigterm_as_ctrl_c
from bakeoff.system.terminal import clean
from bakeoff.tasks.profile import traces
from bakeoff.tasks.profile.record import PROFILED_STEPS

SERIES, PROFILES, MARKER_FILE = (
    "series",
    "profiles",
    "bakeoff-run.txt",
)  # MARKER_FILE names the saved runs that a folder was exported from
NOT_PROFILED = ("--target", "--timed-s")  # a program that is only compiled for a target; and nothing is timed
PROFILE_OPTIONS = (*(flag for setting in SETTINGS for flag in setting.flags if flag not in NOT_PROFILED), "--bakeoff-storage")
MOST_EXPORTED_STEPS = 10**8  # timed steps of a trial: more than fit into ten seconds
UNTIMED = "times under a profiler are not measurements"


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved run to export."""

    path: Path
    label: str  # the name of its folder
    wall_s: float  # when it was saved
    results: dict[Cell, CellResult]

    @property
    def number(self) -> int | None:
        """The number of the saved run, if it has one."""
        return int(self.label[:4]) if self.label[:4].isdecimal() else None


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    exporting = _common.add(
        verbs,
        "export",
        "saved runs, and profiler traces of chosen cells, for TensorBoard",
        "bakeoff export --tensorboard board 0006 0007 --profile mlp-torch_eager-inference --profile mlp-tf_xla-inference",
        "bakeoff export --tensorboard board  # then: tensorboard --logdir board",
    )
    runs = "number, name or path of a saved run (default: the latest); several runs also give every metric over the runs"
    exporting.add_argument("runs", metavar="RUN", nargs="*", help=runs)
    exporting.add_argument(
        "--tensorboard", metavar="DIR", required=True, help="the folder to write to, for TensorBoard's --logdir"
    )
    exporting.add_argument("--cells", metavar="GLOB", action="append", default=[], help="only these cells; may be repeated")
    exporting.add_argument(
        "--profile",
        metavar="CELL",
        action="append",
        default=[],
        help=f"profile {PROFILED_STEPS} warm steps of this cell (model-stack-mode or a glob); may be repeated",
    )
    _common.add_storage(exporting)
    options.add(exporting.add_argument_group("options of --profile"), {flag: options.RUN[flag] for flag in PROFILE_OPTIONS})
    exporting.set_defaults(do=_export)


def _export(asked: argparse.Namespace) -> int:
    event_files.need()
    folder, storage = _folder(asked.tensorboard), _common.saved_in(asked)
    plan = _plan(asked) if asked.profile else None
    saved = [] if plan and not asked.runs and not saved_runs.runs(storage) else _read(asked.runs, storage, asked.cells)
    try:
        homes = [_own(folder / run.label, [run]) for run in saved]
        for run, home in zip(saved, homes, strict=True):
            _say(_write(run, home))
        if len(saved) > 1:
            _say(_write_series(saved, folder / SERIES))
        failed = 0 if plan is None else _profile(plan, asked, folder / PROFILES)
    except OSError as error:
        raise UsageError(f"--tensorboard {folder}: {error}") from None
    _say(f"to view: tensorboard --logdir {folder}")
    return 1 if failed else 0


def _folder(name: str) -> Path:
    if "://" in name:
        raise UsageError(f"--tensorboard {name}: must be a local folder")
    folder = Path(name).absolute()
    options.need_writable({"--tensorboard": folder})
    return folder


def _read(names: Sequence[str], storage: Path, globs: Sequence[str]) -> list[Saved]:
    """The saved runs, by time. Names in the files are not trusted: one that is not valid as a folder's name is an error."""
    paths = dict.fromkeys(saved_runs.find(name, storage).resolve() for name in (names or (None,)))
    found = sorted((_saved(path, globs) for path in paths), key=lambda run: (run.wall_s, run.label))
    if not any(run.results for run in found):
        raise UsageError(f"--cells {' '.join(globs)} matches no cell of {', '.join(run.label for run in found)}")
    labels = [run.label for run in found]
    twice = next((run for run in found if labels.count(run.label) > 1), None)
    if twice is not None:
        raise UsageError(f"two of these runs would use the folder {twice.label}: export them to separate folders")
    return found


def _saved(path: Path, globs: Sequence[str]) -> Saved:
    run, head = saved_runs.read(path), saved_runs.read_summaries(path, only=lambda cell: False)
    results = {c: r for c, r in by_cell(run.trials).items() if not globs or any(fnmatchcase(str(c), g) for g in globs)}
    problem = ""
    try:
        problem = next((text for result in results.values() if (text := _problem(result))), "")
    except (ArithmeticError, LookupError, ValueError):
        problem = "it contains impossible values"
    if problem:
        raise UsageError(f"{path} is not a complete saved run: {problem}")
    label = re.sub(r"[^\w+]+", "-", head.label, flags=re.ASCII).strip("-")[:100]
    label = label if re.match(r"\d{4}\b", label, flags=re.ASCII) else f"run-{label}"
    return Saved(path, label, tensorboard.seconds_since_1970(head.when), results)


def _problem(result: CellResult) -> str:
    """Why the values in a file are impossible, or its names not valid for folders; empty if all is well."""
    measured = [t.measurement for t in (*result.trials, *result.warm) if t.measurement is not None]
    if any(m.steps_per_sample * len(m.step_s) > MOST_EXPORTED_STEPS for m in measured):
        return f"a trial of {clean(str(result.cell))} has an impossible number of steps"
    tensorboard.scalars(result)
    return summary.of_result(result).problem()


def _write(run: Saved, home: Path) -> str:
    for result in run.results.values():
        place = _place(home, result.cell)
        event_files.write(place, tensorboard.cell(result, run.number or 0), run.wall_s)
        losses = tensorboard.references(result)
        if losses:
            event_files.write(place / "reference", losses, run.wall_s)
    failed = sum(result.status is not Status.OK for result in run.results.values())
    lacking = f", {failed} of them without a speed (status and reason are under Text)" if failed else ""
    return f"{home}: {len(run.results)} cells{lacking}"


def _write_series(saved: Sequence[Saved], home: Path) -> str:
    if home.exists():
        _own(home, None)
        shutil.rmtree(home)  # from an earlier export of other runs
    _own(home, saved)
    numbers = [run.number for run in saved if run.number is not None]
    numbered = len(numbers) == len(saved) and sorted(set(numbers)) == numbers  # numbers and times have the same order
    at = dict(zip((run.label for run in saved), numbers if numbered else range(1, len(saved) + 1), strict=True))
    cells = list(dict.fromkeys(cell for run in saved for cell in run.results))
    for cell in cells:
        of_cell = [(run, run.results[cell]) for run in saved if cell in run.results]
        event_files.write(_place(home, cell), _over_runs(of_cell, at), saved[-1].wall_s)
    return f"{home}: metrics of {len(cells)} cells over {len(saved)} runs"


def _over_runs(of_cell: Sequence[tuple[Saved, CellResult]], at: dict[str, int]) -> Iterator[Note]:
    for run, result in of_cell:
        x = at[run.label]
        yield Text("cell/status", f"{run.label}: {tensorboard.status(result)}", x, run.wall_s)
        for tag, value in tensorboard.scalars(result).items():
            yield Scalar(tag, value, x, run.wall_s)


def _own(home: Path, saved: Sequence[Saved] | None) -> Path:
    """Make sure that a folder is new, or holds only an earlier export of `saved` (of any runs for None), which is replaced."""
    mark = home / MARKER_FILE
    exported = mark.read_text(errors="replace") if mark.is_file() else None
    named = None if saved is None else "".join(f"{run.path.name} {run.wall_s:.0f}\n" for run in saved)
    if home.exists() and any(home.iterdir()) and (exported is None or named not in (None, exported)):
        what = "files that Bakeoff did not export" if exported is None else f"an export of {clean(exported)[:200].strip()}"
        raise UsageError(f"--tensorboard: {home} holds {what}; name another folder, or remove that one")
    if named is not None:
        home.mkdir(parents=True, exist_ok=True)
        mark.write_text(named)
    return home


def _place(home: Path, cell: Cell) -> Path:
    return home / cell.model / f"{cell.stack}-{cell.mode}"


def _plan(asked: argparse.Namespace) -> Plan:
    models, stacks = discovery.models(map(Path, asked.models_from)), discovery.stacks(map(Path, asked.compilers_from))
    cells = traces.chosen(asked.profile, models, stacks)
    given = {f"{part}s": ",".join(dict.fromkeys(getattr(c, part) for c in cells)) for part in ("model", "stack", "mode")}
    return replace(_common.plan(asked, **given), cells=frozenset(cells))


def _profile(plan: Plan, asked: argparse.Namespace, home: Path) -> int:
    """Profile the cells; the number of those that failed."""
    sigterm_as_ctrl_c()
    store, failed = options.store(lambda name: getattr(asked, name)), 0
    for found in traces.profiles(plan, store, lambda cell: _place(home, cell), _common.to_stderr):
        if found.failure is not None:
            failed += 1
            message = clean(found.failure.message.strip().partition("\n")[0])
            _say(f"{found.cell}: no profile: {found.failure.status}: {message}")
            continue
        texts = (
            Text("profile/about", f"{PROFILED_STEPS} warm steps of {found.cell}, profiled: {UNTIMED}."),
            Text("profile/settings", tensorboard.settings_table(plan.settings)),
            Text("profile/environment", tensorboard.environment_table(found.environment)),
        )
        event_files.write(found.folder, texts, time.time())
        written = [name for name in found.files if name.startswith("plugins/")]
        _say(f"{found.cell}: {found.folder / min(written or found.files)}; {UNTIMED}")
    return failed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
