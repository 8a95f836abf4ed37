"""Which cells does an experiment run on? The fixtures and markers that it names decide."""

from collections.abc import Callable
from typing import Any

import pytest

from bakeoff import tasks
from bakeoff.authoring.discovery import KERNELS, StackSource
from bakeoff.pytest_plugin.fixtures import CELL_FIXTURES
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Start
from bakeoff.runner.options import registries
from bakeoff.runner.plan import Plan
from bakeoff.runner.task import Question, Task

Rows = list[tuple[str, ...]]
REFERENCE_ONLY = ("copy",)  # measured for comparison with the kernels; Bakeoff has no kernel for it


def task_of(fixtures: Any) -> Task[Any] | None:
    """The task whose record an experiment uses as a fixture; None if it uses results of timing only."""
    return next((task for task in tasks.every() if task.fixture in fixtures), None)


def asked(metafunc: pytest.Metafunc, plan: Plan, option: Callable[[str], Any]) -> tuple[tuple[str, ...], Rows]:
    """(parameter names, their values for each cell)."""
    fixtures, marker = metafunc.fixturenames, metafunc.definition.get_closest_marker
    if bool(plan.settings.target) != ("compile_only" in fixtures):
        return CELL_FIXTURES, []  # with --target nothing is timed, and without it nothing is compile-only
    task, named, single = task_of(fixtures), marker("cells"), marker("kernels")
    if task is not None:
        found = task.select(Question(plan=plan, option=option, arguments=named.kwargs if named else {}))
        return CELL_FIXTURES, [(p.cell.model, p.cell.stack, str(p.cell.mode)) for p in found]
    if named:
        return CELL_FIXTURES, named_cells(option, plan, **named.kwargs)
    if single:
        return CELL_FIXTURES, kernel_cells(option, plan, **single.kwargs)
    stacks: list[StackSource] = [
        s for s in plan.stacks if not s.exported_by
    ]  # deployment formats have an experiment of their own
    every = [(m.name, s, str(mode)) for mode in plan.modes for m in plan.models for s in stacks]
    if "start" in fixtures:
        warm = plan.trials > 1  # the second group starts warm
        starts = [(*row, start) for row in every for start in Start if start is Start.COLD or (warm and row[1].disk_cache)]
        return (*CELL_FIXTURES, "start"), [(model, stack.name, mode, str(start)) for model, stack, mode, start in starts]
    return CELL_FIXTURES, [(model, stack.name, mode) for model, stack, mode in every]


def named_cells(
    option: Callable[[str], Any],
    plan: Plan,
    models: str = "",
    modes: str = "",
    when: str = "inference",
    stacks: str = "",
    example: str = "",
) -> Rows:
    """The cells of an experiment that names its models, stacks or modes; what it does not name defaults to the selection.

    No cells unless the mode `when` is selected. `example`: the models if --models is not given.
    """
    if when not in plan.modes:
        return []
    all_models, all_stacks = registries(option)
    named = models or (example if option("models") is None else "")
    wanted = all_models.pick(named) if named else plan.models
    if option("models") is not None:
        wanted = [m for m in plan.models if m in wanted]
    own = all_stacks.pick(stacks) if stacks else plan.stacks
    if option("stacks") is not None:
        own = [s for s in own if s in plan.stacks]
    chosen = [Mode(name) for name in modes.split(",")] if modes else plan.modes
    return [(m.name, s.name, str(mode)) for mode in chosen for m in wanted for s in own]


def kernels(plan: Plan, option: Callable[[str], Any]) -> list[str]:
    """Names of Bakeoff's kernels whose operations --models selects; none unless the run includes inference."""
    chosen = plan.all_models if option("models") is None else plan.models
    names = [m.operation for m in chosen if m.operation is not None and m.path.parent == KERNELS]
    return [n for n in names if n not in REFERENCE_ONLY] if Mode.INFERENCE in plan.modes and not plan.settings.target else []


def kernel_cells(option: Callable[[str], Any], plan: Plan, stacks: str) -> Rows:
    """The cells of single operations on `stacks`, as far as --models and --stacks select them; inference only."""
    all_stacks = registries(option)[1]
    wanted = {s.name for s in all_stacks.pick(option("stacks") or stacks)}
    # on a CPU only if they are named: Bakeoff's own kernels do not run there
    everything = plan.all_models if plan.settings.device != "cpu" or plan.settings.target else ()
    models = [m for m in (everything if option("models") is None else plan.models) if m.is_kernel]
    rows: Rows = [(m.name, s.name, str(Mode.INFERENCE)) for m in models for s in all_stacks.pick(stacks) if s.name in wanted]
    return rows if Mode.INFERENCE in plan.modes else []
