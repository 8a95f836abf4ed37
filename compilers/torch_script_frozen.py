"""TorchScript with the weights as constants.

torch.jit.freeze folds batch norm into convolutions and runs them in oneDNN. The counterpart is torch_inductor_frozen.
"""

from typing import final

import torch

from bakeoff import BuildConfig, Model, Unsupported, Weights
from bakeoff.compilers._torch import TorchProgram
from bakeoff.compilers.torch_script import TorchScriptStack

HEADER = {
    "framework": "torch",
    "default": False,
    "diagnoses": True,
    "recipe": "step = torch.jit.freeze(torch.jit.trace(module, inputs[0], check_trace=False))",
}


@final
class TorchScriptFrozen(TorchScriptStack):
    """Traced, then frozen."""

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> TorchProgram:
        if config.mode.differentiates:
            raise Unsupported("freezing makes the weights constants, so there is nothing to train")
        return super().build(model, weights, config)

    def script(self, traced: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
        with self.laps.lap("torch.jit.freeze"):
            return torch.jit.freeze(traced)


STACK = TorchScriptFrozen()
