"""What the gallery's models share: two dense layers, their weights and their batches.

A gallery file derives a network from each class of layers and adds the step that breaks: `forward` in PyTorch, `__call__` in
TensorFlow. That step stays in the file itself, because diagnostics name the file and line where a graph breaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Arrays, Batch, Draw, Model, Weights


@dataclass(frozen=True)
class Gallery(Model):
    """`inner` keeps `width`, `outer` maps it to 10 classes."""

    batch_size: int
    width: int

    def weights(self, draw: Draw) -> Arrays:
        return {
            "inner.weight": draw.normal(self.width, self.width, scale=self.width**-0.5),
            "inner.bias": draw.normal(self.width, scale=0.1),
            "outer.weight": draw.normal(10, self.width, scale=self.width**-0.5),
            "outer.bias": draw.normal(10, scale=0.1),
        }

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch((draw.normal(self.batch_size, self.width),), draw.integers(10, self.batch_size))

    def torch_layers(self) -> Any:
        """A class of torch.nn.Module that has the two layers and no `forward`."""
        from torch import nn

        shape = self

        class Layers(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Linear(shape.width, shape.width)
                self.outer = nn.Linear(shape.width, 10)

        return Layers

    def tensorflow_layers(self, weights: Weights) -> Any:
        """A class of tf.Module that has the two layers and no `__call__`."""
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense

        class Layers(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = Dense(weights, "inner")
                self.outer = Dense(weights, "outer")

        return Layers
