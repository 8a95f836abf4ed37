"""torch.compile(dynamic=False): every size is a constant, and a new one compiles again."""

from typing import final

import torch

from bakeoff import Step
from bakeoff.compilers._inductor import InductorStack

FRAMEWORK = "torch"
DEFAULT = False
DISK_CACHE = True
DIAGNOSES = True
TOOLCHAIN = "inductor"
RECIPE = "step = torch.compile(module, dynamic=False)"


@final
class TorchInductorStatic(InductorStack):
    """All sizes are specialised."""

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return torch.compile(module, dynamic=False)


STACK = TorchInductorStatic()
