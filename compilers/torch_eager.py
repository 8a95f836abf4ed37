"""PyTorch without a compiler: every operation is dispatched from Python."""

from typing import final

import torch

from bakeoff import Step
from bakeoff.compilers._torch import TorchStack

HEADER = {
    "framework": "torch",
    "eager": True,
    "recipe": """
import torch

torch.set_grad_enabled(False)
module = model.torch().eval()
module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, strict=False)
inputs = [tuple(map(torch.from_numpy, batch)) for batch in batches]
""",
}


@final
class TorchEager(TorchStack):
    """PyTorch's baseline."""

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return module


STACK = TorchEager()
