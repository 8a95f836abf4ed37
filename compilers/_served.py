"""What deployment formats share. A leaf fills two holes: `export`, where the model is, and `load`, where it is not.

No framework is imported at the top here, nor in the leaves whose exporting framework is not the one that serves: two children
load them, and each has its own.
"""

import importlib
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import Array, Batch, BuildConfig, Mark, Model, Stack, Step, Unavailable, Unsupported, Weights, raised_at


@dataclass(slots=True)
class Served:
    """What was loaded: inputs in order → output."""

    run: Callable[..., Any]
    setup: BuildConfig


class ServedStack(Stack[Served]):
    """A program from files. Its runtime takes and returns numpy arrays, and returns when they are computed."""

    notes = ("deployment formats are exported for the one batch shape that they then serve",)

    @abstractmethod
    def load(self, folder: Path, setup: BuildConfig) -> Callable[..., Any]:
        """The program in `folder`, ready to be called with a batch's inputs in order."""

    def build(self, model: Model, weights: Weights, setup: BuildConfig) -> Served:
        if setup.artifact is None:
            raise Unsupported(f"{type(self).__name__} serves what was exported, and nothing was")
        return Served(self.load(Path(setup.artifact), setup), setup)

    def to_device(self, program: Served, batch: Batch) -> Any:
        return batch.inputs

    def compile(self, program: Served) -> Step:
        run = program.run
        return lambda batch: run(*batch)

    def profile(self, folder: Path) -> AbstractContextManager[Mark]:
        raise Unsupported("what is served from files has no framework's profiler: profile the stack that it was exported from")

    def synchronize(self, output: Any) -> None:
        """Nothing: numpy arrays are there."""

    def fetch(self, output: Any) -> dict[str, Array]:
        return {"output": np.asarray(output)}


def need(package: str) -> Any:
    """The imported package. Raises Unavailable, with what installs it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package.partition(".")[0]:
            raise
        raise Unavailable(f"{package.partition('.')[0]} is not installed: pip install '.[deploy]'") from None


def refused(what: str, error: Exception) -> Unsupported:
    """A format's refusal of a model as one line, with the place in the user's file where there is one."""
    first: BaseException = error
    while first.__cause__ is not None:  # exporters wrap what their first stage said
        first = first.__cause__
    said = next((line.strip() for line in str(first).splitlines() if line.strip()), "")
    place = raised_at(first)
    return Unsupported(f"{what} stops{f' at {place}' if place else ''}: {type(first).__name__}: {said}")
