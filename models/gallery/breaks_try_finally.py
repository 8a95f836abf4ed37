"""A print inside try/finally, in a helper method.

Dynamo cannot resume inside `try`: it breaks at the call of the helper and runs the helper eagerly.
The others print once, during tracing.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class TryFinally(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def __init__(self) -> None:
                super().__init__()
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

        class Net(self.tensorflow_layers(weights)):
            def __init__(self) -> None:
                super().__init__()
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
