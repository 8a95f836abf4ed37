"""Falls back to Python: an autograd.Function that TorchScript calls, and lambdas that AutoGraph cannot tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Arrays, Batch, Draw, Model, Sizes, Weights


@dataclass(frozen=True)
class Fallbacks(Model):
    batch_size: int

    def weights(self, draw: Draw) -> Arrays:
        return {"scale": draw.normal(16)}

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch((draw.normal(self.batch_size, 16),), draw.integers(16, self.batch_size))

    def torch(self) -> Any:
        import torch
        from torch import nn

        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
                return x * 2

            @staticmethod
            def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
                return gradient * 2

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale = nn.Parameter(torch.empty(16))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return Double.apply(x * self.scale)  # python fallback

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        # fmt: off
        double, half = (lambda x: x * 2), (lambda x: x / 2)  # autograph fallback
        # fmt: on

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale = tf.Variable(weights.take("scale"), name="scale")

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                return double(half(double(x * self.scale)))

        return Net()


MODEL = Sizes(small=Fallbacks(batch_size=8), full=Fallbacks(batch_size=8))
