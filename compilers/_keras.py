"""How is a keras.Model a TensorFlow implementation? Wrapped in a tf.Module. Only the model's file imports Keras."""

from functools import cached_property
from typing import Any

import tensorflow as tf

from bakeoff import Unsupported


class KerasImplementation(tf.Module):
    """Canonical names are Keras's paths. Variables that are not floating-point (a layer's seed, a count) are no weights."""

    def __init__(self, net: Any, precision: str) -> None:
        super().__init__()
        if not hasattr(net, "trainable_weights"):
            raise TypeError(f"a TensorFlow implementation is a tf.Module or a keras.Model, not a {type(net).__name__}")
        self.net = net
        self.training = False
        for variable in net.weights:
            if not isinstance(variable.value, tf.Variable):
                raise Unsupported("Keras runs on another backend than TensorFlow here: unset KERAS_BACKEND")
            if variable.value.dtype.is_floating and variable.value.dtype.name != precision:
                wanted = "keras.config.set_dtype_policy(weights.dtype) before layers are made"
                raise ValueError(f"{variable.path} is {variable.value.dtype.name}, and the run is in {precision}: use {wanted}")

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return self.net(inputs[0] if len(inputs) == 1 else list(inputs), training=self.training)

    @cached_property
    def paths(self) -> dict[int, str]:
        """id of the tf.Variable, whose own name is only the last part → its path."""
        return {id(variable.value): variable.path for variable in self.net.weights}

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        return _floating(self.net.trainable_weights)

    @property
    def non_trainable_variables(self) -> tuple[tf.Variable, ...]:
        return _floating(self.net.non_trainable_weights)

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        return _floating(self.net.weights)


def _floating(variables: Any) -> tuple[tf.Variable, ...]:
    return tuple(variable.value for variable in variables if variable.value.dtype.is_floating)
