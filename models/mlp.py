"""Wide dense layers with a GELU between them: pointwise work that fusion can save, and matrix products that it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Arrays, Batch, Draw, Model, Sizes, Weights


@dataclass(frozen=True)
class Mlp(Model):
    """`depth` hidden layers of `width`, GELU in its erf form, then 10 logits."""

    batch_size: int
    width: int
    depth: int

    def flops(self) -> int:
        return 2 * self.batch_size * self.width * (self.depth * self.width + 10)

    def weights(self, draw: Draw) -> Arrays:
        arrays = {}
        for i in range(self.depth):
            arrays[f"layers.{i}.weight"] = draw.normal(self.width, self.width, scale=(2 / self.width) ** 0.5)
            arrays[f"layers.{i}.bias"] = draw.normal(self.width, scale=0.1)
        arrays["head.weight"] = draw.normal(10, self.width, scale=self.width**-0.5)
        arrays["head.bias"] = draw.normal(10, scale=0.1)
        return arrays

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch((draw.normal(self.batch_size, self.width),), draw.integers(10, self.batch_size))

    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(shape.width, shape.width) for _ in range(shape.depth))
                self.head = nn.Linear(shape.width, 10)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                for layer in self.layers:
                    x = nn.functional.gelu(layer(x))
                return self.head(x)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense, gelu

        shape = self

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = [Dense(weights, f"layers.{i}") for i in range(shape.depth)]
                self.head = Dense(weights, "head")

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                for layer in self.layers:
                    x = gelu(layer(x), approximate=False)
                return self.head(x)

        return Net()

    def keras(self, weights: Weights) -> Any:
        import keras

        from bakeoff.models._keras import dense

        x = inputs = keras.Input((self.width,), self.batch_size)
        for i in range(self.depth):
            x = dense(weights, f"layers.{i}", x, "gelu")  # Keras uses the erf form
        return keras.Model(inputs, dense(weights, "head", x))


MODEL = Sizes(
    small=Mlp(batch_size=64, width=512, depth=4),
    full=Mlp(batch_size=256, width=4096, depth=4),
)
