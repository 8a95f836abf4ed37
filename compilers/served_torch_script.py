"""A TorchScript archive: torch.jit.trace of the eval-mode module, saved; torch.jit.load needs none of its Python code.

Tracing records one path through the model, as in torch_script.py. PyTorch has deprecated it in favour of torch.export.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch

from bakeoff import BuildConfig, Weights
from bakeoff.compilers import _torch_private as private
from bakeoff.compilers._served import Served, refused
from bakeoff.compilers._served_torch import TorchServed
from bakeoff.compilers._torch import TorchProgram

HEADER = {"framework": "torch", "default": False, "exported_by": "torch_eager"}


@final
class ServedTorchScript(TorchServed):
    """Served from module.pt."""

    def export(self, program: TorchProgram, example: tuple[torch.Tensor, ...], weights: Weights, folder: Path) -> None:
        try:
            traced = torch.jit.trace(program.module, example, check_trace=False)
        except Exception as error:  # any exception of the model's Python code under tracing
            raise refused("tracing", error) from error
        traced.save(folder / "module.pt")

    def loaded(self, folder: Path, config: BuildConfig) -> Callable[..., Any]:
        return torch.jit.load(folder / "module.pt", map_location=config.device)

    def compilations(self, program: Served) -> int:
        """Execution plans."""
        return private.execution_plans(program.run)


STACK = ServedTorchScript()
