"""PyTorch as it is: every operation dispatched from Python, nothing captured."""

from typing import final

import torch

from compilers._torch import TorchStack
from harness import Step

FRAMEWORK = "torch"
EAGER = True


@final
class TorchEager(TorchStack):
    """PyTorch's baseline."""

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return module


STACK = TorchEager()
