"""Which cells an experiment asks about, by the fixtures and markers that it names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import Source
from bakeoff.pytest_plugin.fixtures import CELL_FIXTURES
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Start
from bakeoff.runner.plan import Plan

Rows = list[tuple[str, ...]]


def asked(metafunc: pytest.Metafunc, plan: Plan, option: Callable[[str], Any]) -> tuple[tuple[str, ...], Rows]:
    """(names of parameters, their values for each cell)."""
    fixtures = metafunc.fixturenames
    rows: Rows = []
    stacks = [s for s in plan.stacks if not s.exported_by]  # deployment formats have a question of their own
    every = [(m.name, s, str(mode)) for mode in plan.modes for m in plan.models for s in stacks]
    if bool(plan.settings.target) != ("lowered" in fixtures):
        pass  # nothing is timed for a target, nothing compiled for one without it
    elif "shape_series" in fixtures:
        marker = metafunc.definition.get_closest_marker("cells")
        assert marker is not None, "an experiment that asks for shape_series says of which cells"
        rows += shaped_cells(option, plan, **marker.kwargs)
    elif "export" in fixtures:
        marker = metafunc.definition.get_closest_marker("cells")
        assert marker is not None, "an experiment that asks for export says of which models"
        rows += served_cells(option, plan, **marker.kwargs)
    elif named := metafunc.definition.get_closest_marker("cells"):
        rows += named_cells(option, plan, **named.kwargs)
    elif single := metafunc.definition.get_closest_marker("kernels"):
        rows += kernel_cells(option, plan, **single.kwargs)
    elif "diagnosis" in fixtures:
        stacks = [s for s in plan.stacks if s.diagnoses]
        rows += [(m.name, s.name, str(mode)) for mode in _inference(plan) for m in plan.gallery for s in stacks]
    elif "start" in fixtures:
        starts = [(*row, start) for row in every for start in Start if start is Start.COLD or row[1].disk_cache]
        return (*CELL_FIXTURES, "start"), [(model, stack.name, mode, str(start)) for model, stack, mode, start in starts]
    else:
        rows += [(model, stack.name, mode) for model, stack, mode in every]
    return CELL_FIXTURES, rows


PROBES = ("copy",)  # measured beside the kernels, and none of ours


def named_cells(
    option: Callable[[str], Any],
    plan: Plan,
    models: str = "",
    modes: str = "",
    when: str = "inference",
    stacks: str = "",
    example: str = "",
) -> Rows:
    """Of a question that names its models, stacks or modes (or asks of those selected), where the mode `when` is asked for.

    `example` are its models where --models names none.
    """
    if when not in plan.modes:
        return []
    room = discovery.models(map(Path, option("models_from")))
    named = models or (example if option("models") is None else "")
    wanted = room.pick(named) if named else plan.models
    if option("models") is not None:
        wanted = [m for m in plan.models if m in wanted]
    own = discovery.stacks(map(Path, option("compilers_from"))).pick(stacks) if stacks else plan.stacks
    if option("stacks") is not None:
        own = [s for s in own if s in plan.stacks]
    chosen = [Mode(name) for name in modes.split(",")] if modes else plan.modes
    return [(m.name, s.name, str(mode)) for mode in chosen for m in wanted for s in own]


def _inference(plan: Plan) -> list[Mode]:
    """The mode in which breakages are planted, and shapes go through one program."""
    return [mode for mode in plan.modes if mode is Mode.INFERENCE]


def kernels(plan: Plan, option: Callable[[str], Any]) -> list[str]:
    """Names of the kernels whose operations --models leaves in, in a run of inference: a training run is about other things."""
    chosen = plan.all_models if option("models") is None else plan.models
    names = [m.name.removeprefix("kernel_") for m in chosen if m.is_kernel]
    asked = Mode.INFERENCE in plan.modes and not plan.settings.target
    return [name for name in names if name not in PROBES] if asked else []


def shape_models(option: Callable[[str], Any], plan: Plan, models: str) -> list[Source]:
    """Those of --shape-models, or of the selected ones those named in `models`. UsageError for an unknown name."""
    if option("shape_models"):
        return discovery.models(map(Path, option("models_from"))).pick(option("shape_models"))
    return [model for model in plan.models if model.name in models.split(",")]


def shaped_cells(option: Callable[[str], Any], plan: Plan, models: str, stacks: str) -> list[tuple[str, str, str]]:
    """Cells that a series of shapes goes through: of `models` those selected, `stacks` unless --stacks names others."""
    chosen = discovery.stacks(map(Path, option("compilers_from"))).pick(option("stacks") or stacks)
    chosen = [s for s in chosen if not s.exported_by]  # exported for one shape
    return [
        (m.name, s.name, str(mode)) for mode in _inference(plan) for m in shape_models(option, plan, models) for s in chosen
    ]


def served_cells(option: Callable[[str], Any], plan: Plan, models: str) -> list[tuple[str, str, str]]:
    """Cells of every deployment format that --stacks leaves in: of all models that --models names, else of `models`."""
    room = discovery.stacks(map(Path, option("compilers_from")))
    stacks = [s for s in (room if option("stacks") is None else plan.stacks) if s.exported_by]
    for stack in stacks:
        discovery.check(stack, "STACK")
    chosen = [m for m in plan.models if option("models") is not None or m.name in models.split(",")]
    return [(m.name, s.name, str(mode)) for mode in _inference(plan) for m in chosen for s in stacks]


def kernel_cells(option: Callable[[str], Any], plan: Plan, stacks: str) -> list[tuple[str, str, str]]:
    """Single operations × `stacks`, as far as --models and --stacks leave them in; inference only."""
    room = discovery.stacks(map(Path, option("compilers_from")))
    wanted = {s.name for s in room.pick(option("stacks") or stacks)}
    # on a CPU only where named: ours do not run there
    everything = plan.all_models if plan.settings.device != "cpu" or plan.settings.target else ()
    models = [m for m in (everything if option("models") is None else plan.models) if m.is_kernel]
    rows = [(m.name, s.name, str(Mode.INFERENCE)) for m in models for s in room.pick(stacks) if s.name in wanted]
    return rows if Mode.INFERENCE in plan.modes else []
