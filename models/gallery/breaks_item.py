"""A tensor read back into Python arithmetic: .item(), .numpy().

Dynamo breaks the graph; torch.jit.trace warns and bakes the number in, wrong on the next batch; tf.function cannot trace it.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Item(Gallery):
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
                hidden = torch.relu(self.inner(x))
                largest = hidden.max().item()  # breaks here
                return self.outer(hidden / (largest + 1.0))

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
                hidden = tf.nn.relu(self.inner(x))
                largest = tf.reduce_max(hidden).numpy()  # breaks here
                return self.outer(hidden / (largest + 1.0))

        return Net()


MODEL = Sizes(small=Item(batch_size=8, width=16), full=Item(batch_size=64, width=256))
