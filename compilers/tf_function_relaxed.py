"""tf.function(reduce_retracing=True): the second shape makes what differs unknown, and there is no third trace."""

from typing import final

import tensorflow as tf

from bakeoff import Step
from bakeoff.compilers._tf_captured import CapturedStack

FRAMEWORK = "tensorflow"
DEFAULT = False
DIAGNOSES = True
RECIPE = "step = tf.function(module.__call__, reduce_retracing=True)"


@final
class TfFunctionRelaxed(CapturedStack):
    """Shapes are generalised from the second trace on."""

    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        return tf.function(step, reduce_retracing=True)


STACK = TfFunctionRelaxed()
