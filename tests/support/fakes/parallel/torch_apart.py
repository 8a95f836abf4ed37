"""The first worker is right; the second changes its parameters after the update."""

from typing import Any

import torch
from torch import distributed

from bakeoff import Step
from bakeoff.compilers._torch import TorchProgram
from bakeoff.compilers._torch_ddp import TorchDdp

HEADER = {"framework": "torch", "workers": 2}


class Apart(TorchDdp):
    def part(self, program: TorchProgram) -> Step:
        step = super().part(program)

        def part(batch: Any) -> torch.Tensor:
            loss = step(batch)
            if distributed.get_rank():
                with torch.no_grad():
                    next(program.module.parameters()).mul_(1.01)
            return loss

        return part


STACK = Apart(workers=2)
