"""What can only some stacks do? One protocol each; callers ask `isinstance(stack, Trainable)`.

A class may inherit a protocol, which lets mypy check it and gives it the defaults below, or just have its methods. The HEADER
of the stack's file promises some of them to the parent process, which does not import the file (PROMISED_BY).
"""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from bakeoff.authoring.model import Array, Arrays, Batch, Model, Weights
from bakeoff.authoring.stack import Step, StepMarker
from bakeoff.records.compile_only import Kernel
from bakeoff.records.diagnostics import Diagnostics, GraphBreak


@runtime_checkable
class Trainable(Protocol):
    """In mode training a step returns the loss before its update, and ends when parameters and optimizer are updated."""

    @abstractmethod
    def state(self, program: Any) -> Iterator[tuple[str, Array]]:
        """What the first step left, as (name, array in canonical layout), read outside the clock.

        "gradient.NAME": the gradient that the optimizer was given; "parameter.NAME"; "buffer.NAME": statistics of batch norm.
        """

    @abstractmethod
    def restart(self, program: Any, weights: Arrays) -> None:
        """Set the program, in place, to `weights` (canonical layout) and an optimizer that has seen no gradient."""


@runtime_checkable
class RunsWithoutCompiler(Protocol):
    """The program can also run eagerly, as a comparison for compiled outputs and side effects."""

    @abstractmethod
    def step_without_compiler(self, program: Any) -> Step:
        """The same step, eager."""


@runtime_checkable
class Diagnosable(RunsWithoutCompiler, Protocol):
    """A child of its own compiles the same program once more, untimed and with collectors on. HEADER: "diagnoses"."""

    @abstractmethod
    def enable_collectors(self, folder: Path) -> None:
        """Switch collectors on, before anything is built. Generated files go to `folder`."""

    @abstractmethod
    def diagnose(self, program: Any, step: Step, batch: Any) -> Diagnostics:
        """Graph breaks with place and reason, and the compiled code, after `step` has run on every batch."""

    def locate_refusal(self, program: Any, error: Exception) -> tuple[GraphBreak, ...]:
        """Place and reason of an exception of `compile` or of a step that `refusal` turns into Unsupported."""
        return ()


@runtime_checkable
class Exportable(Protocol):
    """A deployment format. HEADER: "exported_by", the eager stack whose program is exported.

    `export` runs in a child of that stack's framework; everything else in children that have the exported files
    (BuildConfig.artifact) and nothing of the model.
    """

    @abstractmethod
    def export(self, program: Any, example: Any, weights: Weights, folder: Path) -> None:
        """Write the exporting stack's `program`, which takes the placed batch `example`, to `folder`. Timed.

        `weights` are in canonical layout. Raises Unsupported where the format cannot express the program.
        """

    def exported_inputs(self, model: Model, batch: Batch) -> tuple[Array, ...]:
        """A batch's inputs in the layout that the exported program takes."""
        return batch.inputs

    def import_export_tools(self) -> None:
        """In the exporting child: import what exporting needs beside the framework. Untimed."""

    def import_runtime(self) -> None:
        """In the serving child: import the runtime, where the file does not at its top (the exporting child loads it, too)."""


@runtime_checkable
class CrossCompiles(Protocol):
    """Compiles for a device that the machine does not have. HEADER: "targets".

    The target is in bakeoff.system.environment.TARGET before the file is imported.
    """

    @abstractmethod
    def target_code(self, program: Any, target: str) -> tuple[tuple[Kernel, ...], Diagnostics, tuple[str, ...]]:
        """(kernels, what `diagnose` would find, known differences from the device's own code), after the first step."""


@runtime_checkable
class Profilable(Protocol):
    """A child runs a few warm steps under the framework's own profiler, for people to read; nothing in it is timed."""

    @abstractmethod
    def profile(self, folder: Path) -> AbstractContextManager[StepMarker]:
        """The profiler is on inside the context; afterwards its trace is in `folder`/plugins/profile/<time>, for TensorBoard.

        Called before anything is built. Raises Unsupported where this program cannot be profiled.
        """


@runtime_checkable
class PaysOneTimeCost(Protocol):
    """Needs something that a machine computes once, such as a precompiled header. HEADER: "one_time_cost"."""

    @abstractmethod
    def pay_one_time_cost(self) -> None:
        """Leave it in the caches of its sandbox, and nothing else. Called in a child of its own."""


PROMISED_BY: dict[str, type] = {  # a key of HEADER → the protocol
    "diagnoses": Diagnosable,
    "one_time_cost": PaysOneTimeCost,
    "targets": CrossCompiles,
    "exported_by": Exportable,
}


def missing(stack: object, protocol: type) -> list[str]:
    """Methods of the protocol that a stack lacks."""
    names = {name for cls in protocol.__mro__ for name in vars(cls) if callable(vars(cls)[name]) and not name.startswith("_")}
    return sorted(name for name in names if not callable(getattr(stack, name, None)))
