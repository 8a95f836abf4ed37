"""A print between two layers.

Dynamo breaks the graph there. torch.jit.trace and tf.function print once, during tracing; compiled calls print nothing.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Print(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                print("breaks_print: one step")  # breaks here
                return self.outer(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                print("breaks_print: one step")  # breaks here
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Print(batch_size=8, width=16), full=Print(batch_size=64, width=256))
