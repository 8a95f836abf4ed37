"""Keras's own layers, filled with canonical weights, for the models' `keras` method.

A file in Keras's format is loaded where only Keras is installed, so nothing here defines a class or uses a Lambda layer. Each
function adds a layer to a functional model. Imported only inside the models' methods.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from bakeoff import Array, Weights


def filled(layer: keras.layers.Layer, x: Any, *arrays: Array) -> Any:
    """The layer's output. `arrays` become its weights, which exist only after the first call."""
    y = layer(x)
    layer.set_weights(arrays)
    return y


def dense(weights: Weights, name: str, x: Any, activation: str | None = None) -> Any:
    kernel, bias = weights[f"{name}.weight"].T, weights[f"{name}.bias"]
    return filled(keras.layers.Dense(len(bias), activation, name=name), x, kernel, bias)


def layer_norm(weights: Weights, name: str, x: Any, epsilon: float = 1e-5) -> Any:
    """The default epsilon is PyTorch's; Keras's is 1e-3."""
    layer = keras.layers.LayerNormalization(epsilon=epsilon, name=name)
    return filled(layer, x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def embedding(weights: Weights, name: str, ids: Any) -> Any:
    table = weights[f"{name}.weight"]
    return filled(keras.layers.Embedding(*table.shape, name=name), ids, table)


def positions(weights: Weights, name: str, ids: Any) -> Any:
    """The first rows of a table, one for each column of `ids`: (1, token, width).

    The positions are computed from `ids`. For a constant, the functional model would store the looked-up numbers instead of the
    layer.
    """
    return embedding(weights, name, keras.ops.cumsum(keras.ops.ones_like(ids[:1, :]), axis=1) - 1)


def attention(name: str, x: Any, heads: int, parts: Iterable[tuple[Array, Array]], **mask: Any) -> Any:
    """Self-attention; `parts` are weight and bias of query, key, value and output, in PyTorch's layout."""
    width = x.shape[-1]
    split = (heads, width // heads)
    layer = keras.layers.MultiHeadAttention(*split, name=name)
    y = layer(x, x, **mask)
    *projections, (weight, bias) = parts
    arrays = [array for w, b in projections for array in (w.T.reshape(width, *split), b.reshape(split))]
    layer.set_weights([*arrays, weight.T.reshape(*split, width), bias])
    return y


def convolution(weights: Weights, name: str, x: Any, stride: int = 1) -> Any:
    """2-D, NHWC, no bias, padded by half the kernel on each side. At stride 2, 'same' pads (0, 1) and PyTorch pads (1, 1)."""
    kernel = weights[f"{name}.weight"].transpose(2, 3, 1, 0)
    size, _, _, channels = kernel.shape
    if stride != 1 and size != 1:
        x = keras.layers.ZeroPadding2D(size // 2)(x)
    padding = "same" if stride == 1 else "valid"
    return filled(keras.layers.Conv2D(channels, size, stride, padding, use_bias=False, name=name), x, kernel)


def batch_norm(weights: Weights, name: str, x: Any, epsilon: float) -> Any:
    """In inference form: with the running statistics."""
    arrays = [weights[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    return filled(keras.layers.BatchNormalization(epsilon=epsilon, name=name), x, *arrays)
