"""tf.function with an input signature whose first dimension is unknown: one trace for every batch size."""

from typing import final

import tensorflow as tf

from bakeoff import Step
from bakeoff.compilers._tf_captured import CapturedStack, any_batch

HEADER = {
    "framework": "tensorflow",
    "default": False,
    "diagnoses": True,
    "recipe": """
signature = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in inputs[0]]
step = tf.function(module.__call__, input_signature=signature)
""",
}


@final
class TfFunctionSignature(CapturedStack):
    """One trace, with an unknown batch size."""

    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        return tf.function(step, input_signature=any_batch(example))


STACK = TfFunctionSignature()
