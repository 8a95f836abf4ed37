"""What is in an HLO module? Instructions, fusions, work. XLA's own HloCostAnalysis is not in TensorFlow's wheel."""

from functools import cached_property
from math import prod
from typing import Any

BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 2, 8: 4, 9: 8, 10: 2, 11: 4, 12: 8, 15: 8, 16: 2, 18: 16}  # xla_data.proto
FREE = frozenset({"parameter", "constant", "tuple", "get-tuple-element", "bitcast"})  # nothing runs for them
LIBRARY = frozenset({"dot", "convolution", "custom-call"})


class Hlo:
    """One HloModuleProto."""

    def __init__(self, module: Any) -> None:
        self._module = module

    @cached_property
    def _computations(self) -> dict[int, Any]:
        return {c.id: c for c in self._module.computations}

    @cached_property
    def _fused(self) -> set[int]:
        """Computations that are bodies of fusions, or are applied element by element."""
        callers = (i for c in self._module.computations for i in c.instructions)
        return {
            called for i in callers if i.opcode in ("fusion", "reduce", "map", "sort") for called in i.called_computation_ids
        }

    @property
    def _outside(self) -> list[Any]:
        """Instructions that something is launched for: those of the entry and of the bodies of loops and branches."""
        parts = (c for c in self._module.computations if c.id not in self._fused)
        return [i for c in parts for i in c.instructions if i.opcode not in FREE]

    @property
    def instructions(self) -> int:
        """All, fused ones included."""
        return sum(len(c.instructions) for c in self._module.computations)

    @property
    def launches(self) -> int:
        """Instructions outside of fusions."""
        return len(self._outside)

    @property
    def fusions(self) -> int:
        return sum(i.opcode == "fusion" for i in self._outside)

    @property
    def library_calls(self) -> int:
        """Dots, convolutions and custom calls outside of XLA's own kernels; custom fusions are library calls, too."""
        return sum(i.opcode in LIBRARY or (i.opcode == "fusion" and i.fusion_kind == "kCustom") for i in self._outside)

    @property
    def flops(self) -> int:
        """Of dots and convolutions, two per multiply-add; the body of a loop counts once."""
        return sum(self._flops(c, i) for c in self._module.computations for i in c.instructions)

    @property
    def bytes_accessed(self) -> int:
        """Operands and results of the instructions outside of fusions; the body of a loop counts once."""
        total = 0
        for computation in self._module.computations:
            if computation.id in self._fused:
                continue
            sizes = {i.id: _bytes(i.shape) for i in computation.instructions}
            for i in computation.instructions:
                if i.opcode not in FREE:
                    total += sizes[i.id] + sum(sizes.get(operand, 0) for operand in i.operand_ids)
        return total

    def _flops(self, computation: Any, instruction: Any) -> int:
        if instruction.opcode not in ("dot", "convolution"):
            return 0
        shapes = {i.id: i.shape.dimensions for i in computation.instructions}
        left, right = (shapes[operand] for operand in instruction.operand_ids[:2])
        out = prod(instruction.shape.dimensions)
        if instruction.opcode == "dot":
            return 2 * out * prod(left[d] for d in instruction.dot_dimension_numbers.lhs_contracting_dimensions)
        numbers = instruction.convolution_dimension_numbers
        kernel = prod(right[d] for d in numbers.kernel_spatial_dimensions)
        return 2 * out * kernel * right[numbers.kernel_input_feature_dimension]


def _bytes(shape: Any) -> int:
    if shape.tuple_shapes:
        return sum(map(_bytes, shape.tuple_shapes))
    return BYTES.get(shape.element_type, 0) * prod(shape.dimensions)
