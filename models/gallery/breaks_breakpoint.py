"""A breakpoint between two layers: on which calls does a debugger stop?

Dynamo breaks the graph there, so the debugger stops on every call. Under torch.jit.trace and tf.function it stops once, during
tracing.
"""

from __future__ import annotations

from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Breakpoint(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                breakpoint()  # breaks here
                return self.outer(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                breakpoint()  # breaks here
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Breakpoint(batch_size=8, width=16), full=Breakpoint(batch_size=64, width=256))
