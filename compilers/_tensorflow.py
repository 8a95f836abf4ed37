"""What every TensorFlow stack shares. A leaf fills one hole, `transform`: what it makes of a Python callable."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from compilers._tf_training import TrainingStep
from harness import Array, Arrays, Batch, Mode, Model, Setup, Stack, Step, Unavailable, Unsupported, Weights


@dataclass(slots=True)
class TensorFlowProgram:
    """A tf.Module on its device, and what the stack made of it."""

    model: Model
    module: tf.Module
    weights: Weights
    setup: Setup
    training: TrainingStep | None = None
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

    def build(self, model: Model, weights: Weights, setup: Setup) -> TensorFlowProgram:
        configure(setup)
        cast = Weights({name: _cast(array, setup.precision) for name, array in weights.items()})
        module = model.tensorflow(cast)
        cast.finish()
        cast.release()
        for part in module.submodules:  # as Module.train() does in PyTorch
            if hasattr(part, "training"):
                part.training = setup.mode is Mode.TRAINING
        training = TrainingStep(model, module) if setup.mode is Mode.TRAINING else None
        return TensorFlowProgram(model, module, cast, setup, training)

    def place(self, program: TensorFlowProgram, batch: Batch) -> tuple[tf.Tensor, ...]:
        arrays = program.model.tensorflow_inputs(*batch.inputs)
        if program.setup.mode is Mode.TRAINING:
            arrays = (*arrays, batch.target)
        placed = tuple(tensor(array, program.setup) for array in arrays)
        program.example = program.example or placed
        return placed

    def compile(self, program: TensorFlowProgram) -> Step:
        program.function = self.transform(program.step, program.example)
        function = program.function
        return lambda batch: function(*batch)

    def bare(self, program: TensorFlowProgram) -> Step:
        step = program.step
        return lambda batch: step(*batch)

    def synchronize(self, output: Any) -> None:
        wait(output)

    def fetch(self, output: Any) -> dict[str, Array]:
        return {"output": output.numpy()}

    def state(self, program: TensorFlowProgram) -> Iterator[tuple[str, Array]]:
        assert program.training is not None
        return program.training.state(program.weights)

    def restart(self, program: TensorFlowProgram, weights: Arrays) -> None:
        assert program.training is not None
        program.training.restart(program.weights, weights)

    def read_threads(self) -> dict[str, int]:
        return threads()


def configure(setup: Setup) -> None:
    """Threads and global modes, before anything is built."""
    if setup.precision in ("float16", "bfloat16"):
        raise Unsupported(f"TensorFlow's halves are float32: --dtype {setup.precision} is for PyTorch")
    if setup.device == "cuda" and not tf.config.list_physical_devices("GPU"):
        raise Unavailable("tensorflow sees no GPU: use --device cpu")
    tf.config.experimental.enable_tensor_float_32_execution(False)  # full float32 on a GPU, as PyTorch's stacks have it
    # before the first operation; the environment says the same, but TensorFlow reports only what was set here
    if threads() != {"intra_op": setup.threads, "inter_op": 1}:  # may be set once, and a reference builds twice
        tf.config.threading.set_intra_op_parallelism_threads(setup.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def tensor(array: Array, setup: Setup) -> tf.Tensor:
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
