"""The module counts its own calls in a Python integer.

No graph break: Dynamo guards on the count, recompiles on each call, then stops at its limit.
The others count once, during tracing.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class SideEffect(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def __init__(self) -> None:
                super().__init__()
                self.calls = 0

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                self.calls += 1  # breaks here
                return self.outer(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __init__(self) -> None:
                super().__init__()
                self.calls = 0

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                self.calls += 1  # breaks here
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=SideEffect(batch_size=8, width=16), full=SideEffect(batch_size=64, width=256))
