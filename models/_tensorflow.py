"""Plain tf.Module layers for the TensorFlow implementations, each built from canonical weights under the same name.

An eager call of a Keras layer takes 1.3 to 6 times as long; under tf.function and XLA both are equally fast. Plain layers
make this a comparison of compilers, not of layer libraries. Imported only inside the models' methods.
"""

from __future__ import annotations

import math

import tensorflow as tf

from bakeoff import Weights


def variable(weights: Weights, name: str, axes: tuple[int, ...] | None = None, *, trainable: bool = True) -> tf.Variable:
    """A variable with the canonical weight `name`, its axes permuted, under the same name."""
    return tf.Variable(weights.take(name, axes), name=name, trainable=trainable)


class Dense(tf.Module):
    """x @ kernel + bias for x of rank 2 or 3. The kernel is (in, out); PyTorch's is (out, in)."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.kernel = variable(weights, f"{name}.weight", (1, 0))
        self.bias = variable(weights, f"{name}.bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        if x.shape.rank == 2:
            return tf.nn.bias_add(tf.matmul(x, self.kernel), self.bias)
        # one matrix product instead of a batched one, as in Keras
        flat = tf.reshape(x, (-1, x.shape[-1]))
        y = tf.nn.bias_add(tf.matmul(flat, self.kernel), self.bias)
        return tf.reshape(y, (*x.shape[:-1], self.kernel.shape[1]))


class LayerNorm(tf.Module):
    """Over the last axis. The default epsilon is PyTorch's 1e-5; Keras's is 1e-3."""

    def __init__(self, weights: Weights, name: str, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.scale = variable(weights, f"{name}.weight")
        self.offset = variable(weights, f"{name}.bias")
        self.epsilon = epsilon

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, self.offset, self.scale, self.epsilon)


class Embedding(tf.Module):
    """Rows of a table."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.table = variable(weights, f"{name}.weight")

    def __call__(self, ids: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.table, ids)


def gelu(x: tf.Tensor, *, approximate: bool) -> tf.Tensor:
    """tf.nn.gelu. In float64 (references only) its constants are rounded to float32, an error of 2e-8; so it is written out."""
    if x.dtype != tf.float64:
        return tf.nn.gelu(x, approximate=approximate)
    if approximate:
        return 0.5 * x * (1.0 + tf.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3)))
    return 0.5 * x * (1.0 + tf.math.erf(x * 2**-0.5))


class Convolution(tf.Module):
    """2-D, NHWC, no bias. The kernel is HWIO; PyTorch's is OIHW.

    Padding is explicit, because at stride 2 'SAME' pads (0, 1) and PyTorch pads (1, 1).
    """

    def __init__(self, weights: Weights, name: str, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.kernel = variable(weights, f"{name}.weight", (2, 3, 1, 0))
        self.stride = stride
        self.padding = [[0, 0], [padding, padding], [padding, padding], [0, 0]] if padding else "VALID"

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(x, self.kernel, self.stride, self.padding)


class BatchNorm(tf.Module):
    """Over the last axis of NHWC. The stack sets `training`, as Module.train() does in PyTorch.

    The fused operation returns the unbiased variance, as PyTorch keeps it in its running variance; Keras keeps the biased one.
    """

    def __init__(self, weights: Weights, name: str, epsilon: float, momentum: float) -> None:
        super().__init__()
        self.scale = variable(weights, f"{name}.weight")
        self.offset = variable(weights, f"{name}.bias")
        self.mean = variable(weights, f"{name}.running_mean", trainable=False)
        self.variance = variable(weights, f"{name}.running_var", trainable=False)
        self.epsilon, self.momentum, self.training = epsilon, momentum, False

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        if x.dtype == tf.float64:  # the fused operation has no float64 kernel; only references run in float64
            mean, variance = tf.nn.moments(x, [0, 1, 2]) if self.training else (self.mean, self.variance)
            if self.training:
                count = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), x.dtype)
                self.mean.assign_add(self.momentum * (mean - self.mean))
                self.variance.assign_add(self.momentum * (variance * count / (count - 1) - self.variance))
            return tf.nn.batch_normalization(x, mean, variance, self.offset, self.scale, self.epsilon)
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x,
            self.scale,
            self.offset,
            mean=self.mean,
            variance=self.variance,
            epsilon=self.epsilon,
            is_training=self.training,
            exponential_avg_factor=self.momentum if self.training else 1.0,
        )
        if self.training:
            self.mean.assign(mean)
            self.variance.assign(variance)
        return y


def attention(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, heads: int, mask: tf.Tensor) -> tf.Tensor:
    """Scaled dot-product attention (Vaswani et al. 2017) on (batch, token, width); `mask` is true for keys that take part."""
    batch, tokens, width = query.shape

    def split(x: tf.Tensor) -> tf.Tensor:
        return tf.transpose(tf.reshape(x, (batch, tokens, heads, width // heads)), (0, 2, 1, 3))

    scores = tf.matmul(split(query) * tf.cast((width // heads) ** -0.5, query.dtype), split(key), transpose_b=True)
    scores = tf.where(mask, scores, tf.cast(float("-inf"), scores.dtype))
    mixed = tf.matmul(tf.nn.softmax(scores), split(value))
    return tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (batch, tokens, width))
