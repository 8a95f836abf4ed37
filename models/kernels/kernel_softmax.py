"""Softmax over rows."""

from __future__ import annotations

from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import RowOperation, module


class Softmax(RowOperation):
    def flops(self) -> int:
        return 5 * self.elements

    def moved(self, itemsize: int) -> int:
        return 2 * itemsize * self.elements

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        return (draw.normal(self.batch_size, self.width, scale=3.0),)

    def torch(self) -> Any:
        import torch

        return module(lambda x: torch.softmax(x, -1))


MODEL = Sizes(small=Softmax(batch_size=64, width=1000), full=Softmax(batch_size=16384, width=4096))
