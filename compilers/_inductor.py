"""What do the Inductor stacks share? Counters, phases, diagnosis of the compiled program, and the one-time cost.

Dynamo and Inductor are imported at the top of this file, so that they count as import time, as TensorFlow's compilers do, which
its `import` loads.
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
    CrossCompiles,
    Diagnosable,
    Diagnostics,
    GraphBreak,
    Kind,
    Model,
    PaysOneTimeCost,
    Recompile,
    Step,
    Unsupported,
    Weights,
    is_users,
    merged,
    raised_at,
    where,
)
from bakeoff.compilers import _cubin, _gpuless, _interpreted, _one_time_cost, _target
from bakeoff.compilers import _torch_private as private
from bakeoff.compilers._dispatched import dispatched
from bakeoff.compilers._dynamo import CODE, HINT, Trace, users_place
from bakeoff.compilers._torch import TorchProgram, TorchStack
from bakeoff.records.compile_only import Kernel

STATE = "keep what changes from call to call in a tensor, or out of the compiled function"
OPTIMIZERS_BREAK = "Call to `torch._dynamo.graph_break()`"
LIMIT = "recompile limit"  # of Dynamo, after which a frame silently runs eager
COMPILER = "C++ or Triton compile"
# CompilationMetrics nest: the time of a phase itself is its total less that of the next one
NESTED = (
    ("Dynamo", "dynamo_cumulative_compile_time_us"),
    ("AOTAutograd", "aot_autograd_cumulative_compile_time_us"),
    ("Inductor lowering", "inductor_cumulative_compile_time_us"),
    ("Inductor code generation", "inductor_code_gen_cumulative_compile_time_us"),
    (COMPILER, "triton_compile_time_us"),  # Inductor's name for waiting for its pool of compile workers, whatever they compile
)


class InductorStack(TorchStack, Diagnosable, CrossCompiles, PaysOneTimeCost):
    """torch.compile(module) with the default backend."""

    notes = (*TorchStack.notes, "Inductor chooses by default rules: no autotuning, no CUDA graphs")
    fused_optimizer = False  # compiled instead

    def __init__(self) -> None:
        self.trace: Trace | None = None
        self.folder: Path | None = None
        self.fused = 0
        self.kernels: list[Any] = []  # autotuners of kernels compiled for a target
        self.earlier_libraries: set[Path] = set()  # in the cache before this program was compiled

    def pay_one_time_cost(self) -> None:
        """On a CPU: the precompiled header and the probes of vector instructions, 15 of the 20 seconds of a first compile.

        On a GPU: the library that Triton calls the driver through, which a C compiler builds.
        """
        if _target.TARGET:  # Triton needs no C++ compiler; _target.py built what the target needs
            return
        if torch.cuda.is_available():  # false in a cell on the CPU, which sees no GPU
            private.ask_driver()
            return
        _one_time_cost.pay(lambda: torch.compile(lambda x: x + 1)(torch.ones(8)))

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> TorchProgram:
        if _target.GPULESS:
            self.kernels = _gpuless.install(_target.TARGET)
        elif _target.INTERPRETED:
            _interpreted.install()
        elif config.device == "cpu":
            private.need_compiler()
        return super().build(model, weights, config)

    def measuring(self, alone: Callable[[], AbstractContextManager[None]]) -> AbstractContextManager[None]:
        return private.tuned_inside(alone)  # by default, too, Triton kernels choose among several block sizes by measuring

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return torch.compile(module)

    def update(self, optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
        """The compiled optimizer: its arithmetic becomes a few kernels over all parameters."""
        return torch.compile(optimizer.step)

    def compilations(self, program: TorchProgram) -> int:
        """Frames that Dynamo traced, plus graphs that Inductor compiled."""
        counters = private.counters()
        return int(counters["frames"]["total"] + counters["stats"]["unique_graphs"])

    def phases(self, program: TorchProgram) -> tuple[CompilePhase, ...]:
        totals: dict[str, float] = dict.fromkeys((name for name, _ in NESTED), 0.0)
        for row in private.compilation_metrics():
            spans = [private.field(row, field) or 0 for _, field in NESTED]
            for (name, _), own, inner in zip(NESTED, spans, [*spans[1:], 0], strict=True):
                totals[name] += max(0, own - inner)
        # without a pool of workers the C++ compiler runs during code generation
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
        reasons = counters["graph_break"] + counters["unimplemented"]
        # optimizers break the graph once, on purpose (pytorch#104053): not counted as the user's
        own = program.optimizer is not None and any(OPTIMIZERS_BREAK in text for text in reasons)
        if graphs == 0:
            why = "; ".join(text.splitlines()[0] for text in reasons) or "no reason counted"
            raise Unsupported(f"Dynamo captured no graph and ran eager: {why}")
        return Diagnostics(
            graphs=graphs,
            compiled=self._compiled() if program.config.device == "cuda" else None,  # after the clock has stopped
            # the counters do not distinguish the two
            counted={f"{Kind.GRAPH_BREAK}+{Kind.SKIPPED_FRAME}": sum(reasons.values()) - own},
            cache_hits=int(counters["inductor"]["fxgraph_cache_hit"] + counters["aot_autograd"]["autograd_cache_hit"]),
        )

    def refusal(self, error: Exception) -> Exception:
        if isinstance(error, private.capture_errors()):
            return Unsupported(f"Dynamo stops at {users_place(str(error))}: {_first_line(error)}")
        if self._without_data(error):
            return Unsupported(
                f"{raised_at(error)} reads a value of a tensor on a GPU that this machine does not have, so there is none"
            )
        return error

    def _without_data(self, error: Exception) -> bool:
        return _target.GPULESS and type(error).__name__ == "DataDependentOutputException"

    def locate_refusal(self, program: TorchProgram, error: Exception) -> tuple[GraphBreak, ...]:
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
        self.earlier_libraries = set(Path(private.cache_folder()).rglob("*.so"))
        private.after_fusion(self._count_fused)

    def diagnose(self, program: TorchProgram, step: Step, batch: Any) -> Diagnostics:
        assert self.trace is not None
        return self._found(self._captured_share(program, step, batch))

    def target_code(self, program: TorchProgram, target: str) -> tuple[tuple[Kernel, ...], Diagnostics, tuple[str, ...]]:
        self.counters(program)  # raises where nothing was captured
        found = self._found(None)
        if not _target.GPULESS:
            return (), found, ()
        gpu = _gpuless.properties(target)
        gaps = (*_gpuless.GAPS, *((_gpuless.READ,) if program.values.answered else ()))
        return tuple(_cubin.kernel(k, gpu) for k in self.kernels), found, gaps

    def _compiled(self) -> Compiled:
        """Inductor's own counters, without collectors; on a GPU also the driver's values of the loaded kernels."""
        on_gpu = not _target.TARGET and torch.cuda.is_initialized()
        return Compiled(
            operations_captured=private.operations_before_fusion(),
            kernels=private.generated_kernels(),
            library_calls=int(private.counters()["inductor"]["extern_calls"]),
            figures=_cubin.loaded(private.tuned_kernels(), _cubin.here()) if on_gpu else {},
        )

    def _found(self, captured_share: float | None) -> Diagnostics:
        """Diagnostics from the trace, the counters and the generated code."""
        assert self.trace is not None
        counters = private.counters()
        assert self.folder is not None
        self.trace.keep(self.folder)
        sources = [text for _, text in self.trace.payloads("inductor_output_code")]
        compiled = self._compiled()
        binaries = [p.stat().st_size for p in set(Path(private.cache_folder()).rglob("*.so")) - self.earlier_libraries]
        return Diagnostics(
            graphs=int(counters["stats"]["unique_graphs"]),
            captured_share=captured_share,
            breaks=merged((*self.trace.breaks(), *self._gave_up())),
            recompile_triggers=self.trace.recompiles(),
            compiled=replace(
                compiled,
                operations_fused=self.fused,
                code_bytes=sum(map(len, sources)),
                figures=compiled.figures
                | {
                    "fx_calls_captured": int(counters["stats"]["calls_captured"]),
                    "guards": sum(private.field(row, "guard_count") or 0 for row in private.compilation_metrics()),
                    "binary_bytes": sum(binaries),
                },
            ),
        )

    def _gave_up(self) -> list[GraphBreak]:
        """The function that Dynamo recompiled up to its limit, and the guard that failed most often."""
        assert self.trace is not None
        if not any(LIMIT in text.lower() for text in private.counters()["unimplemented"]):
            return []
        causes: dict[str, list[Recompile]] = {}
        for again in self.trace.recompiles():
            causes.setdefault(again.where, []).append(again)
        place, triggers = max(causes.items(), key=lambda pair: sum(r.count for r in pair[1]), default=("an unknown place", []))
        if not place:  # the guard names no frame: take the function that was recompiled last
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
        """Share of the eager step's operations that the compiled step no longer dispatches from Python."""
        alone, _ = dispatched(lambda: self.step_without_compiler(program)(batch))
        left, _ = dispatched(lambda: step(batch))
        return 1 - min(left, alone) / alone if alone else 1.0


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
