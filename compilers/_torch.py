"""What do the PyTorch stacks share? Each defines one method, `transform`: what it makes of an nn.Module."""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

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
    Weights,
)
from bakeoff.compilers import _target
from bakeoff.compilers import _torch_private as private
from bakeoff.compilers import _torch_training as training


@dataclass(slots=True)
class TorchProgram:
    """An nn.Module on its device, with an example batch to trace it with."""

    model: Model
    module: torch.nn.Module
    config: BuildConfig
    example: tuple[torch.Tensor, ...] = ()
    optimizer: torch.optim.Optimizer | None = None
    # where tensors are fake (_gpuless.py):
    values: Any = None  # the ValuesMode that supplies the values that the program reads of them
    with_data: Callable[[], torch.nn.Module] | None = None  # makes the module again, with its weights
    arrays: dict[int, tuple[Array, ...]] = field(default_factory=dict)  # id of a placed batch → its arrays


class TorchStack(Stack[TorchProgram], Trainable, Profilable, RunsWithoutCompiler):
    """PyTorch: a user compiles the module."""

    notes = ("PyTorch convolves in NCHW, TensorFlow in NHWC: each framework's default",)
    fused_optimizer = True

    @abstractmethod
    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        """The compiled module, called with the tensors of a batch. Timed, as is the first step, which follows at once."""

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> TorchProgram:
        configure(config)
        in_training = config.mode is not Mode.INFERENCE
        dtype = getattr(torch, config.precision)
        drawn = dict(weights.items()) if _target.GPULESS else weights  # needed once more where the program reads values

        def made() -> torch.nn.Module:
            module = model.torch()
            load(module, drawn)
            return module.to(device=config.device, dtype=dtype).train(in_training)

        program = TorchProgram(model, made(), config)
        module = program.module
        if _target.GPULESS:
            from bakeoff.compilers import _gpuless

            program.values, program.with_data = _gpuless.moved(module), made
        if config.mode is Mode.TRAINING:
            program.optimizer = training.optimizer(model, module, fused=self.fused_optimizer and not _target.TARGET)
            if not _target.GPULESS:
                training.prime(program.optimizer)
        return program

    def to_device(self, program: TorchProgram, batch: Batch) -> tuple[torch.Tensor, ...]:
        arrays = batch.inputs if program.config.mode is Mode.INFERENCE else (*batch.inputs, batch.target)
        placed = tuple(self._tensor(program, array) for array in arrays)
        program.example = program.example or placed
        if _target.GPULESS:
            program.arrays[id(placed)] = arrays
        return placed

    def compile(self, program: TorchProgram) -> Step:
        update = None if program.optimizer is None else self.update(program.optimizer)
        return self._step(program, self.transform(self._whole(program), program.example), update)

    def update(self, optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
        """The function that updates the parameters from their gradients."""
        return optimizer.step

    def step_without_compiler(self, program: TorchProgram) -> Step:
        return self._step(program, self._whole(program), program.optimizer and program.optimizer.step)

    def _whole(self, program: TorchProgram, module: torch.nn.Module | None = None) -> torch.nn.Module:
        """What is compiled: the module, or in training the module with its loss."""
        module = module or program.module
        return module if program.config.mode is Mode.INFERENCE else training.Objective(module, program.model.loss)

    def _step(self, program: TorchProgram, compiled: Step, update: Callable[[], Any] | None) -> Step:
        if program.config.mode.differentiates:
            step = training.differentiated(compiled, list(program.module.parameters()), update)
        else:
            step = _unpacked(compiled)
        return self._announced(program, step) if program.values is not None else step

    def _announced(self, program: TorchProgram, step: Step) -> Step:
        """The step, which first gives `program.values` the same step with data."""

        def eagerly(batch: Any) -> object:
            assert program.with_data is not None
            inputs = [tensor(array, program.config) for array in program.arrays[id(batch)]]
            return self._whole(program, program.with_data())(*inputs)

        def announced(batch: Any) -> Any:
            program.values.begin(lambda: eagerly(batch))
            return step(batch)

        return announced

    def synchronize(self, output: Any) -> None:
        wait(output)

    def device_s(self, program: TorchProgram, run: Callable[[], None], hold_s: float) -> float | None:
        if program.config.device != "cuda":
            return None
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        private.hold_up(hold_s)
        begin.record()
        run()
        end.record()
        early = begin.query()  # the device had started: it waited for the last launches
        end.synchronize()
        return None if early else float(begin.elapsed_time(end)) / 1e3

    def fetch(self, output: Any) -> dict[str, Array]:
        return fetched(output)

    def state(self, program: TorchProgram) -> Iterator[tuple[str, Array]]:
        return training.state(program.module, program.optimizer)

    def restart(self, program: TorchProgram, weights: Arrays) -> None:
        training.restart(program.module, program.optimizer, weights)

    @contextmanager
    def profile(self, folder: Path) -> Iterator[StepMarker]:
        """A compressed Chrome trace for Perfetto or TensorBoard's PyTorch plugin, which recognises steps by this name."""
        session = folder / "plugins" / "profile" / time.strftime("%Y_%m_%d_%H_%M_%S")  # as TensorFlow names its own
        write = torch.profiler.tensorboard_trace_handler(str(session), use_gzip=True)
        with torch.profiler.profile(on_trace_ready=write, record_shapes=True):
            yield lambda number: torch.profiler.record_function(f"ProfilerStep#{number}")

    def read_threads(self) -> dict[str, int]:
        return threads()

    def device_peak_bytes(self) -> int | None:
        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None

    def _tensor(self, program: TorchProgram, array: Array) -> torch.Tensor:
        if _target.GPULESS:
            return _fake(array, program.config.precision)
        return tensor(array, program.config)


def _unpacked(compiled: Step) -> Step:
    return lambda batch: compiled(*batch)


def load(module: torch.nn.Module, weights: Mapping[str, Array]) -> None:
    """Load the weights into the module. ValueError where their names are not those of its state_dict.

    Tied weights are one tensor with several names and are drawn under one of them. Integers are counters and positions, no
    weights.
    """
    absent, unknown = module.load_state_dict({name: torch.from_numpy(a) for name, a in weights.items()}, strict=False)
    places = module.state_dict(keep_vars=True)
    given: dict[int, str] = {}
    for name in weights:
        first = given.setdefault(id(places.get(name, name)), name)
        if first != name:
            raise ValueError(f"{first} and {name} are one tensor of the PyTorch implementation (tied): draw one of them")
    absent = [name for name in absent if places[name].is_floating_point() and id(places[name]) not in given]
    if absent or unknown:
        raise ValueError(f"the PyTorch implementation and its weights disagree: missing {absent}, unknown {unknown}")


def configure(config: BuildConfig) -> None:
    """Set threads and global modes, before anything is built."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise Unavailable("torch sees no CUDA device: use --device cpu")
    torch.backends.cudnn.allow_tf32 = False  # full float32 on a GPU, as TensorFlow's stacks have it
    torch.set_num_threads(config.threads)
    if torch.get_num_interop_threads() != 1:  # may be set only once in a process, and a reference builds twice
        torch.set_num_interop_threads(1)
    # once for the process: a context manager per step would cost time that TensorFlow does not pay
    torch.set_grad_enabled(config.mode.differentiates)


def tensor(array: Array, config: BuildConfig) -> torch.Tensor:
    """The array on the device, in the precision of the configuration."""
    placed = torch.from_numpy(array)
    if placed.is_floating_point():
        placed = placed.to(getattr(torch, config.precision))
    return placed.to(config.device)


def wait(output: torch.Tensor) -> None:
    """Wait for the output. On a CPU a PyTorch call returns when its work is done."""
    if output.is_cuda:
        torch.cuda.synchronize()


def fetched(output: torch.Tensor) -> dict[str, Array]:
    """The output as numpy arrays by name."""
    return {"output": training.array(output)}


def threads() -> dict[str, int]:
    """Thread counts as PyTorch reports them."""
    return {"intra_op": torch.get_num_threads(), "inter_op": torch.get_num_interop_threads()}


def _fake(array: Array, precision: str) -> torch.Tensor:
    """A fake tensor with the shape and dtype of an array, on a GPU that the machine does not have."""
    from bakeoff.compilers import _gpuless

    dtype = getattr(torch, precision if array.dtype.kind == "f" else str(array.dtype))
    stride = tuple(step // array.itemsize for step in np.ascontiguousarray(array).strides)
    return _gpuless.on_device(array.shape, stride, dtype)
