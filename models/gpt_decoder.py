"""A causal decoder (GPT-2, Radford et al. 2019; size full: GPT-2 small): pre-norm blocks, tanh GELU, tied output embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff import Arrays, Batch, Draw, Model, Sizes, Weights


@dataclass(frozen=True)
class GptDecoder(Model):
    """`layers` blocks of `width` with `heads`, next-token logits for `batch_size` × `tokens` ids."""

    batch_size: int
    tokens: int
    layers: int
    width: int
    heads: int
    vocabulary: int
    optimizer = "adamw"
    item = "tokens"

    @property
    def items_per_step(self) -> int:
        return self.batch_size * self.tokens

    def flops(self) -> int:
        """Counts attention without the mask."""
        block = 12 * self.width * self.width + 2 * self.tokens * self.width
        return 2 * self.items_per_step * (self.layers * block + self.width * self.vocabulary)

    def weights(self, draw: Draw) -> Arrays:
        arrays: Arrays = {}
        width = self.width

        def dense(name: str, out: int, into: int, scale: float = 1.0) -> None:
            arrays[f"{name}.weight"] = draw.normal(out, into, scale=scale * into**-0.5)
            arrays[f"{name}.bias"] = draw.normal(out, scale=0.1)

        def norm(name: str) -> None:
            arrays[f"{name}.weight"] = draw.uniform(0.8, 1.2, width)
            arrays[f"{name}.bias"] = draw.normal(width, scale=0.1)

        arrays["token.weight"] = draw.normal(self.vocabulary, width, scale=width**-0.5)
        arrays["position.weight"] = draw.normal(self.tokens, width, scale=0.1)
        for i in range(self.layers):
            norm(f"blocks.{i}.norm1")
            dense(f"blocks.{i}.qkv", 3 * width, width)
            dense(f"blocks.{i}.attended", width, width, scale=0.5)
            norm(f"blocks.{i}.norm2")
            dense(f"blocks.{i}.up", 4 * width, width)
            dense(f"blocks.{i}.down", width, 4 * width, scale=0.5)
        norm("norm")
        return arrays

    def batch(self, draw: Draw, index: int) -> Batch:
        ids = draw.integers(self.vocabulary, self.batch_size, self.tokens + 1)
        return Batch((ids[:, :-1].copy(),), ids[:, 1:].copy())

    def torch(self) -> Any:
        import torch
        from torch import nn

        shape = self

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.norm1 = nn.LayerNorm(shape.width)
                self.qkv = nn.Linear(shape.width, 3 * shape.width)
                self.attended = nn.Linear(shape.width, shape.width)
                self.norm2 = nn.LayerNorm(shape.width)
                self.up = nn.Linear(shape.width, 4 * shape.width)
                self.down = nn.Linear(4 * shape.width, shape.width)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                parts = self.qkv(self.norm1(x)).chunk(3, dim=2)
                query, key, value = (part.unflatten(2, (shape.heads, -1)).transpose(1, 2) for part in parts)
                mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
                x = x + self.attended(mixed.transpose(1, 2).flatten(2))
                return x + self.down(nn.functional.gelu(self.up(self.norm2(x)), approximate="tanh"))

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.token = nn.Embedding(shape.vocabulary, shape.width)
                self.position = nn.Embedding(shape.tokens, shape.width)
                self.blocks = nn.ModuleList(Block() for _ in range(shape.layers))
                self.norm = nn.LayerNorm(shape.width)

            def forward(self, ids: torch.Tensor) -> torch.Tensor:
                x = self.token(ids) + self.position.weight[: ids.shape[1]]
                for block in self.blocks:
                    x = block(x)
                return nn.functional.linear(self.norm(x), self.token.weight)

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import Dense, Embedding, LayerNorm, attention, gelu

        shape = self

        class Block(tf.Module):
            def __init__(self, name: str) -> None:
                super().__init__()
                self.norm1 = LayerNorm(weights, f"{name}.norm1")
                self.qkv = Dense(weights, f"{name}.qkv")
                self.attended = Dense(weights, f"{name}.attended")
                self.norm2 = LayerNorm(weights, f"{name}.norm2")
                self.up = Dense(weights, f"{name}.up")
                self.down = Dense(weights, f"{name}.down")

            def __call__(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
                query, key, value = tf.split(self.qkv(self.norm1(x)), 3, axis=2)
                x = x + self.attended(attention(query, key, value, shape.heads, mask))
                return x + self.down(gelu(self.up(self.norm2(x)), approximate=True))

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.token = Embedding(weights, "token")
                self.position = Embedding(weights, "position")
                self.blocks = [Block(f"blocks.{i}") for i in range(shape.layers)]
                self.norm = LayerNorm(weights, "norm")

            def __call__(self, ids: tf.Tensor) -> tf.Tensor:
                batch, tokens = ids.shape
                x = self.token(ids) + self.position.table[:tokens]
                causal = tf.linalg.band_part(tf.ones((tokens, tokens), tf.bool), -1, 0)
                for block in self.blocks:
                    x = block(x, causal)
                x = tf.reshape(self.norm(x), (batch * tokens, shape.width))
                logits = tf.matmul(x, self.token.table, transpose_b=True)
                return tf.reshape(logits, (batch, tokens, shape.vocabulary))

        return Net()

    def keras(self, weights: Weights) -> Any:
        """Keras's attention computes query, key and value as three products."""
        import keras

        from bakeoff.models._keras import attention, dense, filled, layer_norm, positions

        ids = keras.Input((self.tokens,), self.batch_size, dtype="int64")
        table = weights["token.weight"]
        token = keras.layers.ReversibleEmbedding(*table.shape, name="token")
        x = filled(token, ids, table) + positions(weights, "position", ids)
        for name in (f"blocks.{i}" for i in range(self.layers)):
            thirds = (np.split(weights[f"{name}.qkv.{part}"], 3) for part in ("weight", "bias"))
            parts = [*zip(*thirds, strict=True), (weights[f"{name}.attended.weight"], weights[f"{name}.attended.bias"])]
            normed = layer_norm(weights, f"{name}.norm1", x)
            x = x + attention(f"{name}.attention", normed, self.heads, parts, use_causal_mask=True)
            up = dense(weights, f"{name}.up", layer_norm(weights, f"{name}.norm2", x))
            x = x + dense(weights, f"{name}.down", keras.ops.gelu(up, approximate=True))
        return keras.Model(ids, token(layer_norm(weights, "norm", x), reverse=True))


MODEL = Sizes(
    small=GptDecoder(batch_size=4, tokens=64, layers=2, width=256, heads=4, vocabulary=2000),
    full=GptDecoder(batch_size=1, tokens=1024, layers=12, width=768, heads=12, vocabulary=50257),
)
