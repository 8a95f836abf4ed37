"""What is a model? One network, with an implementation for each framework. They share weights, which are drawn from a seed."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from bakeoff.authoring.errors import MissingImplementation, Unsupported, UsageError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Arrays: TypeAlias = dict[str, Array]

Loss = Literal["cross_entropy", "binary_cross_entropy"]
Optimizer = Literal["sgd", "adamw"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch in canonical layout, PyTorch's: `inputs` in the network's order of arguments, `target` for the loss."""

    inputs: tuple[Array, ...]
    target: Array


PIECE, LARGE = 2**20, 2**24  # in elements: an array of LARGE or more is drawn in pieces, each with its own seed, on all CPUs


class Draw:
    """Draws random arrays from a seed: the same numbers for every stack, framework and machine."""

    def __init__(self, *seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0, mean: float = 0.0) -> Array:
        """float32 of `shape`, normally distributed with mean `mean` and standard deviation `scale`."""
        values = np.empty(shape, dtype=np.float32)

        def fill(piece: Array, rng: np.random.Generator) -> None:
            rng.standard_normal(dtype=np.float32, out=piece)
            piece *= np.float32(scale)
            piece += np.float32(mean)

        if values.size < LARGE:
            fill(values, self._rng)
        else:
            flat = values.reshape(-1)
            pieces = [flat[start : start + PIECE] for start in range(0, flat.size, PIECE)]
            with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
                list(pool.map(fill, pieces, self._rng.spawn(len(pieces))))
        return values

    def uniform(self, low: float, high: float, *shape: int) -> Array:
        """float32 of `shape`, uniformly distributed in [low, high)."""
        return self._rng.random(shape, dtype=np.float32) * np.float32(high - low) + np.float32(low)

    def integers(self, high: int, *shape: int) -> Array:
        """int64 of `shape`, uniformly distributed in [0, high)."""
        return self._rng.integers(high, size=shape, dtype=np.int64)


class Weights(Mapping[str, Array]):
    """Canonical weights, which an implementation takes in its own layout.

    Canonical are the names and the layout of the PyTorch implementation's state_dict. `take` returns one array with its axes
    permuted, and remembers the permutation, so that `canonical` can convert a gradient back. After building an implementation,
    `finish` raises ValueError if some weights were not taken.

    `arrays` may be a function. It is called at first access, so that a missing implementation is reported without drawing
    weights and without importing the framework that their names come from.
    """

    def __init__(self, arrays: Arrays | Callable[[], Arrays]) -> None:
        self._given = arrays
        self._axes: dict[str, tuple[int, ...]] = {}

    @cached_property
    def _arrays(self) -> Arrays:
        return self._given() if callable(self._given) else self._given

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def dtype(self) -> str:
        """The dtype of the floating-point weights: "float32", or "float64" for a reference."""
        return next(str(array.dtype) for array in self._arrays.values() if array.dtype.kind == "f")

    def take(self, name: str, axes: tuple[int, ...] | None = None) -> Array:
        """The array `name`, permuted as by `numpy.transpose(array, axes)`. Raises KeyError if there is no such weight."""
        array = self._arrays[name]
        self._axes[name] = axes if axes is not None else tuple(range(array.ndim))
        return self.laid_out(name, array)

    def laid_out(self, name: str, array: Array) -> Array:
        """`array`, which is in canonical layout, permuted as `take` permuted the weight `name`."""
        return np.ascontiguousarray(np.transpose(array, self._axes[name]))

    def canonical(self, name: str, array: Array) -> Array:
        """`array` (such as a gradient) in canonical layout: the inverse of the permutation that `take` used for `name`."""
        return np.transpose(array, np.argsort(self._axes[name]))

    def finish(self) -> None:
        """Raise ValueError if a weight was never taken: then the implementations would not be the same network."""
        missing = sorted(set(self._arrays) - set(self._axes))
        if missing:
            raise ValueError(f"this implementation never took the weights {', '.join(missing)}")

    def release(self) -> None:
        """Free the arrays after the program has copied them, so that its memory excludes them. `canonical` still works."""
        self._arrays.clear()


