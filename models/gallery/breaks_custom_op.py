"""A custom operator whose output shape the compiler does not know.

torch.library.custom_op without register_fake: Dynamo raises an error instead of breaking the graph; torch.jit.trace records the
operator. tf.numpy_function: tf.function calls Python; XLA refuses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class CustomOp(Gallery):
    def torch(self) -> Any:
        import torch

        @torch.library.custom_op("bakeoff_gallery::cbrt", mutates_args=(), schema="(Tensor x) -> Tensor")
        def cbrt(x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(np.cbrt(x.cpu().numpy())).to(x.device)

        class Net(self.torch_layers()):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                root = cbrt(x)  # breaks here
                return self.outer(torch.relu(self.inner(root)))

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        class Net(self.tensorflow_layers(weights)):
            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                root = tf.numpy_function(np.cbrt, [x], x.dtype)  # breaks here
                root = tf.ensure_shape(root, x.shape)  # numpy_function does not keep the shape, and Dense needs it
                return self.outer(tf.nn.relu(self.inner(root)))

        return Net()


MODEL = Sizes(small=CustomOp(batch_size=8, width=16), full=CustomOp(batch_size=64, width=256))
