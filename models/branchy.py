"""A network that breaks graph capture: a branch on data, a print, and a tensor read back into Python (.item() and .numpy()).

Successive batches take different branches, so a compiler that records one branch is wrong on the next batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Arrays, Batch, Draw, MissingImplementation, Model, Sizes, Weights


@dataclass(frozen=True)
class Branchy(Model):
    """Two dense layers of `width` with Python in between."""

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
        sign = 1.0 if index % 2 == 0 else -1.0
        return Batch((draw.normal(self.batch_size, self.width, mean=0.5 * sign),), draw.integers(10, self.batch_size))

    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Linear(shape.width, shape.width)
                self.outer = nn.Linear(shape.width, 10)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = self.inner(x)
                if x.mean() > 0:
                    hidden = torch.relu(hidden)
                else:
                    hidden = torch.tanh(hidden) - 1
                print("branchy: one step")
                largest = hidden.abs().max().item()
                return self.outer(hidden / largest)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = Dense(weights, "inner")
                self.outer = Dense(weights, "outer")

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = self.inner(x)
                if tf.reduce_mean(x) > 0:
                    hidden = tf.nn.relu(hidden)
                else:
                    hidden = tf.tanh(hidden) - 1
                print("branchy: one step")
                largest = tf.reduce_max(tf.abs(hidden)).numpy()
                return self.outer(hidden / largest)

        return Net()

    def flops(self) -> int:
        return 2 * self.batch_size * self.width * (self.width + 10)

    def keras(self, weights: Weights) -> Any:
        raise MissingImplementation(
            "Keras's own format holds a graph of layers, with no Python between them and no value read back into Python"
        )


MODEL = Sizes(small=Branchy(batch_size=64, width=256), full=Branchy(batch_size=256, width=2048))
