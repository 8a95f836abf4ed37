"""torch.compile with the batch dimension marked dynamic (torch._dynamo.mark_dynamic): one symbol, other sizes constants."""

from typing import final

import torch

from bakeoff import Batch
from bakeoff.compilers import _torch_private as private
from bakeoff.compilers._inductor import InductorStack
from bakeoff.compilers._torch import TorchProgram

HEADER = {
    "framework": "torch",
    "default": False,
    "disk_cache": True,
    "diagnoses": True,
    "one_time_cost": "inductor",
    "recipe": """
for batch in inputs:
    for tensor in batch:
        torch._dynamo.mark_dynamic(tensor, 0)
step = torch.compile(module)
""",
}


@final
class TorchInductorMarked(InductorStack):
    """The first dimension of every input is dynamic; Dynamo refuses a program that makes it a constant."""

    def to_device(self, program: TorchProgram, batch: Batch) -> tuple[torch.Tensor, ...]:
        placed = super().to_device(program, batch)
        for tensor in placed:
            private.mark_dynamic(tensor, 0)
        return placed


STACK = TorchInductorMarked()
