"""A custom operator of which the compiler knows no output shape: torch.library.custom_op without register_fake, numpy_function.

Dynamo raises instead of breaking the graph; torch.jit.trace records the operator; tf.function calls back; XLA refuses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff import Sizes, Weights
from bakeoff.models.gallery._shared import Gallery


class CustomOp(Gallery):
    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        @torch.library.custom_op("bakeoff_gallery::cbrt", mutates_args=(), schema="(Tensor x) -> Tensor")
        def cbrt(x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(np.cbrt(x.cpu().numpy())).to(x.device)

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Linear(shape.width, shape.width)
                self.outer = nn.Linear(shape.width, 10)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                root = cbrt(x)  # breaks here
                return self.outer(torch.relu(self.inner(root)))

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
                root = tf.numpy_function(np.cbrt, [x], x.dtype)  # breaks here
                root = tf.ensure_shape(root, x.shape)  # numpy_function forgets it, and Dense asks for it
                return self.outer(tf.nn.relu(self.inner(root)))

        return Net()


MODEL = Sizes(small=CustomOp(batch_size=8, width=16), full=CustomOp(batch_size=64, width=256))
