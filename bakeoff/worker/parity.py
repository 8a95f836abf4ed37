"""Does a compiled program compute the same function? Its outputs are compared with a float64 eager reference, in numpy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.authoring.model import Array, Arrays
from bakeoff.records.measurement import Check
from bakeoff.system.folders import whole

COMPARED_PIECE = 2**17  # elements compared at a time, few enough for the CPU cache


def error(output: Array, reference: Array) -> float:
    """max |output − reference| / max |reference|; infinite for another shape, an empty array, or a value that is not finite."""
    if output.shape != reference.shape or not reference.size:
        return float("inf")
    largest = worst = 0.0
    flat, exact = output.reshape(-1), reference.reshape(-1)
    for start in range(0, exact.size, COMPARED_PIECE):
        piece = exact[start : start + COMPARED_PIECE]
        size = float(np.abs(piece).max())
        with np.errstate(invalid="ignore"):  # inf − inf
            off = float(np.abs(flat[start : start + COMPARED_PIECE].astype(np.float64) - piece).max())
        if not (np.isfinite(size) and np.isfinite(off)):  # a maximum is not finite where any element is not
            return float("inf")
        largest, worst = max(largest, size), max(worst, off)
    if largest == 0.0:
        return 0.0 if worst == 0.0 else float("inf")
    return worst / largest


def check(outputs: Mapping[str, Array], reference: Mapping[str, Array], batch: int, when: str) -> Check:
    """Compare all outputs of one batch with the reference. A missing or an extra output gives the error None (infinite)."""
    if set(outputs) != set(reference):
        return Check(batch=batch, when=when, error=None)
    worst = max(error(outputs[name], reference[name]) for name in reference)
    return Check(batch=batch, when=when, error=worst if np.isfinite(worst) else None)


def save(path: Path, batches: list[Arrays]) -> None:
    """Write the outputs of each batch to `path`, an npz file without pickles. `path` is never a partial file."""
    arrays: dict[str, Any] = {f"{i}/{name}": array for i, outputs in enumerate(batches) for name, array in outputs.items()}
    with whole(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def read(path: Path) -> list[Arrays]:
    """The outputs of each batch that `save` wrote to `path`."""
    batches: dict[int, Arrays] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            index, _, name = key.partition("/")
            batches.setdefault(int(index), {})[name] = archive[key]
    return [batches[i] for i in sorted(batches)]
