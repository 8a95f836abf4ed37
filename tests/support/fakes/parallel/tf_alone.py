"""MirroredStrategy whose workers do not average their gradients."""

from collections.abc import Sequence
from typing import Any

from bakeoff.compilers import _tf_mirrored

HEADER = {"framework": "tensorflow", "workers": 2}


class Alone(_tf_mirrored.WorkersStep):
    def averaged(self, gradients: Sequence[Any]) -> Sequence[Any]:
        return gradients


_tf_mirrored.WorkersStep = Alone  # this process measures nothing else
STACK = _tf_mirrored.TfMirrored(workers=2)
