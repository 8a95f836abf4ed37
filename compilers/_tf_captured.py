"""What do the tf.function stacks share? One graph per trace, or an exception: unlike Dynamo, tf.function never splits silently.

Counted as graph breaks are operations that call back to the host, functions that AutoGraph runs unconverted, and effects that
happen only while tracing (bakeoff/tasks/diagnose/effects.py finds those for every stack).
"""

import json
import logging
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import tensorflow as tf

from bakeoff import (
    Compiled,
    CompilePhase,
    Diagnosable,
    Diagnostics,
    GraphBreak,
    Kind,
    Recompile,
    Step,
    Unsupported,
    is_users,
    merged,
    raised_at,
    where,
)
from bakeoff.compilers import _tf_private as private
from bakeoff.compilers._tensorflow import TensorFlowProgram, TensorFlowStack

# operations that call back into Python or the host's I/O from inside a graph
HOST_OPERATIONS = {
    "EagerPyFunc": "tf.py_function",
    "PyFunc": "tf.numpy_function",
    "PyFuncStateless": "tf.numpy_function",
    "PrintV2": "tf.print",
}
STRUCTURE = frozenset({"Placeholder", "NoOp", "_Arg", "_Retval", "Const", "Identity", "ReadVariableOp"})
FALLBACK_WARNING = "AutoGraph could not transform"
# Grappler's record of a pass, which bakeoff/system/environment.py switches on: "... remapper: Graph size after: ...,
# time = 1.2ms."
GRAPPLER = re.compile(rb"meta_optimizer\.cc:\d+\] .*?time = ([\d.]+)ms")
CALLBACK = "write it in TensorFlow operations: a callback is neither saved nor parallel, and XLA has no kernel for it"
FALLBACK = "move the function into a file that AutoGraph can read, or mark it tf.autograph.experimental.do_not_convert"
READ_BACK = "a graph has no value to read back: stay in tensors, or leave this part outside of tf.function"


