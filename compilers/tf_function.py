"""tf.function: AutoGraph and tracing make a graph, Grappler rewrites it, oneDNN kernels run it."""

from typing import final

import tensorflow as tf

from bakeoff import Step
from bakeoff.compilers._tf_captured import CapturedStack

FRAMEWORK = "tensorflow"
DIAGNOSES = True
RECIPE = "step = tf.function(module.__call__)"


@final
class TfFunction(CapturedStack):
    """Default options: AutoGraph on, no XLA."""

    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        return tf.function(step)


STACK = TfFunction()
