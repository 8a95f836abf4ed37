"""Operation: a model of one PyTorch operation, which also states the bytes that it must move and the flops that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff import Arrays, Batch, Draw, Model


@dataclass(frozen=True)
class Operation(Model):
    """A step is one call. Weights are inputs of it."""

    batch_size: int
    item = "elements"

    @property
    def elements(self) -> int:
        """Number of elements that throughput counts."""
        raise NotImplementedError

    @property
    def items_per_step(self) -> int:
        return self.elements

    def flops(self) -> int:
        """Floating-point operations of a step."""
        raise NotImplementedError

    def moved(self, itemsize: int) -> int:
        """Minimum of bytes that a step reads and writes, with elements of `itemsize` bytes."""
        raise NotImplementedError

    def weights(self, draw: Draw) -> Arrays:
        return {}

    def inputs(self, draw: Draw) -> tuple[Any, ...]:
        """The arrays that one step takes."""
        raise NotImplementedError

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch(self.inputs(draw), draw.integers(2, self.batch_size))


@dataclass(frozen=True)
class RowOperation(Operation):
    """An operation on `batch_size` rows of `width`."""

    width: int

    @property
    def elements(self) -> int:
        return self.batch_size * self.width


def module(function: Any) -> Any:
    """A torch.nn.Module whose forward is the function."""
    from torch import nn

    class Net(nn.Module):
        def forward(self, *inputs: Any) -> Any:
            return function(*inputs)

    return Net()
