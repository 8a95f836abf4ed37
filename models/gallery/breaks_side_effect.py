"""The module counts its own calls, in a Python integer.

No graph break: Dynamo guards on the count, recompiles at each call and gives up at its limit. The others count the trace alone.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class SideEffect(Gallery):
    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Linear(shape.width, shape.width)
                self.outer = nn.Linear(shape.width, 10)
                self.calls = 0

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                self.calls += 1  # breaks here
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
                self.calls = 0

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                self.calls += 1  # breaks here
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=SideEffect(batch_size=8, width=16), full=SideEffect(batch_size=64, width=256))
