"""TorchScript as its users deploy it: torch.jit.trace of the eval-mode module, run by the profiling executor.

Tracing, not scripting, because most deployed TorchScript is traced: scripting refuses much idiomatic Python, and three of our
eight models (a starred unpacking, a shape that is not the module's own attribute). Tracing records one path, so a branch on
data is baked in, with a TracerWarning that the diagnostics report. The module is neither frozen nor passed through
optimize_for_inference, which make the weights constants: that is torch_script_frozen. `check_trace` is off: it runs the module
three more times to compare its outputs with themselves, and the parity check on held-out batches is stricter.

The profiling executor profiles on run 0 and optimises on run 1: the warm-up covers both.
"""

import json
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, final

import torch

from bakeoff import (
    Compiled,
    CompilePhase,
    Diagnosable,
    Diagnostics,
    GraphBreak,
    Kind,
    Laps,
    Step,
    Unsupported,
    is_users,
    merged,
    raised_at,
    where,
)
from bakeoff.compilers import _torch_private as private
from bakeoff.compilers._torch import TorchProgram, TorchStack

HEADER = {"framework": "torch", "diagnoses": True, "recipe": "step = torch.jit.trace(module, inputs[0], check_trace=False)"}
# PyTorch's own modules check shapes with Python's `if` and warn of it, nn.LSTM seven times: not the user's break
MODULES = str(Path(torch.nn.__file__).parent)
FRAME = re.compile(r"^(.+?)\((\d+)\): ", re.MULTILINE)
BAKED_IN = "use torch.where or torch.cond, or torch.jit.script, which keeps Python's branches"
FALLBACK = "write it in what TorchScript knows; a call back into Python is neither saved nor fast"


class TorchScriptStack(TorchStack, Diagnosable):
    """The base of the two TorchScript stacks, which differ in `script`."""

    def __init__(self) -> None:
        self.scripted: torch.jit.ScriptModule | None = None
        self.laps = Laps()
        self.folder: Path | None = None
        self.baked_in: tuple[GraphBreak, ...] = ()
        self.warnings: tuple[str, ...] = ()

    def script(self, traced: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
        """The module that runs, made from the traced one."""
        return traced

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = self._note
            with self.laps.lap("torch.jit.trace"), _unmoved(module):
                traced = torch.jit.trace(module, example, check_trace=False)
            self.scripted = self.script(traced)
        return self.scripted

    def _note(self, message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
        """Called while the warning is raised, when the user's line is still on the call stack."""
        text = str(message)
        if not issubclass(category, torch.jit.TracerWarning) or filename.startswith(MODULES):
            place = f"{Path(filename).name}:{lineno}: " if filename.startswith(MODULES) else ""
            self.warnings = tuple(dict.fromkeys((*self.warnings, place + text.splitlines()[0].partition(". ")[0])))
            return
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not is_users(frame.f_code.co_filename):
            frame = frame.f_back
        place = where(filename, lineno) if frame is None else where(frame.f_code.co_filename, frame.f_lineno)
        found = GraphBreak(kind=Kind.BAKED_IN, reason=text.partition(". ")[0], where=place, code="TracerWarning", hint=BAKED_IN)
        self.baked_in = merged((*self.baked_in, found))

    def refusal(self, error: Exception) -> Exception:
        if self.scripted is not None:  # tracing had succeeded: not the capture failed
            return error
        return Unsupported(f"tracing stops: {str(error).strip().splitlines()[0]}")

    def compilations(self, program: TorchProgram) -> int:
        """Execution plans."""
        return private.execution_plans(self.scripted)

    def phases(self, program: TorchProgram) -> tuple[CompilePhase, ...]:
        traced = (CompilePhase(name=name, seconds=ns / 1e9) for name, ns in self.laps.ns.items())
        later = "the executor profiles the first run and optimises before the second: in the warm-up"
        return (*traced, CompilePhase(name="executor optimisation", seconds=None, note=later))

    def counters(self, program: TorchProgram) -> Diagnostics:
        return Diagnostics(
            graphs=1,
            counted={
                Kind.BAKED_IN: sum(b.count for b in self.baked_in),
                Kind.PYTHON_FALLBACK: len(_python_calls(self.scripted.inlined_graph)),
            },
            warnings=self.warnings,
        )

    def enable_collectors(self, folder: Path) -> None:
        self.folder = folder

    def diagnose(self, program: TorchProgram, step: Step, batch: Any) -> Diagnostics:
        assert self.folder is not None
        captured = self.scripted.inlined_graph  # keep a reference: its nodes do not outlive it
        calls = _python_calls(captured)
        fallbacks = tuple(
            GraphBreak(kind=Kind.PYTHON_FALLBACK, reason=node.pyname(), where=where(*_site(node.sourceRange())), hint=FALLBACK)
            for node in calls
        )
        step(batch)
        executed = private.last_executed_graph()
        files = {
            "module.py": (_code(self.scripted), "the captured program as TorchScript prints it"),
            "graph.txt": (str(captured), "the captured graph, inlined"),
            "executed_graph.txt": (str(executed), "the graph that the executor ran last, optimised"),
        }
        for name, (text, _) in files.items():
            (self.folder / name).write_text(text)
        (self.folder / "contents.json").write_text(json.dumps({name: what for name, (_, what) in files.items()}))
        before, after = _operations(captured), _operations(executed)
        return Diagnostics(
            graphs=1,
            captured_share=1 - len(calls) / max(1, before),
            breaks=merged((*self.baked_in, *fallbacks)),
            compiled=Compiled(
                operations_captured=before,
                operations_fused=after,
                kernels=len(executed.findAllNodes("prim::TensorExprGroup", True)),
                library_calls=after,
                figures={"specialised_plans": private.execution_plans(self.scripted)},
            ),
        )

    def locate_refusal(self, program: TorchProgram, error: Exception) -> tuple[GraphBreak, ...]:
        said = str(error).strip().splitlines()[0]
        return (GraphBreak(kind=Kind.TRACE_ERROR, reason=said, where=raised_at(error) or "unknown"),)


@contextmanager
def _unmoved(module: torch.nn.Module) -> Iterator[None]:
    """Tracing runs the module once, which changes batch norm's statistics: restore them afterwards."""
    before = [(buffer, buffer.clone()) for buffer in module.buffers()] if module.training else []
    try:
        yield
    finally:
        for buffer, value in before:
            buffer.copy_(value)


def _python_calls(graph: Any) -> list[Any]:
    return graph.findAllNodes("prim::PythonOp", True)


def _code(scripted: torch.jit.ScriptModule) -> str:
    """The program as TorchScript prints it, or the reason why it cannot (a call back into Python)."""
    try:
        return str(scripted.code)
    except RuntimeError as error:
        return f"# {str(error).strip().splitlines()[0]}\n"


def _operations(graph: Any) -> int:
    """The number of nodes that compute something: neither constants nor attributes."""
    return sum(not n.kind().startswith("prim::") for n in graph.nodes()) + sum(
        _operations(block) for n in graph.nodes() for block in n.blocks()
    )


def _site(source: str) -> tuple[str, int]:
    """The user's innermost place in a TorchScript source range: a line such as `/path/file.py(12): forward` per frame."""
    frames = [(path, int(line)) for path, line in FRAME.findall(source)]
    users = [frame for frame in frames if is_users(frame[0])]
    return (users or frames or [("an unknown place", 0)])[0]


@final
class TorchScript(TorchScriptStack):
    """Traced, weights as attributes."""


STACK = TorchScript()
