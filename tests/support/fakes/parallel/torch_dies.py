"""The second worker is killed in its fifth step."""

import itertools
import os
import signal
from typing import Any

import torch
from torch import distributed

from bakeoff import Step
from bakeoff.compilers._torch import TorchProgram
from bakeoff.compilers._torch_ddp import TorchDdp

HEADER = {"framework": "torch", "workers": 2}


class Dies(TorchDdp):
    def part(self, program: TorchProgram) -> Step:
        step, count = super().part(program), itertools.count(1)

        def part(batch: Any) -> torch.Tensor:
            if next(count) == 5 and distributed.get_rank():
                os.kill(os.getpid(), signal.SIGKILL)
            return step(batch)

        return part


STACK = Dies(workers=2)
