"""Does a compiled training step compute what eager computes? In the child: its results are compared with float64.

Compared are the loss, the gradients that the optimizer received, how far the parameters moved, and the statistics of batch
norm. They are read after the first call and, once timing is over, after first steps on held-out batches from the same start.
The distance of a tensor is ‖x − reference‖ / ‖reference‖ in the Euclidean norm. The tolerance follows from the distance of the
framework's own eager step in the run's dtype, from these weights and from others that differ by a rounding. A fixed tolerance
would not do: the batch statistics of a small batch can magnify rounding a million times. Details: docs/decisions/0008.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.authoring.errors import Unsupported
from bakeoff.authoring.model import Array, Arrays, Model
from bakeoff.authoring.protocols import Trainable
from bakeoff.authoring.stack import Stack
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.request import Request
from bakeoff.worker import parity
from bakeoff.worker.build import ROTATING, initial_weights

KINDS = ("loss", "gradient", "parameter", "buffer")
TIMES_OWN = 8.0  # tolerance, as a multiple of the distance of eager's own step
TYPICAL = 0.75  # quantile of the distances of a kind: where rounding is magnified, most tensors of the kind show it
CURVE = 10  # number of losses kept, from the first step on
CURVE_WITHIN = 1e-4  # relative tolerance of the losses; they are compared only where eager's own are well within it
EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
BETWEEN_FRAMEWORKS = 1e-7  # tolerance between the two frameworks in float64
BUCKETS = 4096
CHUNK = 1 << 20


def sketch(array: Array) -> Array:
    """The flattened array as float64, or, if it has more than BUCKETS elements, its count sketch of BUCKETS elements.

    Every element contributes to a count sketch. It is linear and keeps Euclidean norms, here to 2 % (Charikar, Chen and
    Farach-Colton 2002; Thorup and Zhang 2012). So the reference of any model is a small file.
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
    """Records the results of a program's training steps, outside the clock. Raises Unsupported if the stack does not train.

    `weights`: those of the start. Without them they are drawn again for each start, so that no copy of them counts as memory.
    """

    def __init__(self, request: Request, stack: Stack[Any], model: Model, program: Any, weights: Arrays | None = None) -> None:
        # sketches of the results of first steps from the start: on the first batch, then on held-out ones
        self.left: list[Arrays] = []
        self.losses: list[float] = []
        if not isinstance(stack, Trainable):
            raise Unsupported(f"{type(stack).__name__} does not train")
        self._request, self._stack, self._model, self._program = request, stack, model, program
        self._weights = weights

    def first(self, output: Any) -> None:
        """Record loss and state after a step from the start."""
        loss = self._loss(output)
        if not self.left:
            self.losses.append(float(loss))
        tensors = {name: sketch(array) for name, array in self._stack.state(self._program)}
        self.left.append({"loss": np.asarray(loss, np.float64).reshape(-1), **tensors})

    def follow(self, output: Any) -> None:
        """Record the loss after a step of the warm-up, for the loss curve."""
        if len(self.losses) < CURVE:
            self.losses.append(float(self._loss(output)))

    def restart(self, nearby: int = 0) -> None:
        """Return to the start, or, if `nearby` is not 0, to weights that differ from it by a rounding; `nearby` is the seed."""
        weights = initial_weights(self._request, self._model) if self._weights is None else self._weights
        self._stack.restart(self._program, rounded(weights, self._request.settings.dtype, nearby) if nearby else weights)

    def _loss(self, output: Any) -> Array:
        (loss,) = self._stack.fetch(output).values()
        return np.array(loss, copy=True)


def rounded(weights: Arrays, dtype: str, seed: int) -> Arrays:
    """The weights, each a spacing of `dtype` larger or smaller, at random.

    A correctly rounded step is the exact step of data that differ by a few roundings (backward stability: Higham 2002, 1.5).
    So steps from such weights show how much rounding alone can change. One program is not enough to show it: a ReLU whose
    input is zero apart from rounding may be active in one program and inactive in another.
    """
    rng = np.random.default_rng(seed)
    return {
        name: (a * (1 + EPSILON[dtype] * (2 * rng.integers(0, 2, a.shape) - 1))).astype(a.dtype) if a.dtype.kind == "f" else a
        for name, a in weights.items()
    }