class CapturedStack(TensorFlowStack, Diagnosable):
    """The base of tf.function and its XLA form."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.fallbacks: list[GraphBreak] = []
        self.warnings = WarningCount()
        tf.get_logger().addHandler(self.warnings)

    def compilations(self, program: TensorFlowProgram) -> int:
        """Traces so far."""
        return int(program.function.experimental_get_tracing_count())

    def refusal(self, error: Exception) -> Exception:
        metadata = getattr(error, "ag_error_metadata", None)
        if metadata is not None:  # raised while tracing the user's Python
            place, message = tracing_stopped(error)
            return Unsupported(f"tracing stops at {place}: {message}")
        if isinstance(error, tf.errors.InvalidArgumentError | tf.errors.UnimplementedError):
            return Unsupported(f"the compiler refuses: {error.message.splitlines()[0]}")
        return error

    def phases(self, program: TensorFlowProgram) -> tuple[CompilePhase, ...]:
        passes = [float(ms) for ms in GRAPPLER.findall(framework_log())]
        return (
            CompilePhase(name="tracing", seconds=private.tracing_s(), note="AutoGraph's conversion included"),
            CompilePhase(name="Grappler", seconds=sum(passes) / 1e3, note="its passes, from its own log"),
        )

    def counters(self, program: TensorFlowProgram) -> Diagnostics:
        return Diagnostics(
            graphs=self.compilations_of_python(program),
            counted={
                Kind.HOST_CALLBACK: len(self._host_callbacks(program)),
                Kind.AUTOGRAPH_FALLBACK: self.warnings.fallbacks,
            },
        )

    def compilations_of_python(self, program: TensorFlowProgram) -> int:
        """Traces, without what else a stack counts as compilation."""
        return int(program.function.experimental_get_tracing_count())

    def enable_collectors(self, folder: Path) -> None:
        self.folder = folder
        private.on_fallback(self._note_fallback)

    def diagnose(self, program: TensorFlowProgram, step: Step, batch: Any) -> Diagnostics:
        graph = program.function.get_concrete_function(*batch).graph
        operations = [op for g in private.graphs(graph) for op in g.get_operations() if op.type not in STRUCTURE]
        callbacks = self._host_callbacks(program)
        return Diagnostics(
            graphs=self.compilations_of_python(program),
            captured_share=1 - len(callbacks) / max(1, len(operations)),
            breaks=merged((*callbacks, *self.fallbacks)),
            recompile_triggers=self._retraces(program),
            compiled=self.compiled(program, batch, len(operations)),
        )

    def compiled(self, program: TensorFlowProgram, batch: Any, captured: int) -> Compiled:
        """The graph after Grappler, which generates no code: each remaining operation is a library call."""
        assert self.folder is not None
        concrete = program.function.get_concrete_function(*batch)
        definition = concrete.graph.as_graph_def()
        again = tf.function(program.step)  # optimised at its first call, which reports the result
        optimised = private.optimised_graphs(lambda: again(*batch))
        left = Counter(node.op for graph in optimised for node in graph.node if node.op not in STRUCTURE)
        mlir = tf.mlir.experimental.convert_function(concrete)
        files = {
            "graph.pbtxt": (str(definition), "GraphDef as traced"),
            "optimised_graph.pbtxt": ("\n".join(map(str, optimised)), "GraphDef after Grappler"),
            "graph.mlir": (mlir, "the traced graph as MLIR"),
        }
        self.write({name: text for name, (text, _) in files.items()}, {name: what for name, (_, what) in files.items()})
        return Compiled(
            operations_captured=captured,
            operations_fused=sum(left.values()),
            kernels=0,
            library_calls=sum(left.values()),
            figures={
                "graphdef_bytes": definition.ByteSize(),
                "mlir_bytes": len(mlir),
                "fused_operations": sum(n for op, n in left.items() if op.lstrip("_").startswith(("Fused", "Mkl"))),
            },
        )

    def write(self, texts: dict[str, str], contents: dict[str, str]) -> None:
        """Write artifacts and their descriptions (file name → text) to the diagnosis folder."""
        assert self.folder is not None
        for name, text in texts.items():
            (self.folder / name).write_text(text)
        (self.folder / "contents.json").write_text(json.dumps(contents))

    def locate_refusal(self, program: TensorFlowProgram, error: Exception) -> tuple[GraphBreak, ...]:
        place, message = tracing_stopped(error)
        hint = READ_BACK if "numpy" in message else ""
        return (GraphBreak(kind=Kind.TRACE_ERROR, reason=message, where=place, code=message.partition(":")[0], hint=hint),)

    def _host_callbacks(self, program: TensorFlowProgram) -> list[GraphBreak]:
        graph = program.function.get_concrete_function(*program.example).graph
        return [
            GraphBreak(
                kind=Kind.HOST_CALLBACK,
                reason=HOST_OPERATIONS[op.type],
                where=operation_site(op, program),
                code=op.type,
                hint=CALLBACK,
            )
            for part in private.graphs(graph)
            for op in part.get_operations()
            if op.type in HOST_OPERATIONS
        ]

    def _retraces(self, program: TensorFlowProgram) -> tuple[Recompile, ...]:
        """A Recompile for each further trace: how its inputs differ from those of the first."""
        types = [f.function_type for f in private.concrete_functions(program.function)]
        found = []
        for later in types[1:]:
            pairs = zip(types[0].parameters.items(), later.parameters.items(), strict=False)
            unlike = [f"{n}: {a.type_constraint} → {b.type_constraint}" for (n, a), (_, b) in pairs if a != b]
            found.append(Recompile(trigger="; ".join(unlike) or "something other than the inputs' types"))
        return tuple(found)

    def _note_fallback(self, function: Any, error: Exception) -> None:
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        if code is None or not is_users(code.co_filename):
            return
        self.fallbacks.append(
            GraphBreak(
                kind=Kind.AUTOGRAPH_FALLBACK,
                reason=f"{function.__qualname__}: {str(error).splitlines()[0]}",
                where=where(code.co_filename, code.co_firstlineno),
                hint=FALLBACK,
            )
        )


class WarningCount(logging.Handler):
    """Counts AutoGraph's warnings that it runs a function unconverted."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.fallbacks = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.fallbacks += FALLBACK_WARNING in record.getMessage()


def any_batch(example: tuple[tf.Tensor, ...]) -> list[tf.TensorSpec]:
    """An input signature like the example, with an unknown first dimension."""
    return [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in example]


def framework_log() -> bytes:
    """What TensorFlow's C++ code has written to stderr (the child's own log file) so far."""
    return os.pread(2, os.fstat(2).st_size, 0)


def operation_site(operation: tf.Operation, program: TensorFlowProgram) -> str:
    """The user's innermost line that created an operation, or where its module's step is defined."""
    users = [frame for frame in operation.traceback or () if is_users(frame.filename)]
    return where(users[-1].filename, users[-1].lineno) if users else module_site(program)


def module_site(program: TensorFlowProgram) -> str:
    """Where the module's step is defined."""
    code = type(program.module).__call__.__code__
    return where(code.co_filename, code.co_firstlineno)


def tracing_stopped(error: Exception) -> tuple[str, str]:
    """(place in the user's file, message) of an exception while tracing."""
    metadata = getattr(error, "ag_error_metadata", None)
    if metadata is None:
        return raised_at(error) or "unknown", str(error).strip().splitlines()[0]
    said = (metadata.cause_message or str(error)).strip().splitlines()[-1]
    site = next((f for f in metadata.translated_stack if is_users(f.filename)), None)
    return (where(site.filename, site.lineno) if site else raised_at(error) or "unknown"), said
