"""Layer norm over rows."""

from __future__ import annotations

from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import RowOperation, module


class LayerNorm(RowOperation):
    def flops(self) -> int:
        return 8 * self.elements

    def moved(self, itemsize: int) -> int:
        return 2 * itemsize * (self.elements + self.width)

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        scale, shift = draw.uniform(0.8, 1.2, self.width), draw.normal(self.width, scale=0.1)
        return draw.normal(self.batch_size, self.width, mean=0.5), scale, shift

    def torch(self) -> Any:
        from torch.nn.functional import layer_norm

        return module(lambda x, weight, bias: layer_norm(x, (self.width,), weight, bias))


MODEL = Sizes(small=LayerNorm(batch_size=64, width=768), full=LayerNorm(batch_size=16384, width=4096))
