"""What the Inductor stacks share: counters, phases, what came of the program, and the cost that a machine pays once.

Dynamo and Inductor are imported here, at the top: importing is import time, as it is for TensorFlow, whose `import` brings
its compilers along.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
import torch._inductor.compile_fx

from bakeoff import (
    BuildConfig,
    Compiled,
    CompilePhase,
    Diagnostics,
    GraphBreak,
    Kind,
    Model,
    Recompile,
    Step,
    Unsupported,
    Weights,
    is_users,
    merged,
    raised_at,
    where,
)
from bakeoff.compilers import _cubin, _gpuless, _interpreted, _target, _toolchain
from bakeoff.compilers import _torch_private as private
from bakeoff.compilers._dispatched import dispatched
from bakeoff.compilers._dynamo import CODE, HINT, Trace, users_place
from bakeoff.compilers._torch import TorchProgram, TorchStack
from bakeoff.records.compile_only import Kernel

STATE = "keep what changes from call to call in a tensor, or out of the compiled function"
OPTIMIZERS_BREAK = "Call to `torch._dynamo.graph_break()`"
LIMIT = "recompile limit"  # of Dynamo, after which a frame silently runs eager
COMPILER = "C++ or Triton compile"
# CompilationMetrics nest: what a phase does itself is its time less that of the next one
NESTED = (
    ("Dynamo", "dynamo_cumulative_compile_time_us"),
    ("AOTAutograd", "aot_autograd_cumulative_compile_time_us"),
    ("Inductor lowering", "inductor_cumulative_compile_time_us"),
    ("Inductor code generation", "inductor_code_gen_cumulative_compile_time_us"),
    (COMPILER, "triton_compile_time_us"),  # Inductor's name for waiting for its pool of compile workers, whatever they compile
)


class InductorStack(TorchStack):
    """torch.compile(module) with the default backend."""

    notes = (*TorchStack.notes, "Inductor chooses by default rules: no autotuning, no CUDA graphs")
    fused_optimizer = False  # compiled instead

    def __init__(self) -> None:
        self.trace: Trace | None = None
        self.folder: Path | None = None
        self.fused = 0
        self.kernels: list[Any] = []  # compiled for a target
        self.one_time_cost: set[Path] = set()  # libraries that were there before

    def pay_one_time_cost(self) -> None:
        """On a CPU: the precompiled header and the probes of vector instructions, 15 of a first compile's 20 seconds.

        On a GPU: the library through which Triton asks its driver, and which it has a C compiler build.
        """
        if _target.TARGET:  # Triton needs no C++ compiler; what the target needs was built when it was imported
            return
        if torch.cuda.is_available():  # a cell on a CPU sees none
            private.ask_driver()
            return
        _toolchain.pay(lambda: torch.compile(lambda x: x + 1)(torch.ones(8)))

    def build(self, model: Model, weights: Weights, setup: BuildConfig) -> TorchProgram:
        if _target.GPULESS:
            self.kernels = _gpuless.install(_target.TARGET)
        elif _target.INTERPRETED:
            _interpreted.install()
        elif setup.device == "cpu":
            private.need_compiler()
        return super().build(model, weights, setup)

    def measuring(self, alone: Callable[[], AbstractContextManager[None]]) -> AbstractContextManager[None]:
        return private.tuned_inside(alone)  # by default rules, too, Triton kernels have a choice of block sizes

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return torch.compile(module)

    def update(self, optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
        """Compiled as well: the optimizer's arithmetic becomes a few kernels over all parameters."""
        return torch.compile(optimizer.step)

    def compilations(self, program: TorchProgram) -> int:
        """Frames that Dynamo looked at, and graphs that Inductor was given."""
        counters = private.counters()
        return int(counters["frames"]["total"] + counters["stats"]["unique_graphs"])

    def phases(self, program: TorchProgram) -> tuple[CompilePhase, ...]:
        totals: dict[str, float] = dict.fromkeys((name for name, _ in NESTED), 0.0)
        for row in private.compilation_metrics():
            spans = [private.field(row, field) or 0 for _, field in NESTED]
            for (name, _), own, inner in zip(NESTED, spans, [*spans[1:], 0], strict=True):
                totals[name] += max(0, own - inner)
        # without a pool the C++ compiler runs in the midst of code generation
        in_process = min(1e6 * private.cpp_compile_s(), totals["Inductor code generation"])
        totals["Inductor code generation"] -= in_process
        totals[COMPILER] += in_process
        return tuple(CompilePhase(name=name, seconds=totals[name] / 1e6) for name, _ in NESTED)

    def counters(self, program: TorchProgram) -> Diagnostics:
        counters = private.counters()
        graphs = int(counters["stats"]["unique_graphs"])
        limit = [text.splitlines()[0] for text in counters["unimplemented"] if LIMIT in text.lower()]
        if limit:
            raise Unsupported(f"Dynamo gave up and ran eager: {limit[0]}")
        told = counters["graph_break"] + counters["unimplemented"]
        # optimizers break the graph once, on purpose (pytorch#104053): no break of the user's
        own = program.optimizer is not None and any(OPTIMIZERS_BREAK in text for text in told)
        if graphs == 0:
            why = "; ".join(text.splitlines()[0] for text in told) or "no reason counted"
            raise Unsupported(f"Dynamo captured no graph and ran eager: {why}")
        return Diagnostics(
            graphs=graphs,
            compiled=self._compiled() if program.setup.device == "cuda" else None,  # after the clock has stopped
            # the counters do not tell the two apart
            counted={f"{Kind.GRAPH_BREAK}+{Kind.SKIPPED_FRAME}": sum(told.values()) - own},
            cache_hits=int(counters["inductor"]["fxgraph_cache_hit"] + counters["aot_autograd"]["autograd_cache_hit"]),
        )

    def refusal(self, error: Exception) -> Exception:
        if isinstance(error, private.capture_errors()):
            return Unsupported(f"Dynamo stops at {users_place(str(error))}: {_first_line(error)}")
        if self._without_data(error):
            return Unsupported(f"{raised_at(error)} reads a value, and tensors on a GPU that is not there have none")
        return error

    def _without_data(self, error: Exception) -> bool:
        return _target.GPULESS and type(error).__name__ == "DataDependentOutputException"

    def refused(self, program: TorchProgram, error: Exception) -> tuple[GraphBreak, ...]:
        code = CODE.search(str(error))
        return (
            GraphBreak(
                kind=Kind.TRACE_ERROR,
                reason=_first_line(error),
                where=(self._without_data(error) and raised_at(error)) or users_place(str(error)),
                code=f"GB{code[1]}" if code else type(error).__name__,
                hint=next(iter(HINT.findall(str(error))), ""),
            ),
        )

    def enable_collectors(self, folder: Path) -> None:
        self.trace, self.folder = Trace(), folder
        self.one_time_cost = set(Path(private.cache_folder()).rglob("*.so"))
        private.after_fusion(self._count_fused)

    def diagnose(self, program: TorchProgram, step: Step, batch: Any) -> Diagnostics:
        assert self.trace is not None
        return self._found(self._captured_share(program, step, batch))

    def lowered(self, program: TorchProgram, target: str) -> tuple[tuple[Kernel, ...], Diagnostics, tuple[str, ...]]:
        self.counters(program)  # raises where nothing was captured
        found = self._found(None)
        if not _target.GPULESS:
            return (), found, ()
        gpu = _gpuless.properties(target)
        gaps = (*_gpuless.GAPS, *((_gpuless.READ,) if program.values.answered else ()))
        return tuple(_cubin.kernel(k, gpu) for k in self.kernels), found, gaps

    def _compiled(self) -> Compiled:
        """What Inductor's own counters tell without a collector, and on a GPU the driver of the kernels that it has loaded."""
        on_gpu = not _target.TARGET and torch.cuda.is_initialized()
        return Compiled(
            operations_captured=private.operations_before_fusion(),
            kernels=private.generated_kernels(),
            library_calls=int(private.counters()["inductor"]["extern_calls"]),
            figures=_cubin.loaded(private.tuned_kernels(), _cubin.here()) if on_gpu else {},
        )

    def _found(self, captured_share: float | None) -> Diagnostics:
        """The trace, the counters and what was generated."""
        assert self.trace is not None
        counters = private.counters()
        assert self.folder is not None
        self.trace.keep(self.folder)
        sources = [text for _, text in self.trace.payloads("inductor_output_code")]
        made = self._compiled()
        binaries = [p.stat().st_size for p in set(Path(private.cache_folder()).rglob("*.so")) - self.one_time_cost]
        return Diagnostics(
            graphs=int(counters["stats"]["unique_graphs"]),
            captured_share=captured_share,
            breaks=merged((*self.trace.breaks(), *self._gave_up())),
            recompile_triggers=self.trace.recompiles(),
            compiled=replace(
                made,
                operations_fused=self.fused,
                code_bytes=sum(map(len, sources)),
                figures=made.figures
                | {
                    "fx_calls_captured": int(counters["stats"]["calls_captured"]),
                    "guards": sum(private.field(row, "guard_count") or 0 for row in private.compilation_metrics()),
                    "binary_bytes": sum(binaries),
                },
            ),
        )

    def _gave_up(self) -> list[GraphBreak]:
        """Functions that Dynamo compiled again until its limit, and what it compiled them for."""
        assert self.trace is not None
        if not any(LIMIT in text.lower() for text in private.counters()["unimplemented"]):
            return []
        causes: dict[str, list[Recompile]] = {}
        for again in self.trace.recompiles():
            causes.setdefault(again.where, []).append(again)
        place, triggers = max(causes.items(), key=lambda pair: sum(r.count for r in pair[1]), default=("an unknown place", []))
        if not place:  # the guard has no frame: the function that was compiled again
            rows = [row for row in private.compilation_metrics() if is_users(str(private.field(row, "co_filename")))]
            last = rows[-1] if rows else None
            place = where(str(last.co_filename), int(last.co_firstlineno)) if last is not None else "an unknown place"
        times = sum(r.count for r in triggers)
        why = triggers[0].trigger if triggers else "no guard logged"
        reason = f"compiled {times} more times ({why}), then Dynamo gave up and ran it eager"
        return [GraphBreak(kind=Kind.RECOMPILE_LIMIT, reason=reason, where=place, hint=STATE)]

    def _count_fused(self, nodes: int) -> None:
        self.fused += nodes

    def _captured_share(self, program: TorchProgram, step: Step, batch: Any) -> float:
        """Operations that Python still dispatches one by one, against those that it dispatches without a compiler."""
        alone, _ = dispatched(lambda: self.bare(program)(batch))
        left, _ = dispatched(lambda: step(batch))
        return 1 - min(left, alone) / alone if alone else 1.0


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
