"""torch.compile with the batch dimension marked dynamic (torch._dynamo.mark_dynamic): one symbol, the rest constants."""

from typing import final

import torch

from compilers import _torch_private as private
from compilers._inductor import InductorStack
from compilers._torch import TorchProgram
from harness import Batch

FRAMEWORK = "torch"
DEFAULT = False
DISK_CACHE = True
DIAGNOSES = True
TOOLCHAIN = "inductor"
RECIPE = """
for batch in inputs:
    for tensor in batch:
        torch._dynamo.mark_dynamic(tensor, 0)
step = torch.compile(module)
"""


@final
class TorchInductorMarked(InductorStack):
    """The first dimension of every input is dynamic; Dynamo refuses where the program makes it a constant."""

    def place(self, program: TorchProgram, batch: Batch) -> tuple[torch.Tensor, ...]:
        placed = super().place(program, batch)
        for tensor in placed:
            private.mark_dynamic(tensor, 0)
        return placed


STACK = TorchInductorMarked()
