"""Embedding bags: sums of rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import Operation, module


@dataclass(frozen=True)
class EmbeddingBag(Operation):
    """`batch_size` bags of `lookups` rows of a table of `rows` × `width`."""

    rows: int
    width: int
    lookups: int

    @property
    def elements(self) -> int:
        return self.batch_size * self.lookups * self.width

    def flops(self) -> int:
        return self.elements

    def moved(self, itemsize: int) -> int:
        return itemsize * (self.elements + self.batch_size * self.width) + 8 * self.batch_size * self.lookups

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        return draw.integers(self.rows, self.batch_size, self.lookups), draw.normal(self.rows, self.width)

    def torch(self) -> Any:
        from torch.nn.functional import embedding_bag

        return module(lambda ids, weight: embedding_bag(ids, weight, mode="sum"))


MODEL = Sizes(
    small=EmbeddingBag(batch_size=64, rows=1000, width=64, lookups=20),
    full=EmbeddingBag(batch_size=16384, rows=1_000_000, width=128, lookups=64),
)
