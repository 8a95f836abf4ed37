"""The first worker crashes in its fifth step, and the second must end with it."""

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


class Leaves(TorchDdp):
    def part(self, program: TorchProgram) -> Step:
        step, count = super().part(program), itertools.count(1)

        def part(batch: Any) -> torch.Tensor:
            if next(count) == 5 and not distributed.get_rank():
                os.kill(os.getpid(), signal.SIGSEGV)
            return step(batch)

        return part


STACK = Leaves(workers=2)
