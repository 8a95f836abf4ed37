"""Recommendation (DLRM, Naumov et al. 2019, arXiv:1906.00091): embedding bags and a pairwise interaction; memory-bound.

Size full has the shapes of bench/dlrm_s_benchmark.sh in the reference implementation: 8 tables of a million rows of 64, 100
look-ups a bag, bottom 512-512-64, top 1024-1024-1024-1, batch 2048.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from bakeoff import Array, Arrays, Batch, Draw, Model, Sizes, Weights


@dataclass(frozen=True)
class Dlrm(Model):
    """`bottom` and `top` are layer widths; `bottom` begins with its input's. The interaction determines the input of `top`."""

    batch_size: int
    tables: int
    rows: int
    lookups: int
    bottom: tuple[int, ...]
    top: tuple[int, ...]
    loss = "binary_cross_entropy"
    batch_axes = (0, 1)

    @property
    def width(self) -> int:
        """Width of an embedding and of the bottom network's output."""
        return self.bottom[-1]

    @property
    def pairs(self) -> Array:
        """Flat indices of the strict lower triangle of the (1 + tables)² matrix of inner products."""
        vectors = 1 + self.tables
        row, column = np.tril_indices(vectors, -1)
        return np.asarray(row * vectors + column, dtype=np.int64)

    @property
    def networks(self) -> dict[str, tuple[int, ...]]:
        """Layer widths by name of network, the input's first."""
        return {"bottom": self.bottom, "top": (self.width + len(self.pairs), *self.top)}

    def flops(self) -> int:
        dense = sum(into * out for widths in self.networks.values() for into, out in pairwise(widths))
        vectors = 1 + self.tables  # all pairs are multiplied, of which half are used
        summed = self.tables * self.lookups * self.width
        return self.batch_size * (2 * (dense + vectors * vectors * self.width) + summed)

    def moved(self, itemsize: int) -> int:
        """Counts only the looked-up rows of the tables."""
        dense = sum((into + 1) * out for widths in self.networks.values() for into, out in pairwise(widths))
        ids = self.batch_size * self.tables * self.lookups
        return itemsize * (dense + ids * self.width + self.batch_size * (self.bottom[0] + 1)) + 8 * ids

    def weights(self, draw: Draw) -> Arrays:
        arrays: Arrays = {}
        for table in range(self.tables):
            arrays[f"tables.{table}.weight"] = draw.normal(self.rows, self.width, scale=self.lookups**-0.5)
        for name, widths in self.networks.items():
            for i, (into, out) in enumerate(pairwise(widths)):
                arrays[f"{name}.{i}.weight"] = draw.normal(out, into, scale=into**-0.5)
                arrays[f"{name}.{i}.bias"] = draw.normal(out, scale=0.1)
        return arrays

    def batch(self, draw: Draw, index: int) -> Batch:
        dense = draw.normal(self.batch_size, self.bottom[0])
        ids = draw.integers(self.rows, self.tables, self.batch_size, self.lookups)
        return Batch((dense, ids), draw.integers(2, self.batch_size, 1).astype(np.float32))

    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                bags = (nn.EmbeddingBag(shape.rows, shape.width, mode="sum") for _ in range(shape.tables))
                self.tables = nn.ModuleList(bags)
                for name, widths in shape.networks.items():
                    layers = (nn.Linear(a, b) for a, b in pairwise(widths))
                    setattr(self, name, nn.ModuleList(layers))
                self.register_buffer("pairs", torch.from_numpy(shape.pairs), persistent=False)

            def forward(self, dense: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
                for layer in self.bottom:
                    dense = torch.relu(layer(dense))
                bags = [table(ids[i]) for i, table in enumerate(self.tables)]
                vectors = torch.stack([dense, *bags], dim=1)
                products = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
                x = torch.cat([dense, products.index_select(1, self.pairs)], dim=1)
                *hidden, last = self.top
                for layer in hidden:
                    x = torch.relu(layer(x))
                return last(x)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense, Embedding

        shape = self

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.tables = [Embedding(weights, f"tables.{i}") for i in range(shape.tables)]
                self.bottom, self.top = (
                    [Dense(weights, f"{name}.{i}") for i in range(len(widths) - 1)] for name, widths in shape.networks.items()
                )
                self.pairs = tf.constant(shape.pairs)

            def __call__(self, dense: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
                for layer in self.bottom:
                    dense = tf.nn.relu(layer(dense))
                bags = [tf.reduce_sum(table(ids[i]), axis=1) for i, table in enumerate(self.tables)]
                vectors = tf.stack([dense, *bags], axis=1)
                products = tf.matmul(vectors, vectors, transpose_b=True)
                products = tf.reshape(products, (products.shape[0], -1))
                x = tf.concat([dense, tf.gather(products, self.pairs, axis=1)], axis=1)
                *hidden, last = self.top
                for layer in hidden:
                    x = tf.nn.relu(layer(x))
                return last(x)

        return Net()

    def keras(self, weights: Weights) -> Any:
        import keras

        from bakeoff.models._keras import dense, embedding

        numbers = keras.Input((self.bottom[0],), self.batch_size)
        ids = keras.Input(batch_shape=(self.tables, self.batch_size, self.lookups), dtype="int64")
        x = numbers
        for i in range(len(self.networks["bottom"]) - 1):
            x = dense(weights, f"bottom.{i}", x, "relu")
        bags = [keras.ops.sum(embedding(weights, f"tables.{i}", ids[i]), axis=1) for i in range(self.tables)]
        vectors = keras.ops.stack([x, *bags], axis=1)
        products = keras.ops.matmul(vectors, keras.ops.transpose(vectors, (0, 2, 1)))
        products = keras.ops.reshape(products, (self.batch_size, -1))
        x = keras.ops.concatenate([x, keras.ops.take(products, self.pairs, axis=1)], axis=1)
        for i in range(len(self.top)):
            x = dense(weights, f"top.{i}", x, "relu" if i < len(self.top) - 1 else None)
        return keras.Model([numbers, ids], x)


MODEL = Sizes(
    small=Dlrm(batch_size=512, tables=8, rows=100_000, lookups=40, bottom=(64, 64, 32), top=(128, 64, 1)),
    full=Dlrm(batch_size=2048, tables=8, rows=1_000_000, lookups=100, bottom=(512, 512, 64), top=(1024, 1024, 1024, 1)),
)
