"""Bias added, then GELU in its tanh form."""

from __future__ import annotations

from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import RowOperation, module


class GeluBias(RowOperation):
    def flops(self) -> int:
        return 10 * self.elements

    def moved(self, itemsize: int) -> int:
        return itemsize * (2 * self.elements + self.width)

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        return draw.normal(self.batch_size, self.width), draw.normal(self.width, scale=0.1)

    def torch(self) -> Any:
        from torch.nn.functional import gelu

        return module(lambda x, bias: gelu(x + bias, approximate="tanh"))


MODEL = Sizes(small=GeluBias(batch_size=64, width=1024), full=GeluBias(batch_size=16384, width=4096))
