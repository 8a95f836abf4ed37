"""A shape that depends on data: the number of different values in the batch.

Dynamo breaks the graph. torch.jit.trace records the count as an operation. tf.function and XLA compile it.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Unique(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                kinds = torch.unique((8 * x).long()).shape[0]  # breaks here
                return self.outer(hidden * (16 / kinds))

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                kinds = tf.size(tf.unique(tf.reshape(tf.cast(8 * x, tf.int64), [-1])).y)  # breaks here
                return self.outer(hidden * (16 / tf.cast(kinds, x.dtype)))

        return Net()


MODEL = Sizes(small=Unique(batch_size=8, width=16), full=Unique(batch_size=64, width=256))
