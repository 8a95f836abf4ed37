"""The network counts its steps in a global variable of its file.

No graph break: Dynamo guards on the count, recompiles on each call, then stops at its limit.
The others count once, during tracing.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery

STEPS = 0


class Global(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                global STEPS
                hidden = torch.relu(self.inner(x))
                STEPS += 1  # breaks here
                return self.outer(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                global STEPS
                hidden = tf.nn.relu(self.inner(x))
                STEPS += 1  # breaks here
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Global(batch_size=8, width=16), full=Global(batch_size=64, width=256))
