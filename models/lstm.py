"""An LSTM language model (Zaremba et al. 2014, arXiv:1409.2329; size full: the medium shapes): a recurrence over time.

In both frameworks the gates have the order i, f, g, o, and there are PyTorch's two biases, so that parameters and gradients
correspond one to one. TensorFlow loops with tf.range: unrolled in Python, XLA took 20 times as long to compile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Arrays, Batch, Draw, Model, Sizes, Weights


@dataclass(frozen=True)
class Lstm(Model):
    """Embedding, `layers` LSTM layers of `width`, logits over the vocabulary at each of `tokens` steps."""

    batch_size: int
    tokens: int
    layers: int
    width: int
    vocabulary: int
    item = "tokens"

    @property
    def items_per_step(self) -> int:
        return self.batch_size * self.tokens

    def weights(self, draw: Draw) -> Arrays:
        width = self.width
        arrays = {"embedding.weight": draw.normal(self.vocabulary, width)}
        for i in range(self.layers):
            for name in ("ih", "hh"):
                arrays[f"lstm.weight_{name}_l{i}"] = draw.normal(4 * width, width, scale=width**-0.5)
                arrays[f"lstm.bias_{name}_l{i}"] = draw.normal(4 * width, scale=0.1)
        arrays["head.weight"] = draw.normal(self.vocabulary, width, scale=width**-0.5)
        arrays["head.bias"] = draw.normal(self.vocabulary, scale=0.1)
        return arrays

    def batch(self, draw: Draw, index: int) -> Batch:
        ids = draw.integers(self.vocabulary, self.batch_size, self.tokens + 1)
        return Batch((ids[:, :-1].copy(),), ids[:, 1:].copy())

    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embedding = nn.Embedding(shape.vocabulary, shape.width)
                self.lstm = nn.LSTM(shape.width, shape.width, shape.layers, batch_first=True)
                self.head = nn.Linear(shape.width, shape.vocabulary)

            def forward(self, ids: torch.Tensor) -> torch.Tensor:
                hidden, _ = self.lstm(self.embedding(ids))
                return self.head(hidden)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense, Embedding, variable

        shape = self

        class Layer(tf.Module):
            def __init__(self, index: int) -> None:
                super().__init__()
                self.input_kernel = variable(weights, f"lstm.weight_ih_l{index}", (1, 0))
                self.input_bias = variable(weights, f"lstm.bias_ih_l{index}")
                self.kernel = variable(weights, f"lstm.weight_hh_l{index}", (1, 0))
                self.bias = variable(weights, f"lstm.bias_hh_l{index}")

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                """(time, batch, width) → the same."""
                tokens, batch, width = x.shape
                flat = tf.reshape(x, (tokens * batch, width))
                inputs = tf.matmul(flat, self.input_kernel) + (self.input_bias + self.bias)
                inputs = tf.reshape(inputs, (tokens, batch, 4 * width))
                hidden = cell = tf.zeros((batch, width), x.dtype)
                outputs = tf.TensorArray(x.dtype, size=tokens, element_shape=(batch, width))
                for t in tf.range(tokens):
                    gates = inputs[t] + tf.matmul(hidden, self.kernel)
                    i, f, g, o = tf.split(gates, 4, axis=1)
                    cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
                    hidden = tf.sigmoid(o) * tf.tanh(cell)
                    outputs = outputs.write(t, hidden)
                return outputs.stack()

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embedding = Embedding(weights, "embedding")
                self.layers = [Layer(i) for i in range(shape.layers)]
                self.head = Dense(weights, "head")

            def __call__(self, ids: tf.Tensor) -> tf.Tensor:
                x = tf.transpose(self.embedding(ids), (1, 0, 2))
                for layer in self.layers:
                    x = layer(x)
                return self.head(tf.transpose(x, (1, 0, 2)))

        return Net()

    def flops(self) -> int:
        return 2 * self.items_per_step * self.width * (self.layers * 8 * self.width + self.vocabulary)

    def keras(self, weights: Weights) -> Any:
        """Keras's LSTM has one bias: the sum of PyTorch's two."""
        import keras

        from bakeoff.models._keras import dense, embedding, filled

        ids = keras.Input((self.tokens,), self.batch_size, dtype="int64")
        x = embedding(weights, "embedding", ids)
        for i in range(self.layers):
            kernels = [weights[f"lstm.weight_{name}_l{i}"].T for name in ("ih", "hh")]
            bias = weights[f"lstm.bias_ih_l{i}"] + weights[f"lstm.bias_hh_l{i}"]
            x = filled(keras.layers.LSTM(self.width, return_sequences=True, name=f"lstm.{i}"), x, *kernels, bias)
        return keras.Model(ids, dense(weights, "head", x))


MODEL = Sizes(
    small=Lstm(batch_size=16, tokens=20, layers=2, width=128, vocabulary=1000),
    full=Lstm(batch_size=20, tokens=35, layers=2, width=650, vocabulary=10_000),
)
