"""A context manager that Dynamo does not support: an open file.

Dynamo breaks the graph at open() and runs the rest of forward eagerly from `with` on. The others open the file once, during
tracing.
"""

# ruff: noqa: PTH123 - the test is about a bare open()

from __future__ import annotations

import os
from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Context(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = self.inner(x)
                with open(os.devnull):  # breaks here
                    hidden = torch.relu(hidden)
                return self.outer(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = self.inner(x)
                with open(os.devnull):  # breaks here
                    hidden = tf.nn.relu(hidden)
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Context(batch_size=8, width=16), full=Context(batch_size=64, width=256))
