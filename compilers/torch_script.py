"""TorchScript as its users deploy it: torch.jit.trace of the eval-mode module, run by the profiling executor.

Trace, not script: what is deployed with TorchScript is mostly traced, since scripting refuses much idiomatic Python: three of
our eight models (a starred unpacking, a shape that is not the module's own attribute). What scripting would keep and tracing
bakes in is a branch on data: branchy. Neither frozen nor passed through optimize_for_inference: that bakes the weights
in, and is measured beside it as torch_script_frozen. `check_trace` runs the module three more times to compare outputs with
themselves; the instrument's own check on batches that tracing has not seen is stricter, so it is off.

The profiling executor profiles on run 0 and optimises on run 1: the warm-up covers both. Tracing records one path: what
depends on data is baked in with a TracerWarning, which the diagnostics carry.
"""

import warnings
from typing import final

import torch

from compilers._torch import TorchProgram, TorchStack
from harness import Diagnostics, GraphBreak, Step, Unsupported, where

FRAMEWORK = "torch"


class TorchScriptStack(TorchStack):
    """What the two TorchScript stacks share. The hole is `script`."""

    def __init__(self) -> None:
        self.scripted: torch.jit.ScriptModule | None = None
        self.warnings: tuple[str, ...] = ()

    def script(self, traced: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
        """What is done to the traced module before it runs."""
        return traced

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.scripted = self.script(torch.jit.trace(module, example, check_trace=False))
        told = (w for w in caught if issubclass(w.category, torch.jit.TracerWarning))
        self.warnings = tuple(f"{where(w.filename, w.lineno)}: {str(w.message).partition('. ')[0]}" for w in told)
        return self.scripted

    def refusal(self, error: Exception) -> Exception:
        if self.scripted is not None:  # it was traced; what failed then is not the capture
            return error
        return Unsupported(f"tracing stops: {str(error).strip().splitlines()[0]}")

    def compilations(self, program: TorchProgram) -> int:
        """Execution plans; the one that profiling leads to is the first, and before it is there, asking for it raises."""
        try:
            return max(1, len(self.scripted.get_debug_state().execution_plans))
        except RuntimeError:
            return 1

    def diagnose(self, program: TorchProgram) -> Diagnostics:
        fallbacks = self.scripted.inlined_graph.findAllNodes("prim::PythonOp", True)
        breaks = tuple(
            GraphBreak(kind="python_fallback", reason=node.pyname(), where=where(*_site(node.sourceRange())))
            for node in fallbacks
        )
        return Diagnostics(graphs=1, breaks=breaks, recompiles=0, warnings=self.warnings)


def _site(source: str) -> tuple[str, int]:
    """File and line of a TorchScript source range such as `/path/file.py(12): forward`."""
    path, _, rest = source.partition("(")
    return path, int(rest.partition(")")[0] or 0)


@final
class TorchScript(TorchScriptStack):
    """Traced, weights as attributes."""


STACK = TorchScript()
