"""The parent's side of profiling: which cells, a child for each, one after the other, and where their traces go."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from bakeoff.authoring.discovery import Registry, Source, StackSource
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Environment, Failure
from bakeoff.runner.launch import Launcher
from bakeoff.runner.plan import Plan
from bakeoff.runner.preparation import Prepared
from bakeoff.runner.store import RunFolder, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What came of profiling a cell: files in `folder`, or a failure. No figure of it is a measurement."""

    cell: Cell
    folder: Path
    wall_s: float
    files: dict[str, int]  # path in `folder` → bytes
    failure: Failure | None
    environment: Environment | None


def chosen(wanted: Sequence[str], models: Registry[Source], stacks: Registry[StackSource]) -> list[Cell]:
    """The cells named, as model-stack-mode (inference without a mode) or as a glob. UsageError for what matches nothing.

    A glob means cells of the matrix; where it matches none of those, any.
    """
    every = [(Cell(m.name, s.name, mode), m.in_matrix and s.default) for m in models for s in stacks for mode in Mode]
    found: list[Cell] = []
    for name in wanted:
        if not any(c in name for c in "*?["):
            found.append(_named(name, models, stacks))
            continue
        matched = [(cell, usual) for cell, usual in every if fnmatchcase(str(cell), name)]
        if not matched:
            raise UsageError(f"--profile {name} matches no cell; a cell is model-stack-mode, of the names in `bakeoff list`")
        found += [cell for cell, usual in matched if usual] or [cell for cell, _ in matched]
    return list(dict.fromkeys(found))


def _named(name: str, models: Registry[Source], stacks: Registry[StackSource]) -> Cell:
    parts = name.split("-")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise UsageError(f"--profile {name}: write model-stack-mode, such as mlp-torch_eager-inference, or a glob")
    mode = parts[2] if parts[2:] else str(Mode.INFERENCE)
    if mode not in set(Mode):
        raise UsageError(f"--profile {name}: there is no mode {mode}; there are: {', '.join(Mode)}")
    return Cell(models[parts[0]].name, stacks[parts[1]].name, Mode(mode))


def profiles(plan: Plan, store: Store, home: Callable[[Cell], Path], say: Callable[[str], None]) -> Iterator[Profile]:
    """The profile of each selected cell, as it is ready, in home(cell). One that fails keeps none from the next."""
    rows = plan.selected()
    run = store.begin(plan.settings, [str(cell) for cell, *_ in rows], trials=0)  # its logs stay; nothing was measured in it
    launcher = Launcher(settings=plan.settings, folder=run.logs, scratch=run.scratch, interpreters=plan.interpreters)
    prepared = Prepared(plan, launcher, run, store.machine, say)
    try:
        for cell, model, stack in rows:
            say(f"{cell}: profiling")
            yield _one(prepared, cell, model, stack, home(cell))
        run.finish()
    finally:
        _tidy(run)


def _one(prepared: Prepared, cell: Cell, model: Source, stack: StackSource, folder: Path) -> Profile:
    failure = prepared.refused(stack)[1]
    if failure is not None:
        return Profile(cell=cell, folder=folder, wall_s=0.0, files={}, failure=failure, environment=None)
    prepared.once_per_machine(stack)
    with prepared.launcher.private(prepared.seed(stack)) as private:
        answer, wall_s = prepared.launcher.profile(cell, model, stack, private)
        if answer.failure is None:
            shutil.copytree(private.artifacts, folder, dirs_exist_ok=True)
    return Profile(
        cell=cell,
        folder=folder,
        wall_s=wall_s,
        files=answer.files,
        failure=answer.failure,
        environment=answer.environment,
    )


def _tidy(run: RunFolder) -> None:
    run.close()
    shutil.rmtree(run.scratch, ignore_errors=True)
