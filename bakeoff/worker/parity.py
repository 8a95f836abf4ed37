"""Is it still the same function? Outputs against a float64 eager reference, in numpy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.authoring.model import Array, Arrays
from bakeoff.records.measurement import Check

COMPARED_PIECE = 2**17  # elements compared at a time: they stay in the cache


def error(output: Array, reference: Array) -> float:
    """max |output − reference| / max |reference|; infinite for another shape, an empty array, or what is not finite."""
    if output.shape != reference.shape or not reference.size:
        return float("inf")
    largest = worst = 0.0
    mine, exact = output.reshape(-1), reference.reshape(-1)
    for start in range(0, exact.size, COMPARED_PIECE):
        piece = exact[start : start + COMPARED_PIECE]
        size = float(np.abs(piece).max())
        with np.errstate(invalid="ignore"):  # of two infinities
            off = float(np.abs(mine[start : start + COMPARED_PIECE].astype(np.float64) - piece).max())
        if not (np.isfinite(size) and np.isfinite(off)):  # a maximum is not finite where any element is not
            return float("inf")
        largest, worst = max(largest, size), max(worst, off)
    if largest == 0.0:
        return 0.0 if worst == 0.0 else float("inf")
    return worst / largest


def check(outputs: Mapping[str, Array], reference: Mapping[str, Array], batch: int, when: str) -> Check:
    """Compare every output of one batch with the reference's; a missing or an extra output is infinitely wrong."""
    if set(outputs) != set(reference):
        return Check(batch=batch, when=when, error=None)
    worst = max(error(outputs[name], reference[name]) for name in reference)
    return Check(batch=batch, when=when, error=worst if np.isfinite(worst) else None)


def save(path: Path, batches: list[Arrays]) -> None:
    """Reference outputs by batch index; a plain npz without pickles, whole or not at all."""
    partial = path.with_suffix(".partial.npz")
    arrays: dict[str, Any] = {f"{i}/{name}": array for i, outputs in enumerate(batches) for name, array in outputs.items()}
    np.savez(partial, **arrays)
    partial.rename(path)


def read(path: Path) -> list[Arrays]:
    """What `save` wrote."""
    batches: dict[int, Arrays] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            index, _, name = key.partition("/")
            batches.setdefault(int(index), {})[name] = archive[key]
    return [batches[i] for i in sorted(batches)]
