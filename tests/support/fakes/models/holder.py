"""A table of `rows` rows of 4 KiB, of which each item reads one: it holds the memory that one plants, and computes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Arrays, Batch, Draw, Model, Sizes, Weights


@dataclass(frozen=True)
class Holder(Model):
    batch_size: int = 4
    rows: int = 2

    def weights(self, draw: Draw) -> Arrays:
        return {"table.weight": draw.normal(self.rows, 1024)}

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch((draw.integers(self.rows, self.batch_size),), draw.integers(1024, self.batch_size))

    def torch(self) -> Any:
        from torch import nn

        class Net(nn.Module):
            def __init__(self, rows: int) -> None:
                super().__init__()
                self.table = nn.Embedding(rows, 1024)

            def forward(self, ids: Any) -> Any:
                return self.table(ids)

        return Net(self.rows)

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Embedding

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.table = Embedding(weights, "table")

            def __call__(self, ids: Any) -> Any:
                return self.table(ids)

        return Net()


MODEL = Sizes(small=Holder(), full=Holder())
