"""How does tf.distribute.MirroredStrategy run? One process, a copy of the variables per worker, one tf.function.

A worker is a GPU, or on a CPU a logical device; logical devices share the process's thread pool, which has the threads of all
workers. Each worker computes loss and gradients on its part of the batch. The strategy averages the gradients in the graph (on
one device on a CPU, by NCCL on GPUs), and each worker updates its own copies with the same optimizer as every stack.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import tensorflow as tf

from bakeoff import Array, Arrays, Batch, BuildConfig, Mode, Model, Step, Unavailable, Unsupported, Weights
from bakeoff.compilers._keras import KerasImplementation
from bakeoff.compilers._tensorflow import TensorFlowProgram
from bakeoff.compilers._tf_captured import CapturedStack
from bakeoff.compilers._tf_training import TrainingStep


class WorkersStep(TrainingStep):
    """One worker's step, on its own copies of the variables, with its own optimizer."""

    def averaged(self, gradients: Sequence[tf.Tensor]) -> Any:
        return tf.distribute.get_replica_context().all_reduce("MEAN", gradients)


class MirroredStep(tf.Module):
    """(*inputs, target), each distributed over the workers → the mean loss of all workers before the update."""

    def __init__(self, model: Model, module: tf.Module, strategy: tf.distribute.Strategy, devices: Sequence[str]) -> None:
        super().__init__()
        self.strategy, self.steps = strategy, []
        copies = zip(*(strategy.experimental_local_results(v) for v in module.trainable_variables), strict=True)
        for device, own in zip(devices, copies, strict=True):
            with tf.device(device):
                self.steps.append(WorkersStep(model, module, own))

    def __call__(self, *batch: Any) -> tf.Tensor:
        return self.strategy.reduce("MEAN", self.strategy.run(self.part, args=batch), axis=None)

    def part(self, *batch: tf.Tensor) -> tf.Tensor:
        """The step that each worker runs on its part."""
        number = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)  # a constant in the graph
        return self.steps[int(number)](*batch)

    def state(self, weights: Weights, output: Any) -> Iterator[tuple[str, Array]]:
        """The elementwise maximum over all workers, which is every worker's own value where they agree."""
        for each in zip(*(step.state(weights, output) for step in self.steps), strict=True):
            yield each[0][0], np.maximum.reduce([array for _, array in each])

    def restart(self, weights: Weights, arrays: Arrays) -> None:
        """Set all copies, and reset the optimizers."""
        for step in self.steps:
            step.restart(weights, arrays)


class TfMirrored(CapturedStack):
    """MirroredStrategy with `workers` workers. Each number of workers is a stack file of its own."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        self.workers: int = workers
        if workers > 1:
            self.notes = ("MirroredStrategy: on a CPU all workers share one process, its memory and its thread pool",)
        self.devices: list[str] = []
        self.strategy: Any = None

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> TensorFlowProgram:
        if config.mode is not Mode.TRAINING:
            raise Unsupported("data-parallel training only: --modes training")
        return super().build(model, weights, config)

    def scope(self, config: BuildConfig) -> AbstractContextManager[Any]:
        kind, reduction = ("GPU", None) if config.device == "cuda" else ("CPU", tf.distribute.ReductionToOneDevice())
        there = tf.config.list_physical_devices(kind)
        if kind == "CPU":
            tf.config.set_logical_device_configuration(there[0], [tf.config.LogicalDeviceConfiguration()] * self.workers)
        elif len(there) < self.workers:
            raise Unavailable(f"{self.workers} workers take a GPU each, and tensorflow sees {len(there)}: --device cpu")
        self.devices = [f"{kind}:{i}" for i in range(self.workers)]
        self.strategy = tf.distribute.MirroredStrategy(self.devices, cross_device_ops=reduction)
        return self.strategy.scope()

    def training_step(self, model: Model, module: tf.Module, config: BuildConfig) -> Any:
        if isinstance(module, KerasImplementation):
            raise Unsupported("a Keras model's copies have no names to compare them by: write a tf.Module instead")
        return MirroredStep(model, module, self.strategy, self.devices)

    def transform(self, step: Step, example: tuple[tf.Tensor, ...]) -> Step:
        return tf.function(step)

    def to_device(self, program: TensorFlowProgram, batch: Batch) -> tuple[Any, ...]:
        parts = []
        for number, device in enumerate(self.devices):
            with tf.device(device):
                parts.append(super().to_device(program, program.model.shard(batch, number, self.workers)))
        spread = self.strategy.experimental_distribute_values_from_function
        placed = tuple(spread(lambda of, own=own: own[of.replica_id_in_sync_group]) for own in zip(*parts, strict=True))
        program.example = placed
        return placed
