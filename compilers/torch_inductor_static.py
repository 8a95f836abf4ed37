"""torch.compile(dynamic=False): every size is a constant, and a new size compiles again."""

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
    "recipe": "step = torch.compile(module, dynamic=False)",
}


@final
class TorchInductorStatic(InductorStack):
    """All sizes are specialised."""

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return torch.compile(module, dynamic=False)


STACK = TorchInductorStatic()
