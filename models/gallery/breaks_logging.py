"""A log message between two layers.

Dynamo breaks the graph at it; torch.jit.trace and tf.function log once, while they trace, and compiled calls are silent.
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
        from torch import nn

        shape = self

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Linear(shape.width, shape.width)
                self.outer = nn.Linear(shape.width, 10)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                hidden = torch.relu(self.inner(x))
                LOGGER.warning("breaks_logging: one step")  # breaks here
                return self.outer(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = Dense(weights, "inner")
                self.outer = Dense(weights, "outer")

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                hidden = tf.nn.relu(self.inner(x))
                LOGGER.warning("breaks_logging: one step")  # breaks here
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Logging(batch_size=8, width=16), full=Logging(batch_size=64, width=256))
