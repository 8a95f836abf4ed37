"""In the child: does it learn what eager learns? What training steps leave, against the same steps in float64.

Compared are the loss, the gradients as the optimizer was given them, how far it moved the parameters, and batch norm's
statistics: after the first call, and after the clock has stopped once more from the start, on batches never seen. Each tensor
by ‖x − reference‖ / ‖reference‖ in the Euclidean norm. What it may be off by follows from how far the framework's own eager
step in the run's dtype is off, from these weights and from others a rounding away: batch statistics of a small batch, say,
magnify rounding a million times.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.authoring.errors import BakeoffError, Unsupported
from bakeoff.authoring.model import Array, Arrays, Model
from bakeoff.authoring.protocols import Trainable
from bakeoff.authoring.stack import Stack
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.request import Request
from bakeoff.records.trial import Phase
from bakeoff.worker import parity
from bakeoff.worker.build import ROTATING, build, drawn

KINDS = ("loss", "gradient", "parameter", "buffer")
TIMES_OWN = 8.0  # the distance of eager's own step; docs/decisions/0008
TYPICAL = 0.75  # quantile of the distances of a kind: rounding that batch statistics magnify is not small in one tensor alone
CURVE = 10  # losses that are kept, from the first step on
CURVE_WITHIN = 1e-4  # of float64's losses, where a curve means something: where eager's own keeps well within it
NEARBY = 2  # starts a rounding away from the weights, from which eager's distance is taken as well
EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
PORT = 1e-7  # between the frameworks in float64
BUCKETS = 4096
CHUNK = 1 << 20


def sketch(array: Array) -> Array:
    """float64 of at most BUCKETS elements: the array, or its count sketch, in which every element takes part.

    A count sketch is linear and keeps Euclidean norms, to 2 % here (Charikar, Chen and Farach-Colton 2002; Thorup and Zhang
    2012): a reference of any model stays small.
    """
    flat = array.reshape(-1)
    if flat.size <= BUCKETS:
        return flat.astype(np.float64)
    total = np.zeros(BUCKETS)
    for first in range(0, flat.size, CHUNK):
        part = flat[first : first + CHUNK].astype(np.float64)
        drawn_bits = np.random.default_rng(first).integers(0, 2 * BUCKETS, part.size, dtype=np.uint16)
        part *= (drawn_bits & 1) * 2.0 - 1.0
        total += np.bincount(drawn_bits >> 1, weights=part, minlength=BUCKETS)
    return total


class TrainingCheck:
    """Follows one program through its training. Everything here is outside the clock."""

    def __init__(self, request: Request, stack: Stack[Any], model: Model, program: Any) -> None:
        self.left: list[
            Arrays
        ] = []  # what a first step from the start left, sketched: of the first batch, then of held-out ones
        self.losses: list[float] = []
        if not isinstance(stack, Trainable):
            raise Unsupported(f"{type(stack).__name__} does not train")
        self._request, self._stack, self._model, self._program = request, stack, model, program

    def first(self, output: Any) -> None:
        """After a step from the start."""
        loss = self._loss(output)
        if not self.left:
            self.losses.append(float(loss))
        tensors = {name: sketch(array) for name, array in self._stack.state(self._program)}
        self.left.append({"loss": np.asarray(loss, np.float64).reshape(-1), **tensors})

    def follow(self, output: Any) -> None:
        """After each step of the warm-up: the curve of losses."""
        if len(self.losses) < CURVE:
            self.losses.append(float(self._loss(output)))

    def restart(self, nearby: int = 0) -> None:
        """Back to the start, or to weights that are each a rounding of it: another one for each number `nearby`."""
        weights = drawn(self._request, self._model)
        self._stack.restart(self._program, rounded(weights, self._request.settings.dtype, nearby) if nearby else weights)

    def _loss(self, output: Any) -> Array:
        (loss,) = self._stack.fetch(output).values()
        return np.array(loss, copy=True)


def reference(request: Request, stack: Stack[Any], enter: Callable[[Phase], None]) -> None:
    """What eager training leaves in float64, how far it is off in the run's dtype, and how far the two frameworks differ."""
    assert request.reference is not None
    path = Path(request.reference)
    exact, weights = _taught(request, stack, "float64", enter)
    start = _sketched(weights)
    for step in exact.left:
        for name, array in step.items():
            if not array.size or not np.isfinite(array).all():
                raise BakeoffError(f"the reference's {name} is empty, or not finite: nothing to compare with")
    own, _ = _taught(request, stack, request.settings.dtype, enter, nearby=NEARBY)
    steps = []
    for nearby in range(NEARBY + 1):
        other = start if not nearby else _sketched(rounded(weights, request.settings.dtype, nearby))
        left, own.left = own.left[: len(exact.left)], own.left[len(exact.left) :]
        steps += [distances(_moved(a, other, start), b, start) for a, b in zip(left, exact.left, strict=True)]
    if not all(np.isfinite(list(step.values())).all() for step in steps):
        raise BakeoffError(f"eager in {request.settings.dtype} is not finite where float64 is: nothing to hold a compiler to")
    kept: dict[str, Any] = {"own": {name: max(step[name] for step in steps) for name in steps[0]}}
    kept["losses"] = [_off(a, b) for a, b in zip(own.losses, exact.losses, strict=True)]
    if request.options.get("other"):
        theirs = parity.read(Path(request.options["other"]))
        port = [distances(a, b, start) for a, b in zip(exact.left, theirs, strict=False)]
        settled = {name: max(step[name] for step in port) for name in port[0] if kept["own"].get(name, 0.0) < 0.1}
        if settled:  # in a low precision eager may be off everywhere
            kept["port"] = max(settled.items(), key=lambda pair: pair[1])
    path.with_suffix(".json").write_text(json.dumps(kept))
    parity.save(path, [*exact.left, {"losses": np.array(exact.losses), **start}])


