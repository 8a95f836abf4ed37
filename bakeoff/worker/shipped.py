"""What is stored with an exported program, so that the serving child does not need the model's file?

FOLDER/program/     only the files of the deployment format
FOLDER/inputs.npz   the inputs of each batch, in the layout of the exported implementation; no pickles
FOLDER/shipped.json the properties of the model that a measurement needs
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.authoring.model import Array, Arrays, Batch, Draw, Model

PROGRAM, INPUTS, PROPERTIES = "program", "inputs.npz", "shipped.json"


class Shipped(Model):
    """A model that was exported: only its inputs and a few of its properties are known."""

    def __init__(self, inputs: list[tuple[Array, ...]], properties: dict[str, Any]) -> None:
        self.item = properties["item"]  # type: ignore[misc]  # an instance attribute here
        self.tolerance = properties["tolerance"]  # type: ignore[misc]  # a class variable of Model; here it is what the exporting child wrote
        self.weights_bytes = int(properties["weights_bytes"])
        self._inputs, self._properties = inputs, properties

    @classmethod
    def read(cls, folder: Path) -> "Shipped":
        """The model that `write` wrote to `folder`."""
        batches: dict[int, list[Array]] = {}
        with np.load(folder / INPUTS, allow_pickle=False) as archive:
            for key in sorted(archive.files, key=lambda name: tuple(map(int, name.split("/")))):
                batches.setdefault(int(key.partition("/")[0]), []).append(archive[key])
        return cls([tuple(batches[i]) for i in sorted(batches)], json.loads((folder / PROPERTIES).read_text()))

    @property
    def items_per_step(self) -> int:
        return int(self._properties["items_per_step"])

    def flops(self) -> int | None:
        found: int | None = self._properties["flops"]
        return found

    def moved(self, itemsize: int) -> int | None:
        """The bytes that were stored, for the precision of the run; `itemsize` is not used."""
        found: int | None = self._properties["moved_bytes"]
        return found

    def weights(self, draw: Draw) -> Arrays:
        """Empty: the weights are in the exported program."""
        return {}

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch(self._inputs[index], np.empty(0))


def write(folder: Path, model: Model, inputs: list[tuple[Array, ...]], weights_bytes: int, itemsize: int) -> None:
    """Write `inputs`, a tuple per batch, and the model's properties to `folder`. `itemsize`: bytes per element."""
    arrays: dict[str, Any] = {f"{i}/{k}": array for i, batch in enumerate(inputs) for k, array in enumerate(batch)}
    np.savez(folder / INPUTS, **arrays)
    properties = {
        "items_per_step": model.items_per_step,
        "item": model.item,
        "tolerance": model.tolerance,
        "flops": model.flops(),
        "moved_bytes": model.moved(itemsize),
        "weights_bytes": weights_bytes,
    }
    (folder / PROPERTIES).write_text(json.dumps(properties))
