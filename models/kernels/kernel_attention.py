"""Causal attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import Operation, module


@dataclass(frozen=True)
class Attention(Operation):
    """`batch_size` × `heads` × `tokens` queries, keys and values of `dim`."""

    heads: int
    tokens: int
    dim: int

    @property
    def elements(self) -> int:
        return self.batch_size * self.heads * self.tokens * self.dim

    def flops(self) -> int:
        return 2 * self.elements * self.tokens  # half of the scores are masked

    def moved(self, itemsize: int) -> int:
        return 4 * itemsize * self.elements

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        shape = (self.batch_size, self.heads, self.tokens, self.dim)
        return draw.normal(*shape), draw.normal(*shape), draw.normal(*shape)

    def torch(self) -> Any:
        from torch.nn.functional import scaled_dot_product_attention

        return module(lambda query, key, value: scaled_dot_product_attention(query, key, value, is_causal=True))


MODEL = Sizes(
    small=Attention(batch_size=1, heads=2, tokens=128, dim=64),
    full=Attention(batch_size=4, heads=16, tokens=4096, dim=64),
)