def _sketched(weights: Arrays) -> Arrays:
    return {f"start.{name}": sketch(array) for name, array in weights.items()}


def _moved(left: Arrays, origin: Arrays, start: Arrays) -> Arrays:
    """What steps from `origin` left, with parameters as if they had moved as far from `start`: sketches add up."""
    by = {name: start[f"start.{name}"] - origin[f"start.{name}"] for name in (key.removeprefix("start.") for key in start)}
    return {
        name: a + by.get(name.removeprefix("parameter."), 0.0) if name.startswith("parameter.") else a
        for name, a in left.items()
    }


def rounded(weights: Arrays, dtype: str, seed: int) -> Arrays:
    """Each weight a spacing of `dtype` larger or smaller, at random.

    A step that rounds as it should computes the exact step of data a few roundings away (backward stability: Higham 2002,
    1.5). So what these starts lead to is what rounding alone may do, however it fell for the one program that was looked at:
    a ReLU whose input is zero but for rounding is on in one and off in another.
    """
    rng = np.random.default_rng(seed)
    return {
        name: (a * (1 + EPSILON[dtype] * (2 * rng.integers(0, 2, a.shape) - 1))).astype(a.dtype) if a.dtype.kind == "f" else a
        for name, a in weights.items()
    }


def _taught(
    request: Request, stack: Stack[Any], precision: str, enter: Callable[[Phase], None], nearby: int = 0
) -> tuple[TrainingCheck, Arrays]:
    """The same steps as a measuring child takes: its first, those of its curve, and from the start on the held-out batches.

    Then each batch again, from each of `nearby` other starts.
    """
    enter(Phase.BUILD)
    model, _, program, batches = build(request, stack, precision)
    enter(Phase.PARITY)
    step, training_check = stack.compile(program), TrainingCheck(request, stack, model, program)
    training_check.first(step(batches[0]))
    for number in range(CURVE - 1):
        training_check.follow(step(batches[number % ROTATING]))
    for start in range(nearby + 1):
        for batch in (batches[0], *batches[ROTATING:]) if start else batches[ROTATING:]:
            training_check.restart(start)
            training_check.first(step(batch))
    return training_check, drawn(request, model)


