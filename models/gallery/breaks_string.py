"""A tensor's value formatted as a string. Only the string's length is used, times zero.

Dynamo runs all of forward eagerly. torch.jit.trace warns and records the length.
tf.function has string operations; XLA does not.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class String(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                digits = len(f"{x.sum():.3f}")  # breaks here
                return self.outer(hidden) + 0 * digits

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                digits = tf.strings.length(tf.strings.as_string(tf.reduce_sum(x), precision=3))  # breaks here
                return self.outer(hidden) + 0 * tf.cast(digits, x.dtype)

        return Net()


MODEL = Sizes(small=String(batch_size=8, width=16), full=String(batch_size=64, width=256))
