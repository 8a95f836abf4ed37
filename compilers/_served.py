"""What do the deployment formats share?

A stack of this kind defines `export`, which runs in a child with the model, and `load`, which runs in a child without it. No
framework is imported at the top of this file, nor of the files whose exporting framework is not the one that serves: both
children import the file, and each has only its own framework.
"""

import importlib
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import Array, Batch, BuildConfig, Exportable, Model, Stack, Step, Unavailable, Unsupported, Weights, raised_at


@dataclass(slots=True)
class Served:
    """A loaded program: inputs in order → output."""

    run: Callable[..., Any]
    config: BuildConfig


class ServedStack(Stack[Served], Exportable):
    """A program loaded from files, whose runtime takes numpy arrays and returns them when they are computed."""

    notes = ("deployment formats are exported for the one batch shape that they then serve",)

    @abstractmethod
    def load(self, folder: Path, config: BuildConfig) -> Callable[..., Any]:
        """The program in `folder`, as a function of a batch's inputs in order."""

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> Served:
        if config.artifact is None:
            raise Unsupported(f"{type(self).__name__} serves what was exported, and nothing was")
        return Served(self.load(Path(config.artifact), config), config)

    def to_device(self, program: Served, batch: Batch) -> Any:
        return batch.inputs

    def compile(self, program: Served) -> Step:
        run = program.run
        return lambda batch: run(*batch)

    def synchronize(self, output: Any) -> None:
        """Nothing to wait for: numpy arrays are on the host."""

    def fetch(self, output: Any) -> dict[str, Array]:
        return {"output": np.asarray(output)}


def need(package: str) -> Any:
    """Import a package. Raises Unavailable, with the command that installs it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package.partition(".")[0]:
            raise
        raise Unavailable(f"{package.partition('.')[0]} is not installed: pip install '.[deploy]'") from None


def refused(what: str, error: Exception) -> Unsupported:
    """A format's refusal of a model, as one line with the place in the user's file where one is known."""
    first: BaseException = error
    while first.__cause__ is not None:  # exporters wrap what their first stage said
        first = first.__cause__
    said = next((line.strip() for line in str(first).splitlines() if line.strip()), "")
    place = raised_at(first)
    return Unsupported(f"{what} stops{f' at {place}' if place else ''}: {type(first).__name__}: {said}")