def distances(found: Mapping[str, Array], expected: Mapping[str, Array], start: Mapping[str, Array]) -> dict[str, float]:
    """Name → ‖x − reference‖ / ‖reference‖; of parameters, the distances that they moved. Infinite for what is missing.

    A parameter that only rounding moves (the next batch norm takes it away again) may rest in float64: it moved by its spacing.
    """
    kept = {name: float("inf") for name in set(found) ^ set(expected)}
    for name in set(found) & set(expected):
        origin = start[f"start.{name.removeprefix('parameter.')}"] if name.startswith("parameter.") else 0.0
        reference, off = expected[name] - origin, float(np.linalg.norm(found[name] - expected[name]))
        size = float(np.linalg.norm(reference))
        if name.startswith("parameter."):
            size = max(size, float(np.finfo(np.float64).eps * np.linalg.norm(expected[name])))
        kept[name] = off / size if size else 0.0 if off == 0.0 else float("inf")
    return kept


def checked(
    request: Request, model: Model, training_check: TrainingCheck, timed: Mapping[int, Arrays]
) -> tuple[Parity | None, tuple[float, ...]]:
    """(what was taught against the reference, the reference's losses); None where there is no reference."""
    if request.reference is None:
        return None, ()
    *expected, rest = parity.read(Path(request.reference))
    kept = json.loads(Path(request.reference).with_suffix(".json").read_text())
    losses = tuple(map(float, rest["losses"]))
    checks = []
    for number, (left, exact) in enumerate(
        zip(training_check.left, expected, strict=False)
    ):  # an interpreted program takes one step
        batch, when = (0, "first") if number == 0 else (ROTATING + number - 1, "held-out")
        checks += _by_kind(distances(left, exact, rest), kept["own"], model.tolerance, batch, when)
    checks += [_check(i, "timed", "finite loss", 0.0 if _finite(a) else float("inf"), 0.0) for i, a in sorted(timed.items())]
    if TIMES_OWN * max(kept["losses"]) < CURVE_WITHIN:
        checks.append(_curve(training_check.losses, losses))
    if "port" in kept:
        name, error = kept["port"]
        checks.append(_check(0, "float64", f"{name} between the frameworks", error, PORT))
    return Parity(tolerance=model.tolerance, checks=tuple(checks)), losses


def _by_kind(found: Mapping[str, float], own: Mapping[str, float], floor: float, batch: int, when: str) -> list[Check]:
    """Of each kind of tensor the one that is worst for what it may be off by.

    A tensor that eager itself misses by its whole size (a key's bias has no gradient but rounding) stands for its kind only
    where it is off by more than that.
    """
    checks = []
    for kind in KINDS:
        names = [name for name in found if name.partition(".")[0] == kind]
        typical = float(np.quantile([own[name] for name in names if name in own] or [0.0], TYPICAL))
        bound = {name: max(floor, TIMES_OWN * max(own.get(name, 0.0), typical)) for name in names}
        if names:
            off = {name: found[name] / bound[name] for name in names}
            worst = max(names, key=lambda name: (off[name] > 1, bound[name] < 1, off[name]))
            checks.append(_check(batch, when, worst, found[worst], bound[worst]))
    return checks


def _curve(found: list[float], exact: tuple[float, ...]) -> Check:
    """The worst point of the curve."""
    errors = [_off(a, b) for a, b in zip(found, exact, strict=False)]
    worst = errors.index(max(errors))
    return _check(max(0, worst - 1) % ROTATING, "curve", f"loss of step {worst + 1}", errors[worst], CURVE_WITHIN)


def _off(loss: float, exact: float) -> float:
    """Relative; infinite where one is not finite, or only the exact one is zero."""
    if loss == exact:
        return 0.0
    return abs(loss - exact) / abs(exact) if exact and np.isfinite(loss) else float("inf")


def _check(batch: int, when: str, output: str, error: float, tolerance: float) -> Check:
    return Check(batch=batch, when=when, output=output, error=error if np.isfinite(error) else None, tolerance=tolerance)


def _finite(arrays: Arrays) -> bool:
    return all(array.size and np.isfinite(array).all() for array in arrays.values())
