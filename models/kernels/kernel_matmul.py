"""A matrix product with bias and ReLU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import Operation, module


@dataclass(frozen=True)
class Matmul(Operation):
    """(`batch_size`, `inner`) × (`inner`, `outer`)."""

    inner: int
    outer: int

    @property
    def elements(self) -> int:
        return self.batch_size * self.outer

    def flops(self) -> int:
        return 2 * self.elements * self.inner

    def moved(self, itemsize: int) -> int:
        return itemsize * (self.elements + self.inner * (self.batch_size + self.outer) + self.outer)

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        weight = draw.normal(self.outer, self.inner, scale=self.inner**-0.5)
        return draw.normal(self.batch_size, self.inner), weight, draw.normal(self.outer, scale=0.1)

    def torch(self) -> Any:
        import torch
        from torch.nn.functional import linear

        return module(lambda x, weight, bias: torch.relu(linear(x, weight, bias)))


MODEL = Sizes(small=Matmul(batch_size=128, inner=256, outer=256), full=Matmul(batch_size=4096, inner=4096, outer=4096))
