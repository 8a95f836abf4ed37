"""A copy. It gives the bandwidth that this device reaches."""

from __future__ import annotations

from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import RowOperation, module


class Copy(RowOperation):
    def flops(self) -> int:
        return 0

    def moved(self, itemsize: int) -> int:
        return 2 * itemsize * self.elements

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        return (draw.normal(self.batch_size, self.width),)

    def torch(self) -> Any:
        return module(lambda x: x.clone())


MODEL = Sizes(small=Copy(batch_size=64, width=1024), full=Copy(batch_size=8192, width=8192))
