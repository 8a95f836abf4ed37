"""A BERT encoder (Devlin et al. 2018, arXiv:1810.04805; size full: the base shapes) that labels each token.

Post-norm blocks, GELU in its erf form, epsilon 1e-12, padding masked. Every token has a label, so that a compiler cannot remove
the work of unused positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff import Arrays, Batch, Draw, Model, Sizes, Weights

LABELS = 9
EPSILON = 1e-12


@dataclass(frozen=True)
class BertEncoder(Model):
    """`layers` blocks of `width` with `heads`, on `batch_size` × `tokens` ids; the feed-forward is 4 × `width`."""

    batch_size: int
    tokens: int
    layers: int
    width: int
    heads: int
    vocabulary: int
    positions: int
    optimizer = "adamw"
    item = "tokens"

    @property
    def items_per_step(self) -> int:
        return self.batch_size * self.tokens

    def flops(self) -> int:
        """Counts attention without the mask."""
        block = 12 * self.width * self.width + 2 * self.tokens * self.width
        return 2 * self.items_per_step * (self.layers * block + self.width * LABELS)

    def weights(self, draw: Draw) -> Arrays:
        arrays: Arrays = {}
        width = self.width

        def dense(name: str, out: int, into: int) -> None:
            arrays[f"{name}.weight"] = draw.normal(out, into, scale=into**-0.5)
            arrays[f"{name}.bias"] = draw.normal(out, scale=0.1)

        def norm(name: str) -> None:
            arrays[f"{name}.weight"] = draw.uniform(0.8, 1.2, width)
            arrays[f"{name}.bias"] = draw.normal(width, scale=0.1)

        arrays["word.weight"] = draw.normal(self.vocabulary, width)
        arrays["position.weight"] = draw.normal(self.positions, width)
        norm("norm")
        for i in range(self.layers):
            for name in ("query", "key", "value", "attended"):
                dense(f"blocks.{i}.{name}", width, width)
            norm(f"blocks.{i}.norm1")
            dense(f"blocks.{i}.up", 4 * width, width)
            dense(f"blocks.{i}.down", width, 4 * width)
            norm(f"blocks.{i}.norm2")
        dense("head", LABELS, width)
        return arrays

    def batch(self, draw: Draw, index: int) -> Batch:
        shape = (self.batch_size, self.tokens)
        lengths = self.tokens - draw.integers(self.tokens // 2, self.batch_size, 1)
        mask = np.arange(self.tokens) < lengths  # (batch, token): true for a token, false for padding
        return Batch((draw.integers(self.vocabulary, *shape), mask), draw.integers(LABELS, *shape))

    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.query, self.key, self.value = (nn.Linear(shape.width, shape.width) for _ in range(3))
                self.attended = nn.Linear(shape.width, shape.width)
                self.norm1 = nn.LayerNorm(shape.width, EPSILON)
                self.up = nn.Linear(shape.width, 4 * shape.width)
                self.down = nn.Linear(4 * shape.width, shape.width)
                self.norm2 = nn.LayerNorm(shape.width, EPSILON)

            def split(self, x: torch.Tensor) -> torch.Tensor:
                return x.unflatten(2, (shape.heads, -1)).transpose(1, 2)

            def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
                query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
                mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
                x = self.norm1(x + self.attended(mixed.transpose(1, 2).flatten(2)))
                return self.norm2(x + self.down(nn.functional.gelu(self.up(x))))

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.word = nn.Embedding(shape.vocabulary, shape.width)
                self.position = nn.Embedding(shape.positions, shape.width)
                self.norm = nn.LayerNorm(shape.width, EPSILON)
                self.blocks = nn.ModuleList(Block() for _ in range(shape.layers))
                self.head = nn.Linear(shape.width, LABELS)

            def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
                x = self.norm(self.word(ids) + self.position.weight[: ids.shape[1]])
                for block in self.blocks:
                    x = block(x, mask[:, None, None, :])
                return self.head(x)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense, Embedding, LayerNorm, attention, gelu

        shape = self

        class Block(tf.Module):
            def __init__(self, name: str) -> None:
                super().__init__()
                self.query, self.key, self.value = (Dense(weights, f"{name}.{part}") for part in ("query", "key", "value"))
                self.attended = Dense(weights, f"{name}.attended")
                self.norm1 = LayerNorm(weights, f"{name}.norm1", EPSILON)
                self.up = Dense(weights, f"{name}.up")
                self.down = Dense(weights, f"{name}.down")
                self.norm2 = LayerNorm(weights, f"{name}.norm2", EPSILON)

            def __call__(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
                mixed = attention(self.query(x), self.key(x), self.value(x), shape.heads, mask)
                x = self.norm1(x + self.attended(mixed))
                return self.norm2(x + self.down(gelu(self.up(x), approximate=False)))

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.word = Embedding(weights, "word")
                self.position = Embedding(weights, "position")
                self.norm = LayerNorm(weights, "norm", EPSILON)
                self.blocks = [Block(f"blocks.{i}") for i in range(shape.layers)]
                self.head = Dense(weights, "head")

            def __call__(self, ids: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
                x = self.norm(self.word(ids) + self.position.table[: ids.shape[1]])
                for block in self.blocks:
                    x = block(x, mask[:, None, None, :])
                return self.head(x)

        return Net()

    def keras(self, weights: Weights) -> Any:
        import keras

        from bakeoff.models._keras import attention, dense, embedding, layer_norm, positions

        ids = keras.Input((self.tokens,), self.batch_size, dtype="int64")
        mask = keras.Input((self.tokens,), self.batch_size, dtype="bool")
        seen = keras.ops.expand_dims(mask, 1)  # the same for every query
        x = layer_norm(weights, "norm", embedding(weights, "word", ids) + positions(weights, "position", ids), EPSILON)
        for name in (f"blocks.{i}" for i in range(self.layers)):
            names = [f"{name}.{part}" for part in ("query", "key", "value", "attended")]
            parts = [(weights[f"{part}.weight"], weights[f"{part}.bias"]) for part in names]
            mixed = attention(f"{name}.attention", x, self.heads, parts, attention_mask=seen)
            x = layer_norm(weights, f"{name}.norm1", x + mixed, EPSILON)
            up = dense(weights, f"{name}.up", x, "gelu")  # Keras uses the erf form
            x = layer_norm(weights, f"{name}.norm2", x + dense(weights, f"{name}.down", up), EPSILON)
        return keras.Model([ids, mask], dense(weights, "head", x))


MODEL = Sizes(
    small=BertEncoder(batch_size=4, tokens=64, layers=2, width=256, heads=4, vocabulary=2000, positions=128),
    full=BertEncoder(batch_size=8, tokens=128, layers=12, width=768, heads=12, vocabulary=30522, positions=512),
)
