"""MirroredStrategy whose workers keep their gradients to themselves."""

from collections.abc import Sequence
from typing import Any

from bakeoff.compilers import _tf_mirrored

FRAMEWORK = "tensorflow"
WORKERS = 2


class Alone(_tf_mirrored.WorkersStep):
    def averaged(self, gradients: Sequence[Any]) -> Sequence[Any]:
        return gradients


_tf_mirrored.WorkersStep = Alone  # this process measures nothing else
STACK = _tf_mirrored.TfMirrored(WORKERS)
