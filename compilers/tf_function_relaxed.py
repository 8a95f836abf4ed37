"""tf.function(reduce_retracing=True): the second trace makes the dimensions that differ unknown, so there is no third."""

from typing import final

import tensorflow as tf

from bakeoff import Step
from bakeoff.compilers._tf_captured import CapturedStack

HEADER = {
    "framework": "tensorflow",
    "default": False,
    "diagnoses": True,
    "recipe": "step = tf.function(module.__call__, reduce_retracing=True)",
}


@final
class TfFunctionRelaxed(CapturedStack):
    """Shapes are generalised at the second trace."""

    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        return tf.function(step, reduce_retracing=True)


STACK = TfFunctionRelaxed()
