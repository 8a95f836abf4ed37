"""What a kernel's subject tells beside a model's: how many bytes it must move and how many flops it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Arrays, Batch, Draw, Model


@dataclass(frozen=True)
class Operation(Model):
    """No weights but those that are inputs; the step is one call."""

    batch_size: int
    item = "elements"

    @property
    def elements(self) -> int:
        """Of the largest input."""
        raise NotImplementedError

    @property
    def items_per_step(self) -> int:
        return self.elements

    def flops(self) -> int:
        """Floating-point operations of a step."""
        raise NotImplementedError

    def moved(self, itemsize: int) -> int:
        """Bytes that a step must read and write at least, with elements of `itemsize` bytes."""
        raise NotImplementedError

    def weights(self, draw: Draw) -> Arrays:
        return {}

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        """Arrays of one step."""
        raise NotImplementedError

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch(self.inputs(draw), draw.integers(2, self.batch_size))


def module(function: Any) -> Any:
    """A torch.nn.Module whose forward is the function."""
    from torch import nn

    class Net(nn.Module):
        def forward(self, *inputs: Any) -> Any:
            return function(*inputs)

    return Net()
