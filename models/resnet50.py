"""ResNet-50 (He et al. 2016, arXiv:1512.03385) with the v1.5 strides: convolution and batch norm.

v1.5 puts the stride of a block in its 3×3 convolution, as torchvision and the MLPerf reference do. Weights are in PyTorch's
layout (OIHW). The TensorFlow implementation stores HWIO and uses NHWC images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bakeoff import Array, Arrays, Batch, Draw, Model, Sizes, Weights

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # width, blocks, stride of the first block
EXPANSION = 4
EPSILON, MOMENTUM = 1e-5, 0.1  # of batch norm, with PyTorch's definition of momentum (Keras: 0.9)


def blocks() -> Iterator[tuple[str, int, int, int]]:
    """Name, input channels, width and stride of each of the 16 bottlenecks."""
    channels = 64
    for stage, (width, count, stride) in enumerate(STAGES, start=1):
        for i in range(count):
            yield f"layer{stage}.{i}", channels, width, stride if i == 0 else 1
            channels = width * EXPANSION


@dataclass(frozen=True)
class ResNet50(Model):
    """Images of `pixels` × `pixels`, 1000 classes."""

    batch_size: int
    pixels: int
    item = "images"

    def flops(self) -> int:
        """Counts the convolutions and the last layer."""

        def halved(pixels: int) -> int:
            return (pixels + 1) // 2

        at = halved(self.pixels)
        products = at * at * 64 * 3 * 49
        at = halved(at)
        for _, channels, width, stride in blocks():
            products += at * at * channels * width
            at = halved(at) if stride == 2 else at
            products += at * at * (9 * width * width + width * width * EXPANSION)
            if stride != 1 or channels != width * EXPANSION:
                products += at * at * channels * width * EXPANSION
        return 2 * self.batch_size * (products + 512 * EXPANSION * 1000)

    def weights(self, draw: Draw) -> Arrays:
        arrays: Arrays = {}

        def convolution(name: str, out: int, into: int, kernel: int) -> None:
            arrays[f"{name}.weight"] = draw.normal(out, into, kernel, kernel, scale=(2 / (into * kernel * kernel)) ** 0.5)

        def norm(name: str, channels: int, scale: float = 1.0) -> None:
            arrays[f"{name}.weight"] = draw.uniform(0.8 * scale, 1.2 * scale, channels)
            arrays[f"{name}.bias"] = draw.normal(channels, scale=0.1)
            arrays[f"{name}.running_mean"] = draw.normal(channels, scale=0.1)
            arrays[f"{name}.running_var"] = draw.uniform(0.8, 1.2, channels)

        convolution("conv1", 64, 3, 7)
        norm("bn1", 64)
        for name, channels, width, stride in blocks():
            convolution(f"{name}.conv1", width, channels, 1)
            norm(f"{name}.bn1", width)
            convolution(f"{name}.conv2", width, width, 3)
            norm(f"{name}.bn2", width)
            convolution(f"{name}.conv3", width * EXPANSION, width, 1)
            norm(f"{name}.bn3", width * EXPANSION, scale=0.3)  # so that the sum over 16 residuals stays near one
            if stride != 1 or channels != width * EXPANSION:
                convolution(f"{name}.downsample.0", width * EXPANSION, channels, 1)
                norm(f"{name}.downsample.1", width * EXPANSION)
        arrays["fc.weight"] = draw.normal(1000, 512 * EXPANSION, scale=(512 * EXPANSION) ** -0.5)
        arrays["fc.bias"] = draw.normal(1000, scale=0.1)
        return arrays

    def batch(self, draw: Draw, index: int) -> Batch:
        images = draw.normal(self.batch_size, 3, self.pixels, self.pixels)
        return Batch((images,), draw.integers(1000, self.batch_size))

    def tensorflow_inputs(self, *inputs: Array) -> tuple[Array, ...]:
        return tuple(images.transpose(0, 2, 3, 1) for images in inputs)

    def torch(self) -> Any:
        import torch
        from torch import nn

        class Bottleneck(nn.Module):
            def __init__(self, channels: int, width: int, stride: int) -> None:
                super().__init__()
                out = width * EXPANSION
                self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
                self.bn1 = nn.BatchNorm2d(width)
                self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
                self.bn2 = nn.BatchNorm2d(width)
                self.conv3 = nn.Conv2d(width, out, 1, bias=False)
                self.bn3 = nn.BatchNorm2d(out)
                self.downsample = None
                if stride != 1 or channels != out:
                    shortcut = nn.Conv2d(channels, out, 1, stride=stride, bias=False)
                    self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                identity = x if self.downsample is None else self.downsample(x)
                x = torch.relu(self.bn1(self.conv1(x)))
                x = torch.relu(self.bn2(self.conv2(x)))
                return torch.relu(self.bn3(self.conv3(x)) + identity)

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
                self.bn1 = nn.BatchNorm2d(64)
                stages: dict[str, list[nn.Module]] = {}
                for name, channels, width, stride in blocks():
                    stages.setdefault(name.partition(".")[0], []).append(Bottleneck(channels, width, stride))
                for name, members in stages.items():
                    setattr(self, name, nn.Sequential(*members))
                self.fc = nn.Linear(512 * EXPANSION, 1000)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = torch.relu(self.bn1(self.conv1(x)))
                x = nn.functional.max_pool2d(x, 3, stride=2, padding=1)
                x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
                return self.fc(x.mean((2, 3)))

        return Net()

    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        from bakeoff.models._tensorflow import BatchNorm, Convolution, Dense

        class Bottleneck(tf.Module):
            def __init__(self, name: str, channels: int, width: int, stride: int) -> None:
                super().__init__()
                self.conv1 = Convolution(weights, f"{name}.conv1")
                self.bn1 = BatchNorm(weights, f"{name}.bn1", EPSILON, MOMENTUM)
                self.conv2 = Convolution(weights, f"{name}.conv2", stride, padding=1)
                self.bn2 = BatchNorm(weights, f"{name}.bn2", EPSILON, MOMENTUM)
                self.conv3 = Convolution(weights, f"{name}.conv3")
                self.bn3 = BatchNorm(weights, f"{name}.bn3", EPSILON, MOMENTUM)
                self.shortcut = None
                if stride != 1 or channels != width * EXPANSION:
                    self.shortcut = Convolution(weights, f"{name}.downsample.0", stride)
                    self.shortcut_bn = BatchNorm(weights, f"{name}.downsample.1", EPSILON, MOMENTUM)

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                identity = x if self.shortcut is None else self.shortcut_bn(self.shortcut(x))
                x = tf.nn.relu(self.bn1(self.conv1(x)))
                x = tf.nn.relu(self.bn2(self.conv2(x)))
                return tf.nn.relu(self.bn3(self.conv3(x)) + identity)

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv1 = Convolution(weights, "conv1", stride=2, padding=3)
                self.bn1 = BatchNorm(weights, "bn1", EPSILON, MOMENTUM)
                self.blocks = [Bottleneck(*block) for block in blocks()]
                self.fc = Dense(weights, "fc")

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                x = tf.nn.relu(self.bn1(self.conv1(x)))
                # after a ReLU, zeros have the effect of −∞; XLA does not support explicit padding in the pooling itself
                x = tf.nn.max_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID")
                for block in self.blocks:
                    x = block(x)
                return self.fc(tf.reduce_mean(x, (1, 2)))

        return Net()

    def keras(self, weights: Weights) -> Any:
        import keras

        from bakeoff.models._keras import batch_norm, convolution, dense

        def normed(x: Any, into: str, norm: str, stride: int = 1) -> Any:
            return batch_norm(weights, norm, convolution(weights, into, x, stride), EPSILON)

        images = keras.Input((self.pixels, self.pixels, 3), self.batch_size)
        x = keras.ops.relu(normed(images, "conv1", "bn1", 2))
        x = keras.layers.MaxPooling2D(3, 2)(keras.layers.ZeroPadding2D(1)(x))  # after a ReLU, zeros have the effect of −∞
        for name, channels, width, stride in blocks():
            identity = x
            if stride != 1 or channels != width * EXPANSION:
                identity = normed(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            x = keras.ops.relu(normed(x, f"{name}.conv1", f"{name}.bn1"))
            x = keras.ops.relu(normed(x, f"{name}.conv2", f"{name}.bn2", stride))
            x = keras.ops.relu(normed(x, f"{name}.conv3", f"{name}.bn3") + identity)
        return keras.Model(images, dense(weights, "fc", keras.layers.GlobalAveragePooling2D()(x)))


MODEL = Sizes(
    small=ResNet50(batch_size=4, pixels=64),
    full=ResNet50(batch_size=32, pixels=224),
)
