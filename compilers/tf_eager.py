"""TensorFlow 2 without a compiler: every operation is dispatched from Python."""

from typing import final

import tensorflow as tf

from bakeoff import Step
from bakeoff.compilers._tensorflow import TensorFlowStack

HEADER = {
    "framework": "tensorflow",
    "eager": True,
    "recipe": """
import tensorflow as tf

module = model.tensorflow(Weights(weights))
for part in (module, *getattr(module, "submodules", ())):
    if hasattr(part, "training"):
        part.training = False
inputs = [tuple(map(tf.constant, model.tensorflow_inputs(*batch))) for batch in batches]
""",
}


@final
class TfEager(TensorFlowStack):
    """TensorFlow's baseline."""

    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        return step


STACK = TfEager()
