"""torch.compile of the whole training step, with compiled autograd: Dynamo sees forward, backward and optimizer as one.

torch_inductor compiles the loss (AOTAutograd derives its backward ahead of time) and, apart from it, the optimizer: what a user
gets who follows PyTorch's tutorials. Here one function holds the step, and autograd's own graph is captured when it runs.
"""

from typing import final

import torch
import torch._dynamo.config

import torch._dynamo.compiled_autograd  # isort: skip  # imported lazily by the first backward otherwise

from compilers import _torch_training as training
from compilers._inductor import InductorStack
from compilers._torch import TorchProgram
from harness import Mode, Model, Setup, Step, Unsupported, Weights

FRAMEWORK = "torch"
DEFAULT = False
DISK_CACHE = True
DIAGNOSES = True
TOOLCHAIN = "inductor"


@final
class TorchInductorWholeStep(InductorStack):
    """One compiled function per step."""

    def build(self, model: Model, weights: Weights, setup: Setup) -> TorchProgram:
        if setup.mode is not Mode.TRAINING:
            raise Unsupported("there is no step to compile whole in inference: torch_inductor")
        return super().build(model, weights, setup)

    def compile(self, program: TorchProgram) -> Step:
        torch._dynamo.config.compiled_autograd = True
        assert program.optimizer is not None
        objective = training.Objective(program.module, program.model.loss)
        parameters = list(program.module.parameters())
        return torch.compile(training.differentiated(objective, parameters, program.optimizer.step))


STACK = TorchInductorWholeStep()
