"""torch.compile with our own Triton kernels (compilers/kernels) in the graph; Inductor compiles the rest.

Dynamo captures as for torch_inductor; the graph is rewritten before AOTAutograd gets it. Triton runs on GPUs. On a CPU,
`--target cuda:sm_90` compiles only, and `--target interpreter` checks the kernels' outputs.
"""

from collections import Counter
from dataclasses import replace
from typing import Any, final

import bakeoff.compilers  # isort: skip  # noqa: F401  before torch: it loads what a target needs
import torch

from bakeoff import Diagnostics, Step, Unsupported
from bakeoff.compilers import _torch_private as private
from bakeoff.compilers._inductor import InductorStack
from bakeoff.compilers._torch import TorchProgram
from bakeoff.records.compile_only import Kernel

HEADER = {
    "framework": "torch",
    "default": False,
    "disk_cache": True,
    "diagnoses": True,
    "one_time_cost": "inductor",
    "devices": ["cuda"],
    "targets": ["cuda", "interpreter"],
}
INDUCTORS = "triton_"  # the prefix of kernels that Inductor generated


@final
class TorchTriton(InductorStack):
    """Inductor with kernels that it did not generate."""

    notes = (
        *InductorStack.notes,
        "matmul and attention measure three or four configurations each, as part of compiling",
        "Inductor counts calls of our kernels among those of libraries",
    )

    def __init__(self) -> None:
        super().__init__()
        self.placed: Counter[str] = Counter()

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return torch.compile(module, backend=self._backend)

    def diagnose(self, program: TorchProgram, step: Step, batch: Any) -> Diagnostics:
        return self._with_kernels(super().diagnose(program, step, batch))

    def target_code(self, program: TorchProgram, target: str) -> tuple[tuple[Kernel, ...], Diagnostics, tuple[str, ...]]:
        if not self.placed:
            raise Unsupported("none of our kernels replaces an operation of this model, so it is the same as torch_inductor")
        kernels, found, gaps = super().target_code(program, target)
        return kernels, self._with_kernels(found), gaps

    def counters(self, program: TorchProgram) -> Diagnostics:
        if not self.placed:
            raise Unsupported("none of our kernels replaces an operation of this model, so it is the same as torch_inductor")
        return self._with_kernels(super().counters(program))

    def _backend(self, graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        from bakeoff.compilers.kernels.rewrite import rewrite  # imports Triton, which must first know whether to interpret

        self.placed += rewrite(graph)
        return private.inductor(graph, inputs)

    def _with_kernels(self, found: Diagnostics) -> Diagnostics:
        """With how often each of our kernels was placed, and the configuration that the autotuner chose."""
        if found.compiled is None:
            return found
        figures = {f"placed_{name}": float(count) for name, count in sorted(self.placed.items())}
        tuned = private.tuned_kernels()
        figures |= chosen(tuned)
        ours = sum(not t.fn.__name__.startswith(INDUCTORS) for t in tuned)  # Inductor's counter leaves them out
        kernels = None if found.compiled.kernels is None else found.compiled.kernels + ours
        return replace(found, compiled=replace(found.compiled, kernels=kernels, figures=found.compiled.figures | figures))


def chosen(autotuners: list[Any]) -> dict[str, float]:
    """`chosen_<kernel>_<parameter>` → its value in the chosen one of several configurations; {} where nothing is loaded."""
    figures: dict[str, float] = {}
    for autotuner in autotuners:
        if len(autotuner.launchers) == 1 and len(private.field(autotuner, "compile_results")) > 1:
            config = autotuner.launchers[0].config
            parameters = {**config.kwargs, "num_warps": config.num_warps, "num_stages": config.num_stages}
            named = {k: v for k, v in parameters.items() if isinstance(v, int | float)}
            figures |= {f"chosen_{autotuner.fn.__name__}_{name}": float(value) for name, value in named.items()}
    return figures


STACK = TorchTriton()
