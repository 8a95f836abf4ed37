"""torch.compile of one function that holds the whole training step, with compiled autograd.

torch_inductor compiles the loss (AOTAutograd derives its backward ahead of time) and separately the optimizer, as PyTorch's
tutorials do. Here autograd's own graph is captured when it runs, with hooks and accumulation. The step is still split at
`loss.backward()` (GB0123), because torch._dynamo.config.trace_autograd_ops fails an assertion in 2.13.
"""

from dataclasses import replace
from typing import final

import torch
import torch._dynamo.config

import torch._dynamo.compiled_autograd  # isort: skip  # imported lazily by the first backward otherwise

from bakeoff import BuildConfig, Diagnostics, Mode, Model, Step, Unsupported, Weights
from bakeoff.compilers import _torch_training as training
from bakeoff.compilers._inductor import InductorStack
from bakeoff.compilers._torch import TorchProgram

HEADER = {
    "framework": "torch",
    "default": False,
    "disk_cache": True,
    "diagnoses": True,
    "one_time_cost": "inductor",
}


@final
class TorchInductorWholeStep(InductorStack):
    """One compiled function per step."""

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> TorchProgram:
        if config.mode is not Mode.TRAINING:
            raise Unsupported("a whole training step needs --modes training; for inference take torch_inductor")
        return super().build(model, weights, config)

    def compile(self, program: TorchProgram) -> Step:
        torch._dynamo.config.compiled_autograd = True
        assert program.optimizer is not None
        objective = training.Objective(program.module, program.model.loss)
        parameters = list(program.module.parameters())
        return torch.compile(training.differentiated(objective, parameters, program.optimizer.step))

    def counters(self, program: TorchProgram) -> Diagnostics:
        """Without the count of breaks: Dynamo also counts those of compiled autograd's own frames."""
        return replace(super().counters(program), counted={})


STACK = TorchInductorWholeStep()
