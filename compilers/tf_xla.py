"""tf.function(jit_compile=True): XLA compiles the whole traced graph, or refuses it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import tensorflow as tf

from bakeoff import Compiled, CompilePhase, Diagnostics, GraphBreak, Kind, Recompile, Step, merged
from bakeoff.compilers import _tf_private as private
from bakeoff.compilers._hlo import Hlo
from bakeoff.compilers._tensorflow import TensorFlowProgram
from bakeoff.compilers._tf_captured import STRUCTURE, CapturedStack, framework_log, module_site, operation_site

HEADER = {"framework": "tensorflow", "diagnoses": True, "recipe": "step = tf.function(module.__call__, jit_compile=True)"}

# TensorFlow's device_compilation_profiler writes one such line per compilation (bakeoff/system/environment.py switches it on).
# monitoring.Counter("/tensorflow/core/xla_compilations") registers another metric and always reads 0.
COMPILED = re.compile(rb"device_compilation_profiler\.cc:\d+\] Compiled .*? compile time: (\d+) us")
UNSUPPORTED = "XLA has no kernel for it: keep it outside of jit_compile, or write it in other operations"


class XlaStack(CapturedStack):
    """The base of the stacks that compile a whole trace with XLA."""

    def compilations(self, program: TensorFlowProgram) -> int:
        """Traces, and XLA compilations by its own log on stderr."""
        return super().compilations(program) + len(COMPILED.findall(framework_log()))

    def phases(self, program: TensorFlowProgram) -> tuple[CompilePhase, ...]:
        spent = [int(us) for us in COMPILED.findall(framework_log())]
        xla = CompilePhase(name="XLA compile", seconds=sum(spent) / 1e6, note="HLO passes, LLVM and assembly in one")
        return (*super().phases(program), xla)

    def diagnose(self, program: TensorFlowProgram, step: Step, batch: Any) -> Diagnostics:
        found = super().diagnose(program, step, batch)
        more = len(COMPILED.findall(framework_log())) - len(found.recompile_triggers) - 1
        if more <= 0:
            return found
        again = Recompile(trigger="another concrete shape for the same trace: XLA compiles each", count=more)
        return replace(found, recompile_triggers=(*found.recompile_triggers, again))

    def compiled(self, program: TensorFlowProgram, batch: Any, captured: int) -> Compiled:
        """The compiled code, from XLA's dump of its compilation of the first shape."""
        assert self.folder is not None
        dump = self.folder / "xla"
        before = [Hlo(private.hlo(p.read_bytes())) for p in _first(dump, "before_optimizations.hlo.pb")]
        after = [Hlo(private.hlo(p.read_bytes())) for p in _first(dump, "after_optimizations.hlo.pb")]
        objects = [p.stat().st_size for p in _first(dump, ".o")]
        sources = [p.stat().st_size for p in _first(dump, "ir-with-opt.ll")]
        names = {p: _short(p.name) for p in sorted(dump.iterdir())} if dump.is_dir() else {}
        for path, name in names.items():
            path.rename(dump / name)
        self.write(
            {}, {f"xla/{name}": what for name in names.values() for end, what in ARTIFACTS.items() if name.endswith(end)}
        )
        if not after:
            return Compiled(operations_captured=captured)  # no dump: unknown, not zero
        return Compiled(
            operations_captured=captured,
            operations_fused=sum(h.launches for h in after),
            kernels=len(objects),
            library_calls=sum(h.library_calls for h in after),
            code_bytes=sum(sources),
            figures={
                "hlo_instructions_before": sum(h.instructions for h in before),
                "hlo_instructions": sum(h.instructions for h in after),
                "hlo_fusions": sum(h.fusions for h in after),
                "clusters": len(after),
                "dot_convolution_flops": sum(h.flops for h in after),
                "bytes_accessed": sum(h.bytes_accessed for h in after),
                "binary_bytes": sum(objects),
            },
        )

    def locate_refusal(self, program: TensorFlowProgram, error: Exception) -> tuple[GraphBreak, ...]:
        if not isinstance(error, tf.errors.OpError) or getattr(error, "ag_error_metadata", None) is not None:
            return super().locate_refusal(program, error)
        known = private.xla_operations(program.config.device) | STRUCTURE
        graph = program.function.get_concrete_function(*program.example).graph
        unsupported = [op for part in private.graphs(graph) for op in part.get_operations() if op.type not in known]
        if not unsupported:
            said = error.message.splitlines()[0]
            return (GraphBreak(kind=Kind.COMPILE_ERROR, reason=said, where=module_site(program)),)
        return merged(
            GraphBreak(
                kind=Kind.UNSUPPORTED_OPERATION,
                reason=f"XLA has no {op.type}",
                where=operation_site(op, program),
                code=op.type,
                hint=UNSUPPORTED,
            )
            for op in unsupported
        )


@final
class TfXla(XlaStack):
    """A new shape compiles again, without a new trace."""

    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        return tf.function(step, jit_compile=True)


ARTIFACTS = {
    "before_optimizations.txt": "HLO before XLA's passes",
    "after_optimizations.txt": "HLO after XLA's passes",
    "before_optimizations.hlo.pb": "the same, as a protocol buffer",
    "after_optimizations.hlo.pb": "the same, as a protocol buffer",
    "buffer-assignment.txt": "which buffers XLA allocates",
    "memory-usage-report.txt": "how much memory they take",
    "ir-no-opt.ll": "LLVM IR of one kernel",
    "ir-with-opt.ll": "LLVM IR of one kernel, optimised",
    ".mlir": "MLIR of one kernel",
    ".o": "object code of one kernel",
}


def _first(dump: Path, ending: str) -> list[Path]:
    """Files of the first module that XLA compiled; later ones are of other shapes, or of the diagnosis itself."""
    modules = sorted(path.name.partition(".")[0] for path in dump.glob("module_*.*after_optimizations.hlo.pb"))
    return sorted(dump.glob(f"{modules[0]}.*{ending}")) if modules else []


def _short(name: str) -> str:
    """module_0000.a_inference___call___93__XlaMustCompile_true_config_proto_135…_.4.after.txt → module_0000.after.txt"""
    module, _, rest = name.partition(".")
    return f"{module}.{re.sub(r'^.*?_{1,2}[.][0-9]+[.]', '', rest)}"


STACK = TfXla()
