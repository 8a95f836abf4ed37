"""A copy: the bandwidth that this device was measured to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import Operation, module


@dataclass(frozen=True)
class Copy(Operation):
    """`batch_size` rows of `width`."""

    width: int

    @property
    def elements(self) -> int:
        return self.batch_size * self.width

    def flops(self) -> int:
        return 0

    def moved(self, itemsize: int) -> int:
        return 2 * itemsize * self.elements

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        return (draw.normal(self.batch_size, self.width),)

    def torch(self) -> Any:
        return module(lambda x: x.clone())


MODEL = Sizes(small=Copy(batch_size=64, width=1024), full=Copy(batch_size=8192, width=8192))
