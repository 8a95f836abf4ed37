"""A generator of layer outputs that may end early, by a tensor's value.

Generators trace, but cannot be cut: Dynamo skips forward whole, and AutoGraph leaves the `if` that it would convert elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Generator(Gallery):
    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Linear(shape.width, shape.width)
                self.outer = nn.Linear(shape.width, 10)

            def depths(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
                for _ in range(3):
                    x = torch.relu(self.inner(x))
                    yield x
                    if torch.mean(x) < 0.1:  # breaks here
                        return

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.outer(sum(self.depths(self.inner(x))))

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = Dense(weights, "inner")
                self.outer = Dense(weights, "outer")

            def depths(self, x: tf.Tensor) -> Iterator[tf.Tensor]:
                for _ in range(3):
                    x = tf.nn.relu(self.inner(x))
                    yield x
                    if tf.reduce_mean(x) < 0.1:  # breaks here
                        return

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                return self.outer(sum(self.depths(self.inner(x))))

        return Net()


MODEL = Sizes(small=Generator(batch_size=8, width=16), full=Generator(batch_size=64, width=256))
