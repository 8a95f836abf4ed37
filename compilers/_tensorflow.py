"""What every TensorFlow stack shares. A leaf fills one hole, `transform`: what it makes of a Python callable."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from bakeoff import Array, Arrays, Batch, BuildConfig, Mark, Mode, Model, Stack, Step, Unavailable, Unsupported, Weights
from bakeoff.compilers._keras import KerasHalf
from bakeoff.compilers._tf_training import STEPS, LossStep


@dataclass(slots=True)
class TensorFlowProgram:
    """A tf.Module on its device, and what the stack made of it."""

    model: Model
    module: tf.Module
    weights: Weights
    setup: BuildConfig
    training: LossStep | None = None
    output: Any = None  # of the last step, where gradients are part of it
    example: tuple[tf.Tensor, ...] = ()
    function: Any = None

    @property
    def step(self) -> Step:
        """What is compiled: the module, or in training the whole step."""
        return (self.training or self.module).__call__


class TensorFlowStack(Stack[TensorFlowProgram]):
    """TensorFlow: the step is what a user compiles."""

    def device_peak_bytes(self) -> int | None:
        if not tf.config.list_physical_devices("GPU"):
            return None
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])

    @abstractmethod
    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        """The compiled step. Timed; tracing and compilation happen at the first step, timed too."""

    def build(self, model: Model, weights: Weights, setup: BuildConfig) -> TensorFlowProgram:
        configure(setup, self.workers or 1)
        cast = Weights(lambda: {name: _cast(array, setup.precision) for name, array in weights.items()})
        with self.scope(setup):
            module = model.tensorflow(cast)
            if not isinstance(module, tf.Module):
                module = KerasHalf(module, setup.precision)
        cast.finish()
        cast.release()
        for part in (module, *module.submodules):  # as Module.train() does in PyTorch
            if hasattr(part, "training"):
                part.training = setup.mode is not Mode.INFERENCE
        training = None if setup.mode is Mode.INFERENCE else self.training_step(model, module, setup)
        return TensorFlowProgram(model, module, cast, setup, training)

    def scope(self, setup: BuildConfig) -> AbstractContextManager[Any]:
        """What the module's variables are made in. Entered before the first operation."""
        return nullcontext()

    def training_step(self, model: Model, module: tf.Module, setup: BuildConfig) -> LossStep:
        """What is compiled in training, or of a training step."""
        return STEPS[setup.mode](model, module)

    def to_device(self, program: TensorFlowProgram, batch: Batch) -> tuple[tf.Tensor, ...]:
        arrays = program.model.tensorflow_inputs(*batch.inputs)
        if program.setup.mode is not Mode.INFERENCE:
            arrays = (*arrays, batch.target)
        placed = tuple(tensor(array, program.setup) for array in arrays)
        program.example = program.example or placed
        return placed

    def compile(self, program: TensorFlowProgram) -> Step:
        program.function = self.transform(program.step, program.example)
        function = program.function
        if program.setup.mode is not Mode.GRADIENT:
            return lambda batch: function(*batch)

        def step(batch: tuple[tf.Tensor, ...]) -> Any:
            program.output = function(*batch)
            return program.output[0]

        return step

    def bare(self, program: TensorFlowProgram) -> Step:
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
    def profile(self, folder: Path) -> Iterator[Mark]:
        """An XSpace (xplane.pb), which TensorBoard's profile plugin reads; `_r` makes a trace event a step to it."""
        with tf.profiler.experimental.Profile(str(folder)):
            yield lambda number: tf.profiler.experimental.Trace("step", step_num=number, _r=1)

    def read_threads(self) -> dict[str, int]:
        return threads()


def configure(setup: BuildConfig, workers: int = 1) -> None:
    """Threads and global modes, before anything is built. Replicas of one process share its pools."""
    if setup.precision in ("float16", "bfloat16"):
        raise Unsupported(f"TensorFlow's halves are float32: --dtype {setup.precision} is for PyTorch")
    if setup.device == "cuda" and not tf.config.list_physical_devices("GPU"):
        raise Unavailable("tensorflow sees no GPU: use --device cpu")
    tf.config.experimental.enable_tensor_float_32_execution(False)  # full float32 on a GPU, as PyTorch's stacks have it
    # before the first operation; the environment says the same, but TensorFlow reports only what was set here
    if threads() != {"intra_op": setup.threads * workers, "inter_op": workers}:  # may be set once, and a reference builds twice
        tf.config.threading.set_intra_op_parallelism_threads(setup.threads * workers)
        tf.config.threading.set_inter_op_parallelism_threads(workers)


def tensor(array: Array, setup: BuildConfig) -> tf.Tensor:
    """In the precision asked for."""
    return tf.constant(_cast(array, setup.precision))


def wait(output: tf.Tensor) -> None:
    """On a CPU reading an output's buffer waits for it and copies nothing; a GPU is waited for as a device."""
    if "GPU" in output.device:
        tf.test.experimental.sync_devices()
    else:
        output.numpy()


def threads() -> dict[str, int]:
    """By TensorFlow's own account."""
    return {
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }


def _cast(array: Array, precision: str) -> Array:
    return array.astype(precision, copy=False) if array.dtype.kind == "f" else array
