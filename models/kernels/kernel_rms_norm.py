"""RMS norm over rows."""

from __future__ import annotations

from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import RowOperation, module


class RmsNorm(RowOperation):
    def flops(self) -> int:
        return 4 * self.elements

    def moved(self, itemsize: int) -> int:
        return itemsize * (2 * self.elements + self.width)

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        return draw.normal(self.batch_size, self.width), draw.uniform(0.8, 1.2, self.width)

    def torch(self) -> Any:
        from torch.nn.functional import rms_norm

        return module(lambda x, weight: rms_norm(x, (self.width,), weight, 1e-6))


MODEL = Sizes(small=RmsNorm(batch_size=64, width=768), full=RmsNorm(batch_size=16384, width=4096))
