"""A tensor's value made into a string, of which only the length is used, times zero.

Dynamo skips forward whole; torch.jit.trace warns and bakes the length in; tf.function has string operations, XLA has none.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class String(Gallery):
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
                digits = len(f"{x.sum():.3f}")  # breaks here
                return self.outer(hidden) + 0 * digits

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
                digits = tf.strings.length(tf.strings.as_string(tf.reduce_sum(x), precision=3))  # breaks here
                return self.outer(hidden) + 0 * tf.cast(digits, x.dtype)

        return Net()


MODEL = Sizes(small=String(batch_size=8, width=16), full=String(batch_size=64, width=256))
