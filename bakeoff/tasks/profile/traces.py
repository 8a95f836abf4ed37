"""How are cells profiled? In one child per cell, one after another; the traces are kept."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from bakeoff.authoring.discovery import Registry, Source, StackSource, named_cell
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode
from bakeoff.runner.cells import CellRunner
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.store import Store
from bakeoff.tasks.profile.record import Profile, ProfileResult


def chosen(wanted: Sequence[str], models: Registry[Source], stacks: Registry[StackSource]) -> list[Cell]:
    """The cells of --profile. Each name is model-stack-mode (default mode: inference) or a glob.

    A glob selects default cells of the matrix; if it matches none of these, any cells. Raises UsageError if nothing matches.
    """
    every = [(Cell(m.name, s.name, mode), m.in_matrix and s.default) for m in models for s in stacks for mode in Mode]
    found: list[Cell] = []
    for name in wanted:
        if not any(c in name for c in "*?["):
            found.append(named_cell(name, models, stacks))
            continue
        matched = [(cell, usual) for cell, usual in every if fnmatchcase(str(cell), name)]
        if not matched:
            raise UsageError(f"--profile {name} matches no cell; a cell is model-stack-mode, of the names in `bakeoff list`")
        found += [cell for cell, usual in matched if usual] or [cell for cell, _ in matched]
    return list(dict.fromkeys(found))


def profiles(plan: Plan, store: Store, home: Callable[[Cell], Path], say: Callable[[str], None]) -> Iterator[Profile]:
    """Yield the profile of each selected cell when it is ready, with its files in home(cell). A failure stops nothing."""
    rows = plan.selected()
    run = store.begin(plan.settings, plan.identity(), trials=0)  # a run without trials; its logs are kept
    cells = CellRunner.of(plan, run, store.machine, say)  # no task prepares a cell: an exported program has no profile
    try:
        for planned in rows:
            say(f"{planned.cell}: profiling")
            yield _one(cells, planned, home(planned.cell))
        run.finish()
    finally:
        cells.launcher.close()
        run.close()
        shutil.rmtree(run.scratch, ignore_errors=True)


def _one(cells: CellRunner, planned: PlannedCell, folder: Path) -> Profile:
    ready = cells.ready(planned, reference=False)
    if ready.failure is not None:
        return Profile(cell=planned.cell, folder=folder, wall_s=0.0, failure=ready.failure)
    with cells.sandbox(planned) as sandbox:
        ended = cells.child("bakeoff.tasks.profile.child", ProfileResult, planned, sandbox, name="profile")
        if ended.failure is None:
            shutil.copytree(sandbox.artifacts, folder, dirs_exist_ok=True)
    return Profile(
        cell=planned.cell,
        folder=folder,
        wall_s=ended.wall_s,
        files=ended.result.files if ended.result else {},
        failure=ended.failure,
        environment=ended.environment,
    )
