"""A tensor's value read into Python arithmetic: .item(), .numpy().

Dynamo breaks the graph. torch.jit.trace warns and records the number, so the next batch is wrong. tf.function cannot trace it.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Item(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                largest = hidden.max().item()  # breaks here
                return self.outer(hidden / (largest + 1.0))

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                largest = tf.reduce_max(hidden).numpy()  # breaks here
                return self.outer(hidden / (largest + 1.0))

        return Net()


MODEL = Sizes(small=Item(batch_size=8, width=16), full=Item(batch_size=64, width=256))
