"""tf.function(jit_compile=True) with an input signature: one trace, and one XLA compilation per concrete shape."""

from typing import final

import tensorflow as tf

from bakeoff import Step
from bakeoff.compilers._tf_captured import any_batch
from bakeoff.compilers.tf_xla import XlaStack

HEADER = {
    "framework": "tensorflow",
    "default": False,
    "diagnoses": True,
    "recipe": """
signature = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in inputs[0]]
step = tf.function(module.__call__, jit_compile=True, input_signature=signature)
""",
}


@final
class TfXlaSignature(XlaStack):
    """Shapes share the trace and not the code."""

    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        return tf.function(step, jit_compile=True, input_signature=any_batch(example))


STACK = TfXlaSignature()
