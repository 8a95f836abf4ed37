"""TorchScript with the weights as constants: what torch_script gains once its users may not change them any more.

torch.jit.freeze folds batch norm into convolutions and hands those to oneDNN. The counterpart is torch_inductor_frozen.
"""

from typing import final

import torch

from bakeoff import BuildConfig, Model, Unsupported, Weights
from bakeoff.compilers._torch import TorchProgram
from bakeoff.compilers.torch_script import TorchScriptStack

FRAMEWORK = "torch"
DEFAULT = False
DIAGNOSES = True
RECIPE = "step = torch.jit.freeze(torch.jit.trace(module, inputs[0], check_trace=False))"


@final
class TorchScriptFrozen(TorchScriptStack):
    """Traced, then frozen."""

    def build(self, model: Model, weights: Weights, setup: BuildConfig) -> TorchProgram:
        if setup.mode.differentiates:
            raise Unsupported("freezing makes the weights constants: nothing is left to train")
        return super().build(model, weights, setup)

    def script(self, traced: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
        with self.laps.lap("torch.jit.freeze"):
            return torch.jit.freeze(traced)


STACK = TorchScriptFrozen()
