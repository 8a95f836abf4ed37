"""Rotary position embedding: the first half of each vector is rotated against the second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import Operation, module


@dataclass(frozen=True)
class Rotary(Operation):
    """`batch_size` × `heads` × `tokens` vectors of `dim`."""

    heads: int
    tokens: int
    dim: int

    @property
    def elements(self) -> int:
        return self.batch_size * self.heads * self.tokens * self.dim

    def flops(self) -> int:
        return 3 * self.elements

    def moved(self, itemsize: int) -> int:
        return itemsize * (2 * self.elements + self.tokens * self.dim)

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        angle = np.outer(np.arange(self.tokens), 10000.0 ** -(np.arange(self.dim // 2) * 2 / self.dim))
        x = draw.normal(self.batch_size, self.heads, self.tokens, self.dim)
        return x, np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)

    def torch(self) -> Any:
        import torch

        def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
            first, second = x.chunk(2, dim=-1)
            return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)

        return module(rotate)


MODEL = Sizes(
    small=Rotary(batch_size=2, heads=4, tokens=64, dim=64),
    full=Rotary(batch_size=8, heads=32, tokens=2048, dim=128),
)
