"""tf.function(jit_compile=True): the traced graph goes to XLA whole, or not at all."""

import os
import re
from typing import final

import tensorflow as tf

from compilers._tensorflow import CapturedStack, TensorFlowProgram
from harness import Step

FRAMEWORK = "tensorflow"

# TensorFlow's device_compilation_profiler writes one such line per compilation (harness/environment.py switches it on).
# monitoring.Counter("/tensorflow/core/xla_compilations") registers another metric and always reads 0.
COMPILED = re.compile(rb"device_compilation_profiler\.cc:\d+\] Compiled ")


@final
class TfXla(CapturedStack):
    """The must-be-compiled form: a shape that is new compiles again, without a new trace."""

    def transform(self, step: Step) -> Step:
        return tf.function(step, jit_compile=True)

    def compilations(self, program: TensorFlowProgram) -> int:
        """Traces, and XLA compilations by its own log on stderr."""
        log = os.pread(2, os.fstat(2).st_size, 0)
        return super().compilations(program) + len(COMPILED.findall(log))


STACK = TfXla()
