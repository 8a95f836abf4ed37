"""A print inside a loop over the layers.

Dynamo cannot resume inside `for`: it skips forward whole. torch.jit.trace and tf.function unroll the loop and print once.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Loop(Gallery):
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
                for layer in (self.inner, self.outer):
                    x = layer(torch.relu(x))
                    print("breaks_loop: one layer")  # breaks here
                return x

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
                for layer in (self.inner, self.outer):
                    x = layer(tf.nn.relu(x))
                    print("breaks_loop: one layer")  # breaks here
                return x

        return Net()


MODEL = Sizes(small=Loop(batch_size=8, width=16), full=Loop(batch_size=64, width=256))
