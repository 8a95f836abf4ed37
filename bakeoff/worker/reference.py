"""What does a model compute in float64, and do a cell's outputs agree with it? In the child."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.authoring.errors import BakeoffError
from bakeoff.authoring.model import Arrays, Model
from bakeoff.authoring.stack import Stack
from bakeoff.records.cell import Mode
from bakeoff.records.measurement import Parity
from bakeoff.records.request import Request
from bakeoff.records.trial import Phase
from bakeoff.system.device_lock import DeviceLock
from bakeoff.worker import parity, training_reference
from bakeoff.worker.build import build
from bakeoff.worker.job import Job

LOW_PRECISION, TIMES_EAGER = ("float16", "bfloat16"), 3.0


def run(job: Job) -> None:
    """Write the reference: an eager stack's float64 outputs of every batch, or the results of its training steps."""
    request, enter, stack = job.request, job.enter, job.load_stack()
    assert request.reference is not None
    if request.cell.mode is not Mode.INFERENCE:
        training_reference.reference(request, stack, enter)
        return
    enter(Phase.BUILD)
    _, _, program, batches = build(request, stack, "float64")
    enter(Phase.PARITY)
    step = stack.compile(program)
    with DeviceLock.inherited().alone():  # not during another cell's timed steps
        outputs = [{name: np.array(array, copy=True) for name, array in stack.fetch(step(b)).items()} for b in batches]
    for arrays in outputs:
        for name, array in arrays.items():
            if array.dtype != np.float64 or not array.size or not np.isfinite(array).all():
                raise BakeoffError(f"the reference cannot be used: {name} is {array.dtype}, or empty, or not finite")
    parity.save(Path(request.reference), outputs)
    if request.settings.dtype in LOW_PRECISION:
        _distance(request, stack, outputs, Path(request.reference))


def _distance(request: Request, stack: Stack[Any], exact: list[Arrays], path: Path) -> None:
    """Write the distance of eager in a low precision from float64, from which the tolerance for compilers follows."""
    _, _, program, batches = build(request, stack, request.settings.dtype)
    step = stack.compile(program)
    with DeviceLock.inherited().alone():
        found = [parity.check(stack.fetch(step(b)), exact[i], i, "eager").error for i, b in enumerate(batches)]
    if None in found:
        raise BakeoffError(
            f"no tolerance for {request.settings.dtype}: eager's outputs are not finite where those of float64 are"
        )
    path.with_suffix(".json").write_text(json.dumps(max(error for error in found if error is not None)))


def checked(request: Request, model: Model, outputs: dict[int, tuple[str, Arrays]]) -> Parity | None:
    """Compare outputs with the reference; None without a reference. `outputs`: batch index → (Check.when, outputs)."""
    if request.reference is None:
        return None
    expected = parity.read(Path(request.reference))
    checks = (parity.check(arrays, expected[i], i, when) for i, (when, arrays) in sorted(outputs.items()))
    tolerance = model.tolerance
    if request.settings.dtype in LOW_PRECISION:
        tolerance = max(tolerance, TIMES_EAGER * json.loads(Path(request.reference).with_suffix(".json").read_text()))
    return Parity(tolerance=tolerance, checks=tuple(checks))
