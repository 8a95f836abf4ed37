"""torch.export and an AOTInductor package: one graph, compiled to a shared library beside its weights, called from Python here.

What torch.compile falls back from, it refuses: a graph break is no package. Weights are not folded in (that is freezing).
Loading compares the package with the processor's vector instructions, which Inductor probes in subprocesses: most of load time.
The probes themselves are compiled with what the machine pays once.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch

from bakeoff import BuildConfig, Weights
from bakeoff.compilers import _toolchain
from bakeoff.compilers import _torch_private as private
from bakeoff.compilers._served import refused
from bakeoff.compilers._served_torch import TorchServed
from bakeoff.compilers._torch import TorchProgram

FRAMEWORK = "torch"
DEFAULT = False
EXPORTED_BY = "torch_eager"
TOOLCHAIN = "aot_inductor"
FILE = "model.pt2"


@final
class ServedAotInductor(TorchServed):
    """model.pt2."""

    notes = (
        *TorchServed.notes,
        "Inductor chooses by default rules: no autotuning, no CUDA graphs",
        "loading an AOTInductor package probes the processor's vector instructions in subprocesses",
    )

    def tools(self) -> None:
        private.import_packages()

    def start(self) -> None:
        private.import_packages()

    def pay_one_time_cost(self) -> None:
        """Its shared libraries take another precompiled header than torch.compile's."""
        folder = Path(tempfile.mkdtemp())
        exported = torch.export.export(torch.nn.GELU(), (torch.ones(8),))
        _toolchain.pay(lambda: private.compile_package(exported, str(folder / FILE)))
        shutil.rmtree(folder)

    def export(self, program: TorchProgram, example: tuple[torch.Tensor, ...], weights: Weights, folder: Path) -> None:
        if program.setup.device == "cpu":
            private.need_compiler()
        try:
            exported = torch.export.export(program.module, example)
        except private.export_errors() as error:
            raise refused("torch.export", error) from error
        private.compile_package(exported, str(folder / FILE))

    def loaded(self, folder: Path, setup: BuildConfig) -> Callable[..., Any]:
        return private.load_package(str(folder / FILE))


STACK = ServedAotInductor()