class Model(ABC):
    """One network at one size: a frozen dataclass whose fields are its dimensions.

    `torch`, `tensorflow` and `keras` return its implementations, and import their framework inside the method. Without an
    implementation they raise MissingImplementation with the reason.
    """

    batch_size: int
    item: ClassVar[str] = "samples"  # what throughput counts
    loss: ClassVar[Loss] = "cross_entropy"
    optimizer: ClassVar[Optimizer] = "sgd"
    batch_axes: ClassVar[tuple[int, ...]] = ()  # for each input, the axis of its items; (): the first axis of all inputs
    tolerance: ClassVar[float] = 1e-5  # the largest allowed max |difference| / max |reference|, float32 against float64

    @property
    def items_per_step(self) -> int:
        """The number of items in one step, for throughput."""
        return self.batch_size

    def flops(self) -> int | None:
        """Floating-point operations of one inference step: matrix products and convolutions. None: unknown."""
        return None

    def moved(self, itemsize: int) -> int | None:
        """The least number of bytes that an inference step must read and write, with elements of `itemsize` bytes.

        None: each weight, input and output counts once, if `flops` is known.
        """
        return None

    @abstractmethod
    def weights(self, draw: Draw) -> Arrays:
        """Name → float32 array: the state_dict of the PyTorch implementation.

        Entries of integer type are left out, and tied weights have one name. Without a PyTorch implementation, names and
        layout are those of the TensorFlow implementation.
        """

    @abstractmethod
    def batch(self, draw: Draw, index: int) -> Batch:
        """Batch number `index`; the seed of `draw` depends on it."""

    def shard(self, batch: Batch, index: int, of: int) -> Batch:
        """The part of `batch` for data-parallel worker `index` of `of`. Raises Unsupported if it does not split evenly."""
        if self.batch_size % of:
            raise Unsupported(
                f"a batch of {self.batch_size} does not split evenly over {of} workers; choose another --batch-size"
            )
        axes = self.batch_axes or (0,) * len(batch.inputs)
        inputs = tuple(np.split(array, of, axis)[index] for array, axis in zip(batch.inputs, axes, strict=True))
        return Batch(tuple(map(np.ascontiguousarray, inputs)), np.split(batch.target, of)[index])

    def torch(self) -> Any:
        """The PyTorch implementation: a torch.nn.Module whose state_dict has the names and shapes of `weights`."""
        raise MissingImplementation(f"{type(self).__name__} has no PyTorch implementation")

    def tensorflow(self, weights: Weights) -> Any:
        """The TensorFlow implementation, which takes each of `weights`.

        Either a tf.Module whose variables have the canonical names, or a keras.Model whose variables have them as paths and
        whose dtype policy is `weights.dtype`.
        """
        raise MissingImplementation(f"{type(self).__name__} has no TensorFlow implementation")

    def keras(self, weights: Weights) -> Any:
        """A keras.Model of Keras layers, with the inputs of the TensorFlow implementation, for export in Keras's format."""
        raise MissingImplementation(f"{type(self).__name__} has no Keras implementation, and Keras's own format needs one")

    def tensorflow_inputs(self, *inputs: Array) -> tuple[Array, ...]:
        """Canonical inputs in the layout of the TensorFlow implementation, such as NHWC for images."""
        return inputs


class Sizes:
    """One network at two sizes: the value of MODEL in a model's file."""

    def __init__(self, *, small: Model, full: Model) -> None:
        self._models = {"small": small, "full": full}

    def at(self, size: str, batch_size: int | None = None, shape: Mapping[str, int] | None = None) -> Model:
        """The network at `size`, with another batch size or other fields of `shape`. Raises UsageError for an unknown field."""
        model = self._models[size]
        changed = ({} if batch_size is None else {"batch_size": batch_size}) | dict(shape or {})
        known = [f.name for f in fields(model)]  # type: ignore[arg-type]  # models must be dataclasses
        for name in changed:
            if name not in known:
                raise UsageError(f"{type(model).__name__} has no field {name}; there are: {', '.join(known)}")
        return replace(model, **changed) if changed else model  # type: ignore[type-var]


SIZES = ("small", "full")
