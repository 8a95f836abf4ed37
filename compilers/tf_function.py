"""tf.function: AutoGraph and tracing build a graph, Grappler optimises it, oneDNN kernels run it."""

from typing import final

import tensorflow as tf

from bakeoff import Step
from bakeoff.compilers._tf_captured import CapturedStack

HEADER = {"framework": "tensorflow", "diagnoses": True, "recipe": "step = tf.function(module.__call__)"}


@final
class TfFunction(CapturedStack):
    """Default options: AutoGraph on, no XLA."""

    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        return tf.function(step)


STACK = TfFunction()
