"""What are the training results of a model in float64, and how far is eager from them by rounding alone? In the child."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.authoring.errors import BakeoffError
from bakeoff.authoring.model import Arrays
from bakeoff.authoring.stack import Stack
from bakeoff.records.request import Request
from bakeoff.records.trial import Phase
from bakeoff.worker import parity
from bakeoff.worker.build import ROTATING, build, initial_weights
from bakeoff.worker.training import CURVE, TrainingCheck, distances, off, rounded, sketch

NEARBY = 2  # further starts for eager's distance, with weights that differ by a rounding


def reference(request: Request, stack: Stack[Any], enter: Callable[[Phase], None]) -> None:
    """Write the reference of training steps to `request.reference`. Raises BakeoffError where a result is not finite.

    It contains eager's results in float64, the distances of eager in the run's dtype, and, if the request names the reference
    of the other framework, the largest distance from that.
    """
    assert request.reference is not None
    path = Path(request.reference)
    exact, weights = _trained(request, stack, "float64", enter)
    start = _sketched(weights)
    for step in exact.left:
        for name, array in step.items():
            if not array.size or not np.isfinite(array).all():
                raise BakeoffError(f"the reference cannot be used: {name} is empty, or not finite")
    own, _ = _trained(request, stack, request.settings.dtype, enter, weights, nearby=NEARBY)
    steps = []
    for nearby in range(NEARBY + 1):
        other = start if not nearby else _sketched(rounded(weights, request.settings.dtype, nearby))
        left, own.left = own.left[: len(exact.left)], own.left[len(exact.left) :]
        steps += [distances(_moved(a, other, start), b, start) for a, b in zip(left, exact.left, strict=True)]
    if not all(np.isfinite(list(step.values())).all() for step in steps):
        raise BakeoffError(
            f"no tolerance for {request.settings.dtype}: eager's results are not finite where those of float64 are"
        )
    bounds: dict[str, Any] = {"own": {name: max(step[name] for step in steps) for name in steps[0]}}
    bounds["losses"] = [off(a, b) for a, b in zip(own.losses, exact.losses, strict=True)]
    if request.options.get("other"):
        others = parity.read(Path(request.options["other"]))
        between = [distances(a, b, start) for a, b in zip(exact.left, others, strict=False)]
        settled = {name: max(step[name] for step in between) for name in between[0] if bounds["own"].get(name, 0.0) < 0.1}
        if settled:  # in a low precision eager may be far off in every tensor
            bounds["between_frameworks"] = max(settled.items(), key=lambda pair: pair[1])
    path.with_suffix(".json").write_text(json.dumps(bounds))
    parity.save(path, _saved(exact, start))


def exact_steps(request: Request, stack: Stack[Any]) -> list[Arrays]:
    """The arrays that a reference consists of: eager's results in float64, without the distances of eager in another dtype."""
    exact, weights = _trained(request, stack, "float64", lambda phase: None)
    return _saved(exact, _sketched(weights))


def _saved(exact: TrainingCheck, start: Arrays) -> list[Arrays]:
    return [*exact.left, {"losses": np.array(exact.losses), **start}]


def _sketched(weights: Arrays) -> Arrays:
    return {f"start.{name}": sketch(array) for name, array in weights.items()}


def _moved(left: Arrays, origin: Arrays, start: Arrays) -> Arrays:
    """The results of a step from `origin`, with the parameters moved by as much from `start` instead. Sketches are linear."""
    by = {name: start[f"start.{name}"] - origin[f"start.{name}"] for name in (key.removeprefix("start.") for key in start)}
    return {
        name: a + by.get(name.removeprefix("parameter."), 0.0) if name.startswith("parameter.") else a
        for name, a in left.items()
    }


def _trained(
    request: Request,
    stack: Stack[Any],
    precision: str,
    enter: Callable[[Phase], None],
    weights: Arrays | None = None,
    nearby: int = 0,
) -> tuple[TrainingCheck, Arrays]:
    """The steps that a measuring child takes: the first, those of the loss curve, and first steps on the held-out batches.

    Then first steps on the first and the held-out batches again, from each of `nearby` further starts. `weights`: those of the
    start, if they have been drawn.
    """
    enter(Phase.BUILD)
    model, _, program, batches = build(request, stack, precision)
    enter(Phase.PARITY)
    weights = initial_weights(request, model) if weights is None else weights
    step, training_check = stack.compile(program), TrainingCheck(request, stack, model, program, weights)
    training_check.first(step(batches[0]))
    for number in range(CURVE - 1):
        training_check.follow(step(batches[number % ROTATING]))
    for start in range(nearby + 1):
        for batch in (batches[0], *batches[ROTATING:]) if start else batches[ROTATING:]:
            training_check.restart(start)
            training_check.first(step(batch))
    return training_check, weights
