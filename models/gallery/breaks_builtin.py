"""A function written in C that no compiler can look into: sys.getrefcount, its result dropped.

Dynamo breaks the graph at it; torch.jit.trace and tf.function call it once, while they trace, and compiled calls never.
"""

from __future__ import annotations

import sys
from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Builtin(Gallery):
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
                sys.getrefcount(x)  # breaks here
                return self.outer(hidden)

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
                sys.getrefcount(x)  # breaks here
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Builtin(batch_size=8, width=16), full=Builtin(batch_size=64, width=256))
