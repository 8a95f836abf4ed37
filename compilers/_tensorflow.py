"""What do the TensorFlow stacks share? Each defines one method, `transform`: what it makes of a Python callable."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from bakeoff import (
    Array,
    Arrays,
    Batch,
    BuildConfig,
    Mode,
    Model,
    Profilable,
    RunsWithoutCompiler,
    Stack,
    Step,
    StepMarker,
    Trainable,
    Unavailable,
    Unsupported,
    Weights,
)
from bakeoff.compilers._keras import KerasImplementation
from bakeoff.compilers._tf_training import STEPS, LossStep


@dataclass(slots=True)
class TensorFlowProgram:
    """A tf.Module on its device, and the function that the stack made of it."""

    model: Model
    module: tf.Module
    weights: Weights
    config: BuildConfig
    training: LossStep | None = None
    output: Any = None  # of the last step, in the mode whose outputs include gradients
    example: tuple[tf.Tensor, ...] = ()
    function: Any = None

    @property
    def step(self) -> Step:
        """What is compiled: the module, or in training the whole step."""
        return (self.training or self.module).__call__


class TensorFlowStack(Stack[TensorFlowProgram], Trainable, Profilable, RunsWithoutCompiler):
    """TensorFlow: a user compiles the step."""

    def device_peak_bytes(self) -> int | None:
        if not tf.config.list_physical_devices("GPU"):
            return None
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])

    @abstractmethod
    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        """The compiled step, called with the tensors of a batch. Timed, as is the first step, which traces and compiles."""

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> TensorFlowProgram:
        configure(config, self.workers or 1)
        cast = Weights(lambda: {name: _cast(array, config.precision) for name, array in weights.items()})
        with self.scope(config):
            module = model.tensorflow(cast)
            if not isinstance(module, tf.Module):
                module = KerasImplementation(module, config.precision)
        cast.finish()
        cast.release()
        for part in (module, *module.submodules):  # as Module.train() does in PyTorch
            if hasattr(part, "training"):
                part.training = config.mode is not Mode.INFERENCE
        training = None if config.mode is Mode.INFERENCE else self.training_step(model, module, config)
        return TensorFlowProgram(model, module, cast, config, training)

    def scope(self, config: BuildConfig) -> AbstractContextManager[Any]:
        """A context for making the module's variables. Entered before the first operation."""
        return nullcontext()

    def training_step(self, model: Model, module: tf.Module, config: BuildConfig) -> LossStep:
        """The step of a differentiating mode, for the module."""
        return STEPS[config.mode](model, module)

    def to_device(self, program: TensorFlowProgram, batch: Batch) -> tuple[tf.Tensor, ...]:
        arrays = program.model.tensorflow_inputs(*batch.inputs)
        if program.config.mode is not Mode.INFERENCE:
            arrays = (*arrays, batch.target)
        placed = tuple(tensor(array, program.config) for array in arrays)
        program.example = program.example or placed
        return placed

    def compile(self, program: TensorFlowProgram) -> Step:
        program.function = self.transform(program.step, program.example)
        function = program.function
        if program.config.mode is not Mode.GRADIENT:
            return lambda batch: function(*batch)

        def step(batch: tuple[tf.Tensor, ...]) -> Any:
            program.output = function(*batch)
            return program.output[0]

        return step

    def step_without_compiler(self, program: TensorFlowProgram) -> Step:
        step = program.step
        return lambda batch: step(*batch)

    def synchronize(self, output: Any) -> None:
        wait(output)

    def fetch(self, output: Any) -> dict[str, Array]:
        return {"output": output.numpy()}

    def state(self, program: TensorFlowProgram) -> Iterator[tuple[str, Array]]:
        assert program.training is not None
        return program.training.state(program.weights, program.output)

    def restart(self, program: TensorFlowProgram, weights: Arrays) -> None:
        assert program.training is not None
        program.training.restart(program.weights, weights)

    @contextmanager
    def profile(self, folder: Path) -> Iterator[StepMarker]:
        """An XSpace (xplane.pb) for TensorBoard's profile plugin, which takes a trace event with `_r` as a step."""
        with tf.profiler.experimental.Profile(str(folder)):
            yield lambda number: tf.profiler.experimental.Trace("step", step_num=number, _r=1)

    def read_threads(self) -> dict[str, int]:
        return threads()


def configure(config: BuildConfig, workers: int = 1) -> None:
    """Set threads and global modes, before anything is built. `workers` replicas of one process share its pools."""
    if config.precision in ("float16", "bfloat16"):
        raise Unsupported(f"TensorFlow implementations are float32: --dtype {config.precision} is for PyTorch")
    if config.device == "cuda" and not tf.config.list_physical_devices("GPU"):
        raise Unavailable("tensorflow sees no GPU: use --device cpu")
    tf.config.experimental.enable_tensor_float_32_execution(False)  # full float32 on a GPU, as PyTorch's stacks have it
    # before the first operation, and only once, though a reference builds twice; the environment sets the same, but TensorFlow
    # reports only what is set here
    if threads() != {"intra_op": config.threads * workers, "inter_op": workers}:
        tf.config.threading.set_intra_op_parallelism_threads(config.threads * workers)
        tf.config.threading.set_inter_op_parallelism_threads(workers)


def tensor(array: Array, config: BuildConfig) -> tf.Tensor:
    """The array as a tensor, in the precision of the configuration."""
    return tf.constant(_cast(array, config.precision))


def wait(output: tf.Tensor) -> None:
    """Wait for the output: on a CPU by reading its buffer, which copies nothing, on a GPU by synchronising the device."""
    if "GPU" in output.device:
        tf.test.experimental.sync_devices()
    else:
        output.numpy()


def threads() -> dict[str, int]:
    """Thread counts as TensorFlow reports them."""
    return {
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }


def _cast(array: Array, precision: str) -> Array:
    return array.astype(precision, copy=False) if array.dtype.kind == "f" else array
