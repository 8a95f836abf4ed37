"""A print inside a loop over the layers.

Dynamo cannot resume inside `for`: it runs all of forward eagerly.
torch.jit.trace and tf.function unroll the loop and print once.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Loop(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                for layer in (self.inner, self.outer):
                    x = layer(torch.relu(x))
                    print("breaks_loop: one layer")  # breaks here
                return x

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                for layer in (self.inner, self.outer):
                    x = layer(tf.nn.relu(x))
                    print("breaks_loop: one layer")  # breaks here
                return x

        return Net()


MODEL = Sizes(small=Loop(batch_size=8, width=16), full=Loop(batch_size=64, width=256))
