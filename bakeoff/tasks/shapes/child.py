"""How does a child measure a series of shapes? It compiles one program and calls it with each shape in turn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.authoring.discovery import load
from bakeoff.authoring.errors import Unsupported, UsageError
from bakeoff.authoring.model import Arrays, Draw
from bakeoff.authoring.protocols import RunsWithoutCompiler
from bakeoff.authoring.stack import Stack
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Phase
from bakeoff.tasks.shapes.record import SeriesResult, ShapeStep
from bakeoff.worker import clock, parity
from bakeoff.worker.build import build
from bakeoff.worker.job import Job

LEAST_STEPS = 20
LEAST_NS = 200_000_000  # minimum time of the steady steps of a shape
MOST_SHAPE_STEPS = 2_000


def run(job: Job) -> SeriesResult:
    """One ShapeStep per size, in the order of the request. The program is built once, for the largest size.

    Raises Unsupported for another mode than inference, a model without the field, or a stack that captures no graph.
    """
    request, enter, stack = job.request, job.enter, job.load_stack()
    axis, wanted = str(request.options["axis"]), [int(n) for n in request.options["sizes"]]
    settings = request.settings
    if request.cell.mode is not Mode.INFERENCE:
        raise Unsupported("a series of shapes is measured in inference only")
    if not isinstance(stack, RunsWithoutCompiler):
        raise Unsupported(f"{type(stack).__name__} has no step without its compiler")
    enter(Phase.BUILD)
    sizes = load(Path(request.model_path), "MODEL")
    try:
        sizes.at(settings.size, None, {axis: wanted[0]})
    except UsageError as error:
        raise Unsupported(str(error)) from None
    models = {n: sizes.at(settings.size, settings.batch_size, {axis: n}) for n in (*wanted, max(wanted))}
    program = build(request, stack, "float32", model=models[max(wanted)])[2]
    batches = {n: stack.to_device(program, model.batch(Draw(settings.seed, 1, 0), 0)) for n, model in models.items()}
    enter(Phase.COMPILE)
    step: Callable[[Any], Any] | None = None
    found = []
    for number, (size, batch) in enumerate((n, batches[n]) for n in wanted):
        before = stack.compilations(program) if number else 0
        if step is None:
            try:
                step, output, first_ns = clock.first_call(
                    lambda: stack.compile(program), batch, stack.synchronize, clock.monotonic
                )
            except Exception as error:  # the stack tells a refusal of the model from other errors
                raise stack.refusal(error) from error
        else:
            output, first_ns = _timed(step, batch, stack)
        compilations = stack.compilations(program) - before
        outputs = _copied(stack.fetch(output))
        steps_ns: list[int] = []
        until = clock.monotonic() + LEAST_NS
        while len(steps_ns) < LEAST_STEPS or (clock.monotonic() < until and len(steps_ns) < MOST_SHAPE_STEPS):
            steps_ns.append(_timed(step, batch, stack)[1])
        if number == 0:
            steps_ns = steps_ns[LEAST_STEPS // 2 :]  # without the warm-up of the program
        expected = _copied(stack.fetch(stack.step_without_compiler(program)(batch)))
        found.append(
            ShapeStep(
                size=size,
                first_s=first_ns / 1e9,
                compilations=compilations,
                step_s=tuple(ns / 1e9 for ns in steps_ns),
                error=parity.check(outputs, expected, 0, "timed").error,
            )
        )
    if stack.counters(program).graphs == 0:
        raise Unsupported("the stack captured no graph and ran eagerly")
    return SeriesResult(tolerance=models[wanted[0]].tolerance, steps=tuple(found))


def _timed(step: Callable[[Any], Any], batch: Any, stack: Stack[Any]) -> tuple[Any, int]:
    start = clock.monotonic()
    output = step(batch)
    stack.synchronize(output)
    return output, clock.monotonic() - start


def _copied(arrays: Arrays) -> Arrays:
    return {name: np.array(array, copy=True) for name, array in arrays.items()}
