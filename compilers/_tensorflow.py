"""What every TensorFlow stack shares. A leaf fills one hole, `transform`: what it makes of a Python callable."""

import logging
import re
import traceback
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from harness import (
    Array,
    Arrays,
    Batch,
    Diagnostics,
    GraphBreak,
    Mode,
    Model,
    Setup,
    Stack,
    Step,
    Unavailable,
    Unsupported,
    Weights,
    where,
)

LOSSES = {
    "cross_entropy": lambda output, target: tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=output)
    ),
    "binary_cross_entropy": lambda output, target: tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=output)
    ),
}

# "AutoGraph could not transform <bound method Net.__call__ of <object at 0x...>> and will run it as-is. ... Cause: ..."
FALLBACK = re.compile(
    r"AutoGraph could not transform <(?:bound method|function) (?P<function>\S+).*?Cause: (?P<cause>[^\n]*)", re.S
)

# operations that call back into Python or the host's I/O from inside a graph: the counterpart of a graph break
HOST_OPERATIONS = {
    "EagerPyFunc": "tf.py_function",
    "PyFunc": "tf.numpy_function",
    "PyFuncStateless": "tf.numpy_function",
    "PrintV2": "tf.print",
}


@dataclass(slots=True)
class TensorFlowProgram:
    """A tf.Module on its device, and what the stack made of it."""

    model: Model
    module: tf.Module
    weights: Weights
    setup: Setup
    example: tuple[tf.Tensor, ...] = ()
    function: Any = None


class TensorFlowStack(Stack[TensorFlowProgram]):
    """TensorFlow: the step is what a user compiles."""

    def device_peak_bytes(self) -> int | None:
        if not tf.config.list_physical_devices("GPU"):
            return None
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])

    @abstractmethod
    def transform(self, step: Step) -> Step:
        """The compiled step. Timed; tracing and compilation happen at the first step, timed too."""

    def build(self, model: Model, weights: Weights, setup: Setup) -> TensorFlowProgram:
        if setup.device == "cuda" and not tf.config.list_physical_devices("GPU"):
            raise Unavailable("tensorflow sees no GPU: use --device cpu")
        tf.config.experimental.enable_tensor_float_32_execution(False)  # full float32 on a GPU, as PyTorch's stacks have it
        # before the first operation; the environment says the same, but TensorFlow reports only what was set here
        tf.config.threading.set_intra_op_parallelism_threads(setup.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        cast = Weights({name: _cast(array, setup.precision) for name, array in weights.items()})
        module = model.tensorflow(cast)
        cast.finish()
        cast.release()
        for part in module.submodules:  # as Module.train() does in PyTorch
            if hasattr(part, "training"):
                part.training = setup.mode is Mode.TRAINING
        return TensorFlowProgram(model, module, cast, setup)

    def place(self, program: TensorFlowProgram, batch: Batch) -> tuple[tf.Tensor, ...]:
        arrays = program.model.tensorflow_inputs(*batch.inputs)
        if program.setup.mode is Mode.TRAINING:
            arrays = (*arrays, batch.target)
        placed = tuple(tf.constant(_cast(array, program.setup.precision)) for array in arrays)
        program.example = program.example or placed
        return placed

    def compile(self, program: TensorFlowProgram) -> Step:
        if program.setup.mode is Mode.TRAINING:
            raise Unsupported("training steps are not measured yet")
        program.function = self.transform(program.module.__call__)
        function = program.function
        return lambda batch: function(*batch)

    def synchronize(self, output: Any) -> None:
        """On a CPU reading an output's buffer waits for it and copies nothing; a GPU is waited for as a device."""
        if "GPU" in output.device:
            tf.test.experimental.sync_devices()
        else:
            output.numpy()

    def fetch(self, output: Any) -> dict[str, Array]:
        return {"output": output.numpy()}

    def gradients(self, program: TensorFlowProgram, batch: tuple[tf.Tensor, ...]) -> Arrays:
        *inputs, target = batch
        with tf.GradientTape() as tape:
            output = program.module(*inputs)
            loss = LOSSES[program.model.loss](output, target)
        variables = program.module.trainable_variables
        found = {"output": output.numpy(), "loss": loss.numpy()}
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            name = variable.name.removesuffix(":0")
            found[f"gradient.{name}"] = program.weights.canonical(name, tf.convert_to_tensor(gradient).numpy())
        return found

    def read_threads(self) -> dict[str, int]:
        return {
            "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
        }


class CapturedStack(TensorFlowStack):
    """tf.function in its forms: one graph per trace, or an exception; there is no silent split as in Dynamo."""

    def __init__(self) -> None:
        self.fallbacks = FallbackLog()
        tf.get_logger().addHandler(self.fallbacks)

    def compilations(self, program: TensorFlowProgram) -> int:
        """Traces so far."""
        return int(program.function.experimental_get_tracing_count())

    def refusal(self, error: Exception) -> Exception:
        metadata = getattr(error, "ag_error_metadata", None)
        if metadata is not None:  # raised while tracing the user's Python
            said = (metadata.cause_message or str(error)).strip().splitlines()[-1]
            site = next((f for f in metadata.translated_stack if _is_users(f.filename)), None)
            place = where(site.filename, site.lineno) if site else _last_users_frame(error)
            return Unsupported(f"tracing stops at {place}: {said}")
        if isinstance(error, tf.errors.InvalidArgumentError | tf.errors.UnimplementedError):
            return Unsupported(f"the compiler refuses: {error.message.splitlines()[0]}")
        return error

    def diagnose(self, program: TensorFlowProgram) -> Diagnostics:
        graph = program.function.get_concrete_function(*program.example).graph
        breaks = [
            GraphBreak(kind="host_callback", reason=HOST_OPERATIONS[op.type], where=_operation_site(op))
            for op in graph.get_operations()
            if op.type in HOST_OPERATIONS
        ]
        for function in graph.as_graph_def().library.function:  # bodies of branches and loops
            inner = [node.op for node in function.node_def if node.op in HOST_OPERATIONS]
            name = function.signature.name
            breaks += [GraphBreak(kind="host_callback", reason=HOST_OPERATIONS[op], where=name) for op in inner]
        breaks += [GraphBreak(kind="autograph_fallback", reason=why, where=name) for name, why in self.fallbacks.found]
        traces = int(program.function.experimental_get_tracing_count())
        return Diagnostics(graphs=traces, breaks=tuple(breaks), recompiles=0)  # the instrument counts recompiles


class FallbackLog(logging.Handler):
    """AutoGraph's warnings that it runs a function as it is."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        found = FALLBACK.search(record.getMessage())
        if found is not None:
            self.found.append((found["function"], found["cause"].strip()))


def _cast(array: Array, precision: str) -> Array:
    return array.astype(precision, copy=False) if array.dtype.kind == "f" else array


def _is_users(path: str) -> bool:
    return "site-packages" not in path and "__autograph_generated_file" not in path and not path.startswith("<")


def _operation_site(operation: tf.Operation) -> str:
    users = [frame for frame in operation.traceback or () if _is_users(frame.filename)]
    return where(users[-1].filename, users[-1].lineno) if users else operation.name


def _last_users_frame(error: Exception) -> str:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
    return where(frames[-1].filename, frames[-1].lineno or 0) if frames else "an unknown place"
