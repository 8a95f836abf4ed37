"""A context manager that Dynamo does not know: an open file.

Dynamo breaks the graph at open() and skips the rest of forward at `with`; the others open the file only while they trace.
"""

# ruff: noqa: PTH123 - a bare open() is the subject

from __future__ import annotations

import os
from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Context(Gallery):
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
                hidden = self.inner(x)
                with open(os.devnull):  # breaks here
                    hidden = torch.relu(hidden)
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
                hidden = self.inner(x)
                with open(os.devnull):  # breaks here
                    hidden = tf.nn.relu(hidden)
                return self.outer(hidden)

        return Net()


MODEL = Sizes(small=Context(batch_size=8, width=16), full=Context(batch_size=64, width=256))
