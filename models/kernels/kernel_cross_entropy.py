"""Cross-entropy of logits, averaged over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Draw, Sizes
from bakeoff.models.kernels._shared import Operation, module


@dataclass(frozen=True)
class CrossEntropy(Operation):
    """`batch_size` rows of `classes`."""

    classes: int

    @property
    def elements(self) -> int:
        return self.batch_size * self.classes

    def flops(self) -> int:
        return 4 * self.elements

    def moved(self, itemsize: int) -> int:
        return itemsize * self.elements + 8 * self.batch_size

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        return draw.normal(self.batch_size, self.classes, scale=3.0), draw.integers(self.classes, self.batch_size)

    def torch(self) -> Any:
        from torch.nn.functional import cross_entropy

        return module(lambda logits, target: cross_entropy(logits, target).reshape(1))


MODEL = Sizes(small=CrossEntropy(batch_size=64, classes=2000), full=CrossEntropy(batch_size=4096, classes=50257))
