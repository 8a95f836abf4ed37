"""TensorFlow 2 as it is: every operation dispatched from Python, nothing captured."""

from typing import final

from compilers._tensorflow import TensorFlowStack
from harness import Step

FRAMEWORK = "tensorflow"
EAGER = True


@final
class TfEager(TensorFlowStack):
    """TensorFlow's baseline."""

    def transform(self, step: Step) -> Step:
        return step


STACK = TfEager()
