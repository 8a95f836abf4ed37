"""What is a training step in PyTorch? Clear gradients, forward, loss, backward, optimizer; it ends with updated parameters.

SGD with momentum 0.9 for the vision and recommendation models, AdamW for the sequence models, in PyTorch's fused form, which is
eager's fastest on a CPU (the default, one operation after another for each parameter, takes up to twice as long).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from bakeoff import Array, Arrays, Model, Step

LEARNING_RATE = {"sgd": 0.01, "adamw": 1e-3}
MOMENTUM, BETAS, EPSILON, DECAY = 0.9, (0.9, 0.999), 1e-8, 0.01
LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cross_entropy": lambda output, target: torch.nn.functional.cross_entropy(output.flatten(0, -2), target.flatten()),
    "binary_cross_entropy": torch.nn.functional.binary_cross_entropy_with_logits,
}


class Objective(torch.nn.Module):
    """(*inputs, target) → the mean loss. This is what a training stack compiles."""

    def __init__(self, module: torch.nn.Module, loss: str) -> None:
        super().__init__()
        self.module = module
        self.loss = LOSSES[loss]

    def forward(self, *batch: torch.Tensor) -> torch.Tensor:
        """The last of `batch` is the target."""
        return self.loss(self.module(*batch[:-1]), batch[-1])


def optimizer(model: Model, module: torch.nn.Module, *, fused: bool = True) -> torch.optim.Optimizer:
    """The model's optimizer over the module's parameters, without state yet. Not fused: a form that compilers can trace."""
    kind, parameters = model.optimizer, list(module.parameters())
    # fused SGD on a CPU silently omits most updates in 16 bits: pytorch#191763, as of 2.13
    fused = fused and all(p.is_cuda or p.dtype in (torch.float32, torch.float64) for p in parameters)
    form: dict[str, Any] = {"fused": True} if fused else {"foreach": True}
    if kind == "sgd":
        return torch.optim.SGD(parameters, lr=LEARNING_RATE[kind], momentum=MOMENTUM, **form)
    return torch.optim.AdamW(parameters, lr=LEARNING_RATE[kind], betas=BETAS, eps=EPSILON, weight_decay=DECAY, **form)


def prime(optimizer: torch.optim.Optimizer) -> None:
    """Create the optimizer's state, all zero, before the first step, as TensorFlow's slot variables are created.

    A step with learning rate 0 on gradients of 0 does not change the parameters.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    _forget(optimizer)


def differentiated(objective: Step, parameters: list[torch.nn.Parameter], update: Callable[[], Any] | None) -> Step:
    """(*inputs, target) → the loss before the update. Without `update` the gradients remain in the parameters' `grad`."""

    def step(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        for parameter in parameters:
            parameter.grad = None
        loss: torch.Tensor = objective(*batch)
        loss.backward()
        if update is not None:
            update()
        return loss.detach()

    return step


def state(module: torch.nn.Module, optimizer: torch.optim.Optimizer | None) -> Iterator[tuple[str, Array]]:
    """Parameters, gradients recovered from the optimizer's first moment after one step, and buffers (Trainable.state).

    Without an optimizer, the gradients themselves if there are any, and buffers.
    """
    for name, parameter in module.named_parameters():
        if optimizer is None:
            if parameter.grad is not None:
                yield f"gradient.{name}", array(parameter.grad)
            continue
        kept = optimizer.state[parameter]
        gradient = kept["momentum_buffer"] if "momentum_buffer" in kept else kept["exp_avg"] / (1 - BETAS[0])
        yield f"gradient.{name}", array(gradient)
        yield f"parameter.{name}", array(parameter)
    for name, buffer in module.named_buffers():
        if buffer.is_floating_point():
            yield f"buffer.{name}", array(buffer)


def restart(module: torch.nn.Module, optimizer: torch.optim.Optimizer | None, weights: Arrays) -> None:
    """Set parameters and buffers in place, and reset the optimizer."""
    places = module.state_dict()
    with torch.no_grad():
        for name, array in weights.items():
            places[name].copy_(torch.from_numpy(array))
    if optimizer is not None:
        _forget(optimizer)


def array(tensor: torch.Tensor) -> Array:
    """The tensor as a numpy array, bfloat16 as float32, since numpy has none."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def _forget(optimizer: torch.optim.Optimizer) -> None:
    for kept in optimizer.state.values():
        for value in kept.values():
            if isinstance(value, torch.Tensor):
                value.zero_()
