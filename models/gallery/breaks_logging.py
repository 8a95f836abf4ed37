"""A log message between two layers.

Dynamo breaks the graph there. torch.jit.trace and tf.function log once, during tracing; compiled calls log nothing.
"""

from __future__ import annotations

import logging
from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery

LOGGER = logging.getLogger(__name__)


class Logging(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                LOGGER.warning("breaks_logging: one step")  # breaks here
                return self.outer(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                LOGGER.warning("breaks_logging: one step")  # breaks here
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Logging(batch_size=8, width=16), full=Logging(batch_size=64, width=256))
