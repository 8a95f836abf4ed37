"""A print inside try/finally, in a helper method.

Dynamo cannot resume inside `try`: it breaks at the helper's call and runs the helper eagerly. The others print while tracing.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class TryFinally(Gallery):
    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Linear(shape.width, shape.width)
                self.outer = nn.Linear(shape.width, 10)
                self.busy = False

            def activate(self, hidden: torch.Tensor) -> torch.Tensor:
                self.busy = True
                try:
                    print("breaks_try_finally: one step")  # breaks here
                    return torch.relu(hidden)
                finally:
                    self.busy = False

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.outer(self.activate(self.inner(x)))

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = Dense(weights, "inner")
                self.outer = Dense(weights, "outer")
                self.busy = False

            def activate(self, hidden: tf.Tensor) -> tf.Tensor:
                self.busy = True
                try:
                    print("breaks_try_finally: one step")  # breaks here
                    return tf.nn.relu(hidden)
                finally:
                    self.busy = False

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                return self.outer(self.activate(self.inner(x)))

        return Net()


MODEL = Sizes(small=TryFinally(batch_size=8, width=16), full=TryFinally(batch_size=64, width=256))
