"""The article's example network: 32 → 64, ReLU → 10. It is so small that it measures dispatch, not arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Arrays, Batch, Draw, Model, Sizes, Weights


@dataclass(frozen=True)
class ArticleNet(Model):
    """Two dense layers."""

    batch_size: int = 32

    def flops(self) -> int:
        return 2 * self.batch_size * (32 * 64 + 64 * 10)

    def weights(self, draw: Draw) -> Arrays:
        return {
            "hidden.weight": draw.normal(64, 32, scale=32**-0.5),
            "hidden.bias": draw.normal(64, scale=0.1),
            "out.weight": draw.normal(10, 64, scale=64**-0.5),
            "out.bias": draw.normal(10, scale=0.1),
        }

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch((draw.normal(self.batch_size, 32),), draw.integers(10, self.batch_size))

    def torch(self) -> Any:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.hidden = nn.Linear(32, 64)
                self.out = nn.Linear(64, 10)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.out(torch.relu(self.hidden(x)))

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.hidden = Dense(weights, "hidden")
                self.out = Dense(weights, "out")

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                return self.out(tf.nn.relu(self.hidden(x)))

        return Net()

    def keras(self, weights: Weights) -> Any:
        import keras

        from bakeoff.models._keras import dense

        x = keras.Input((32,), self.batch_size)
        return keras.Model(x, dense(weights, "out", dense(weights, "hidden", x, "relu")))


MODEL = Sizes(small=ArticleNet(), full=ArticleNet())
