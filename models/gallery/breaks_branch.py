"""A Python `if` on a tensor's value. Successive batches take different branches.

Dynamo breaks the graph. torch.jit.trace warns and records one branch, so the next batch is wrong. AutoGraph makes it tf.cond.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Batch, Draw, Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Branch(Gallery):
    def batch(self, draw: Draw, index: int) -> Batch:
        sign = 1.0 if index % 2 == 0 else -1.0
        return Batch((draw.normal(self.batch_size, self.width, mean=0.5 * sign),), draw.integers(10, self.batch_size))

    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = self.inner(x)
                if x.mean() > 0:  # breaks here
                    hidden = torch.relu(hidden)
                else:
                    hidden = torch.tanh(hidden) - 1
                return self.outer(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = self.inner(x)
                if tf.reduce_mean(x) > 0:  # breaks here
                    hidden = tf.nn.relu(hidden)
                else:
                    hidden = tf.tanh(hidden) - 1
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Branch(batch_size=8, width=16), full=Branch(batch_size=64, width=256))
