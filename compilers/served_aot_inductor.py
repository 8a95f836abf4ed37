"""torch.export and an AOTInductor package: one graph, compiled to a shared library beside its weights, called from Python here.

A model on which torch.compile would break the graph is refused. Weights are not folded in (that would be freezing). Most of the
load time goes into comparing the package with the processor's vector instructions, which Inductor probes in subprocesses. The
probes are compiled as part of the one-time cost.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch

from bakeoff import BuildConfig, Weights
from bakeoff.compilers import _one_time_cost
from bakeoff.compilers import _torch_private as private
from bakeoff.compilers._served import refused
from bakeoff.compilers._served_torch import TorchServed
from bakeoff.compilers._torch import TorchProgram

HEADER = {"framework": "torch", "default": False, "one_time_cost": "aot_inductor", "exported_by": "torch_eager"}
FILE = "model.pt2"


@final
class ServedAotInductor(TorchServed):
    """Served from model.pt2."""

    notes = (
        *TorchServed.notes,
        "Inductor chooses by default rules: no autotuning, no CUDA graphs",
        "loading an AOTInductor package probes the processor's vector instructions in subprocesses",
    )

    def import_export_tools(self) -> None:
        private.import_packages()

    def import_runtime(self) -> None:
        private.import_packages()

    def pay_one_time_cost(self) -> None:
        """Its shared libraries need another precompiled header than torch.compile's."""
        folder = Path(tempfile.mkdtemp())
        exported = torch.export.export(torch.nn.GELU(), (torch.ones(8),))
        _one_time_cost.pay(lambda: private.compile_package(exported, str(folder / FILE)))
        shutil.rmtree(folder)

    def export(self, program: TorchProgram, example: tuple[torch.Tensor, ...], weights: Weights, folder: Path) -> None:
        if program.config.device == "cpu":
            private.need_compiler()
        try:
            exported = torch.export.export(program.module, example)
        except private.export_errors() as error:
            raise refused("torch.export", error) from error
        private.compile_package(exported, str(folder / FILE))

    def loaded(self, folder: Path, config: BuildConfig) -> Callable[..., Any]:
        return private.load_package(str(folder / FILE))


STACK = ServedAotInductor()
