"""torch.compile of one function that holds the whole training step, with compiled autograd.

torch_inductor compiles the loss (AOTAutograd derives its backward ahead of time) and, apart from it, the optimizer: what a user
gets who follows PyTorch's tutorials. Here autograd's own graph is captured when it runs, hooks and accumulation included; the
step is still split at `loss.backward()` (GB0123), as torch._dynamo.config.trace_autograd_ops fails an assertion in 2.13.
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

FRAMEWORK = "torch"
DEFAULT = False
DISK_CACHE = True
DIAGNOSES = True
TOOLCHAIN = "inductor"


@final
class TorchInductorWholeStep(InductorStack):
    """One compiled function per step."""

    def build(self, model: Model, weights: Weights, setup: BuildConfig) -> TorchProgram:
        if setup.mode is not Mode.TRAINING:
            raise Unsupported("there is no step to compile whole in inference: torch_inductor")
        return super().build(model, weights, setup)

    def compile(self, program: TorchProgram) -> Step:
        torch._dynamo.config.compiled_autograd = True
        assert program.optimizer is not None
        objective = training.Objective(program.module, program.model.loss)
        parameters = list(program.module.parameters())
        return torch.compile(training.differentiated(objective, parameters, program.optimizer.step))

    def counters(self, program: TorchProgram) -> Diagnostics:
        """Dynamo goes through compiled autograd's own frames, too, and counts their breaks: those are not told apart here."""
        return replace(super().counters(program), counted={})


STACK = TorchInductorWholeStep()
