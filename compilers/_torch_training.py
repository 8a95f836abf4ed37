"""A PyTorch training step: forward, loss, backward, optimizer. Ends when the parameters are updated.

SGD with momentum 0.9 for the vision and recommendation models, AdamW for the sequence models, in PyTorch's fused form, which is
the fastest that eager has on a CPU (the default, one operation after another for each parameter, takes up to twice as long).
"""

from collections.abc import Callable
from typing import Any

import torch

from harness import Model

LEARNING_RATE = {"sgd": 0.01, "adamw": 1e-3}
MOMENTUM, BETAS, EPSILON, DECAY = 0.9, (0.9, 0.999), 1e-8, 0.01
LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cross_entropy": lambda output, target: torch.nn.functional.cross_entropy(output.flatten(0, -2), target.flatten()),
    "binary_cross_entropy": torch.nn.functional.binary_cross_entropy_with_logits,
}


class Objective(torch.nn.Module):
    """(*inputs, target) → the mean loss: what a training stack compiles."""

    def __init__(self, module: torch.nn.Module, loss: str) -> None:
        super().__init__()
        self.module = module
        self.loss = LOSSES[loss]

    def forward(self, *batch: torch.Tensor) -> torch.Tensor:
        """The last of `batch` is the target."""
        return self.loss(self.module(*batch[:-1]), batch[-1])


def optimizer(model: Model, module: torch.nn.Module, *, fused: bool = True) -> torch.optim.Optimizer:
    """The model's optimizer over the module's parameters. Not fused: as a compiler can take it apart."""
    kind, parameters = model.optimizer, list(module.parameters())
    form: dict[str, Any] = {"fused": True} if fused else {"foreach": True}
    if kind == "sgd":
        return torch.optim.SGD(parameters, lr=LEARNING_RATE[kind], momentum=MOMENTUM, **form)
    return torch.optim.AdamW(parameters, lr=LEARNING_RATE[kind], betas=BETAS, eps=EPSILON, weight_decay=DECAY, **form)
