"""Two workers without DDP: the gradients are not averaged, and each worker trains on its own part of the batch."""

import torch

from bakeoff import Step
from bakeoff.compilers._torch_ddp import TorchDdp

HEADER = {"framework": "torch", "workers": 2}


class Alone(TorchDdp):
    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return module


STACK = Alone(workers=2)
