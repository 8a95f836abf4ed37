"""A function excluded from the graph on purpose: torch.compiler.disable, tf.py_function.

Dynamo breaks the graph. torch.jit.trace ignores the exclusion and records the sort. tf.function calls Python. XLA refuses.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Callback(Gallery):
    def torch(self) -> Any:
        import torch

        @torch.compiler.disable
        def ranked(x: torch.Tensor) -> torch.Tensor:
            return torch.sort(x).values

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = ranked(self.inner(x))  # breaks here
                return self.outer(torch.relu(hidden))

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        def ranked(x: tf.Tensor) -> tf.Tensor:
            return tf.sort(x)

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.py_function(ranked, [self.inner(x)], x.dtype)  # breaks here
                hidden = tf.ensure_shape(hidden, x.shape)  # py_function does not keep the shape, and Dense needs it
                return self.outer(tf.nn.relu(hidden))

        return Net()


MODEL = Sizes(small=Callback(batch_size=8, width=16), full=Callback(batch_size=64, width=256))
