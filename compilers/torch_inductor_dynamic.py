"""torch.compile(dynamic=True): every size that can be a symbol is one from the first compilation on."""

from typing import final

import torch

from bakeoff import Step
from bakeoff.compilers._inductor import InductorStack

HEADER = {
    "framework": "torch",
    "default": False,
    "disk_cache": True,
    "diagnoses": True,
    "one_time_cost": "inductor",
    "recipe": "step = torch.compile(module, dynamic=True)",
}


@final
class TorchInductorDynamic(InductorStack):
    """No size is specialised unless the program needs it."""

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return torch.compile(module, dynamic=True)


STACK = TorchInductorDynamic()
