"""torch.compile(dynamic=True): every size is a symbol from the first compilation on, where it can be one."""

from typing import final

import torch

from bakeoff import Step
from bakeoff.compilers._inductor import InductorStack

FRAMEWORK = "torch"
DEFAULT = False
DISK_CACHE = True
DIAGNOSES = True
TOOLCHAIN = "inductor"
RECIPE = "step = torch.compile(module, dynamic=True)"


@final
class TorchInductorDynamic(InductorStack):
    """No size is specialised unless the program needs it."""

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return torch.compile(module, dynamic=True)


STACK = TorchInductorDynamic()
