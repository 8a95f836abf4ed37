"""A function written in C that no compiler can trace: sys.getrefcount. Its result is not used.

Dynamo breaks the graph there. torch.jit.trace and tf.function call it once, during tracing; compiled calls never do.
"""

from __future__ import annotations

import sys
from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Builtin(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                sys.getrefcount(x)  # breaks here
                return self.outer(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                sys.getrefcount(x)  # breaks here
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Builtin(batch_size=8, width=16), full=Builtin(batch_size=64, width=256))
