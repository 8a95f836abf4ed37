"""In the child: what a model computes in float64, and whether a cell's outputs are that."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.authoring.discovery import load_stack
from bakeoff.authoring.errors import BakeoffError
from bakeoff.authoring.model import Arrays, Model
from bakeoff.authoring.stack import Stack
from bakeoff.records.cell import Mode
from bakeoff.records.measurement import Parity
from bakeoff.records.request import Request
from bakeoff.records.trial import Phase
from bakeoff.system.device_lock import DeviceLock
from bakeoff.worker import parity, training
from bakeoff.worker.build import build

LOW_PRECISION, TIMES_EAGER = ("float16", "bfloat16"), 3.0


def write(request: Request, enter: Callable[[Phase], None]) -> None:
    """The same model by an eager stack in float64: outputs of every batch, or what training steps leave."""
    stack = load_stack(Path(request.stack_path))
    assert request.arrays is not None
    if request.cell.mode is not Mode.INFERENCE:
        training.reference(request, stack, enter)
        return
    enter(Phase.BUILD)
    _, _, program, batches = build(request, stack, "float64")
    enter(Phase.PARITY)
    step = stack.compile(program)
    with DeviceLock.inherited().alone():  # or it would run in the midst of another cell's timed steps
        outputs = [{name: np.array(array, copy=True) for name, array in stack.fetch(step(b)).items()} for b in batches]
    for arrays in outputs:
        for name, array in arrays.items():
            if array.dtype != np.float64 or not array.size or not np.isfinite(array).all():
                raise BakeoffError(f"the reference's {name} is {array.dtype}, or empty, or not finite: nothing to compare with")
    parity.save(Path(request.arrays), outputs)
    if request.settings.dtype in LOW_PRECISION:
        _distance(request, stack, outputs, Path(request.arrays))


def _distance(request: Request, stack: Stack[Any], exact: list[Arrays], path: Path) -> None:
    """How far eager itself is from float64 in a dtype whose rounding decides the result: what a compiler is held to."""
    _, _, program, batches = build(request, stack, request.settings.dtype)
    step = stack.compile(program)
    with DeviceLock.inherited().alone():
        found = [parity.check(stack.fetch(step(b)), exact[i], i, "eager").error for i, b in enumerate(batches)]
    if None in found:
        raise BakeoffError(f"eager in {request.settings.dtype} is not finite where float64 is: nothing to hold a compiler to")
    path.with_suffix(".json").write_text(json.dumps(max(error for error in found if error is not None)))


def checked(request: Request, model: Model, outputs: dict[int, tuple[str, Arrays]]) -> Parity | None:
    """Outputs, by index of their batch, against the reference; None where there is none."""
    if request.arrays is None:
        return None
    expected = parity.read(Path(request.arrays))
    checks = (parity.check(arrays, expected[i], i, when) for i, (when, arrays) in sorted(outputs.items()))
    tolerance = model.tolerance
    if request.settings.dtype in LOW_PRECISION:
        tolerance = max(tolerance, TIMES_EAGER * json.loads(Path(request.arrays).with_suffix(".json").read_text()))
    return Parity(tolerance=tolerance, checks=tuple(checks))
