"""A generator of layer outputs that may end early, depending on a tensor's value.

Dynamo traces generators but cannot resume inside one, so it runs all of forward eagerly. AutoGraph does not convert the `if`
inside a generator.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class Generator(Gallery):
    def torch(self) -> Any:
        import torch

        class Net(self.torch_layers()):
            def depths(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
                for _ in range(3):
                    x = torch.relu(self.inner(x))
                    yield x
                    if torch.mean(x) < 0.1:  # breaks here
                        return

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.outer(sum(self.depths(self.inner(x))))

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def depths(self, x: tf.Tensor) -> Iterator[tf.Tensor]:
                for _ in range(3):
                    x = tf.nn.relu(self.inner(x))
                    yield x
                    if tf.reduce_mean(x) < 0.1:  # breaks here
                        return

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                return self.outer(sum(self.depths(self.inner(x))))

        return Net()


MODEL = Sizes(small=Generator(batch_size=8, width=16), full=Generator(batch_size=64, width=256))
