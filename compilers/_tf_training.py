"""What is a training step in TensorFlow? Forward and loss on a tape, gradients, optimizer; it ends with updated variables.

The optimizers are TensorFlow's fused operations, as in Keras 2 (Keras 3 composes an update from a dozen operations): SGD with
momentum, and Adam after a decoupled decay, which is AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101). PyTorch divides by
√v/√(1 − β₂ᵗ) + ε and TensorFlow's Adam by √v + ε, so it is given ε·√(1 − β₂ᵗ). Gradients of embeddings are made dense, as
PyTorch's are.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from bakeoff import Array, Arrays, Mode, Model, Weights
from bakeoff.compilers._keras import KerasImplementation

# the same as in _torch_training.py, which needs PyTorch; tests/frameworks/test_implementations.py compares the two
LEARNING_RATE = {"sgd": 0.01, "adamw": 1e-3}
MOMENTUM, BETAS, EPSILON, DECAY = 0.9, (0.9, 0.999), 1e-8, 0.01
LOSSES = {
    "cross_entropy": lambda output, target: tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=output)
    ),
    "binary_cross_entropy": lambda output, target: tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=output)
    ),
}


class Optimizer(tf.Module):
    """SGD with momentum, or AdamW. The slots are created here, since a graph may not create variables."""

    def __init__(self, kind: str, variables: Sequence[tf.Variable]) -> None:
        super().__init__()
        self.kind, self.parameters = kind, tuple(variables)
        self.first = [tf.Variable(tf.zeros_like(v)) for v in variables]
        self.second = [tf.Variable(tf.zeros_like(v)) for v in variables] if kind == "adamw" else []
        self.steps = tf.Variable(0, dtype=tf.int64)

    def apply(self, gradients: Sequence[Any]) -> None:
        """Update the variables from `gradients`, dense and in their order."""
        if self.kind == "sgd":
            for variable, moment, gradient in zip(self.parameters, self.first, gradients, strict=True):
                tf.raw_ops.ResourceApplyMomentum(
                    var=variable.handle,
                    accum=moment.handle,
                    lr=tf.constant(LEARNING_RATE["sgd"], variable.dtype),
                    grad=gradient,
                    momentum=tf.constant(MOMENTUM, variable.dtype),
                )
            return
        dtype = self.parameters[0].dtype
        step = tf.cast(self.steps.assign_add(1), dtype)
        # tf.constant, since tf.cast would convert a Python number through float32
        rate, epsilon, first, second = (tf.constant(value, dtype) for value in (LEARNING_RATE["adamw"], EPSILON, *BETAS))
        kept = tf.constant(1 - LEARNING_RATE["adamw"] * DECAY, dtype)
        first_power, second_power = first**step, second**step
        for variable, m, v, gradient in zip(self.parameters, self.first, self.second, gradients, strict=True):
            variable.assign(variable * kept)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=first_power,
                beta2_power=second_power,
                lr=rate,
                beta1=first,
                beta2=second,
                epsilon=epsilon * tf.sqrt(1 - second_power),
                grad=gradient,
            )

    def forget(self) -> None:
        """Reset to the state before the first gradient."""
        for slot in (*self.first, *self.second, self.steps):
            slot.assign(tf.zeros_like(slot))


class LossStep(tf.Module):
    """(*inputs, target) → the loss."""

    def __init__(self, model: Model, module: tf.Module, variables: Sequence[tf.Variable] | None = None) -> None:
        super().__init__()
        self.module, self.loss = module, LOSSES[model.loss]
        self.parameters = tuple(module.trainable_variables if variables is None else variables)

    def __call__(self, *batch: tf.Tensor) -> Any:
        """The last of `batch` is the target."""
        return self.loss(self.module(*batch[:-1]), batch[-1])

    def state(self, weights: Weights, output: Any) -> Iterator[tuple[str, Array]]:
        """Gradients and parameters, where the step has them, and buffers such as batch norm's statistics (Trainable.state)."""
        for variable in self.module.non_trainable_variables:
            name = self.name_of(variable)
            yield f"buffer.{name}", weights.canonical(name, variable.numpy())

    def restart(self, weights: Weights, arrays: Arrays) -> None:
        """Set the variables from arrays in canonical layout, and reset the optimizer."""
        for variable in self.module.variables:
            name = self.name_of(variable)
            variable.assign(weights.laid_out(name, arrays[name]).astype(variable.dtype.as_numpy_dtype))

    def name_of(self, variable: tf.Variable) -> str:
        """The canonical name of a variable, or of a worker's copy of it."""
        if isinstance(self.module, KerasImplementation):
            return self.module.paths[id(variable)]
        return str(variable.name.removesuffix(":0").partition("/replica_")[0])


class GradientStep(LossStep):
    """(*inputs, target) → (the loss, *gradients in the order of the parameters)."""

    def __call__(self, *batch: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            loss = super().__call__(*batch)
        return loss, *map(tf.convert_to_tensor, tape.gradient(loss, self.parameters))

    def state(self, weights: Weights, output: Any) -> Iterator[tuple[str, Array]]:
        for variable, gradient in zip(self.parameters, output[1:], strict=True):
            name = self.name_of(variable)
            yield f"gradient.{name}", weights.canonical(name, gradient.numpy())
        yield from super().state(weights, output)


class TrainingStep(GradientStep):
    """(*inputs, target) → the loss before the update. This is what a training stack compiles."""

    def __init__(self, model: Model, module: tf.Module, variables: Sequence[tf.Variable] | None = None) -> None:
        super().__init__(model, module, variables)
        self.optimizer = Optimizer(model.optimizer, self.parameters)

    def __call__(self, *batch: tf.Tensor) -> Any:
        loss, *gradients = super().__call__(*batch)
        self.optimizer.apply(self.averaged(gradients))
        return loss

    def averaged(self, gradients: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        """The gradients averaged over all workers; here there is one."""
        return gradients

    def state(self, weights: Weights, output: Any) -> Iterator[tuple[str, Array]]:
        """With the gradients of the first step recovered from the optimizer's first moment."""
        share = 1.0 if self.optimizer.kind == "sgd" else 1 - BETAS[0]
        for variable, moment in zip(self.parameters, self.optimizer.first, strict=True):
            name = self.name_of(variable)
            yield f"gradient.{name}", weights.canonical(name, moment.numpy() / share)
            yield f"parameter.{name}", weights.canonical(name, variable.numpy())
        yield from LossStep.state(self, weights, output)

    def restart(self, weights: Weights, arrays: Arrays) -> None:
        super().restart(weights, arrays)
        self.optimizer.forget()


STEPS: dict[Mode, type[LossStep]] = {Mode.LOSS: LossStep, Mode.GRADIENT: GradientStep, Mode.TRAINING: TrainingStep}