def distances(found: Mapping[str, Array], expected: Mapping[str, Array], start: Mapping[str, Array]) -> dict[str, float]:
    """Tensor → ‖x − reference‖ / ‖reference‖; for parameters, x is how far they moved. Infinite for a missing tensor.

    A parameter whose effect the next batch norm cancels moves by rounding alone, and may not move at all in float64. So the
    reference's move counts as at least the float64 spacing of the parameter.
    """
    by_name = {name: float("inf") for name in set(found) ^ set(expected)}
    for name in set(found) & set(expected):
        origin = start[f"start.{name.removeprefix('parameter.')}"] if name.startswith("parameter.") else 0.0
        reference, off = expected[name] - origin, float(np.linalg.norm(found[name] - expected[name]))
        size = float(np.linalg.norm(reference))
        if name.startswith("parameter."):
            size = max(size, float(np.finfo(np.float64).eps * np.linalg.norm(expected[name])))
        by_name[name] = off / size if size else 0.0 if off == 0.0 else float("inf")
    return by_name


def checked_training(
    request: Request, model: Model, training_check: TrainingCheck, timed: Mapping[int, Arrays]
) -> tuple[Parity | None, tuple[float, ...]]:
    """(comparison with the reference, losses of the reference); (None, ()) without a reference.

    `timed`: batch index → outputs of its last timed step.
    """
    if request.reference is None:
        return None, ()
    *expected, rest = parity.read(Path(request.reference))
    bounds = json.loads(Path(request.reference).with_suffix(".json").read_text())
    losses = tuple(map(float, rest["losses"]))
    checks = []
    # not strict: an interpreted program takes only one step
    for number, (left, exact) in enumerate(zip(training_check.left, expected, strict=False)):
        batch, when = (0, "first") if number == 0 else (ROTATING + number - 1, "held-out")
        checks += _by_kind(distances(left, exact, rest), bounds["own"], model.tolerance, batch, when)
    checks += [_check(i, "timed", "finite loss", 0.0 if _finite(a) else float("inf"), 0.0) for i, a in sorted(timed.items())]
    if TIMES_OWN * max(bounds["losses"]) < CURVE_WITHIN:
        checks.append(_curve(training_check.losses, losses))
    if "between_frameworks" in bounds:
        name, error = bounds["between_frameworks"]
        checks.append(_check(0, "float64", f"{name} between the frameworks", error, BETWEEN_FRAMEWORKS))
    return Parity(tolerance=model.tolerance, checks=tuple(checks)), losses


def _by_kind(found: Mapping[str, float], own: Mapping[str, float], floor: float, batch: int, when: str) -> list[Check]:
    """For each kind of tensor, the check of the tensor that is worst relative to its tolerance.

    A tensor whose tolerance exceeds its own size is chosen only if it fails, or if all of its kind are such. An example is the
    bias of an attention key, whose gradient is only rounding.
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
    """The check of the loss that differs most from the reference."""
    errors = [off(a, b) for a, b in zip(found, exact, strict=False)]
    worst = errors.index(max(errors))
    return _check(max(0, worst - 1) % ROTATING, "curve", f"loss of step {worst + 1}", errors[worst], CURVE_WITHIN)


def off(loss: float, exact: float) -> float:
    """The relative difference; infinite where `loss` is not finite, or only `exact` is zero."""
    if loss == exact:
        return 0.0
    return abs(loss - exact) / abs(exact) if exact and np.isfinite(loss) else float("inf")


def _check(batch: int, when: str, output: str, error: float, tolerance: float) -> Check:
    return Check(batch=batch, when=when, output=output, error=error if np.isfinite(error) else None, tolerance=tolerance)


def _finite(arrays: Arrays) -> bool:
    return all(array.size and np.isfinite(array).all() for array in arrays.values())
