"""What the gallery's networks have in common: two layers' weights and their batches. The halves stay in each file."""

from __future__ import annotations

from dataclasses import dataclass

from bakeoff import Arrays, Batch, Draw, Model


@dataclass(frozen=True)
class Gallery(Model):
    """`inner` keeps `width`, `outer` leads to 10 classes."""

    batch_size: int
    width: int

    def weights(self, draw: Draw) -> Arrays:
        return {
            "inner.weight": draw.normal(self.width, self.width, scale=self.width**-0.5),
            "inner.bias": draw.normal(self.width, scale=0.1),
            "outer.weight": draw.normal(10, self.width, scale=self.width**-0.5),
            "outer.bias": draw.normal(10, scale=0.1),
        }

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch((draw.normal(self.batch_size, self.width),), draw.integers(10, self.batch_size))
