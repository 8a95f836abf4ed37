"""A Stack: framework + capture + code generation. One file in compilers/ each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from bakeoff.authoring.errors import Unsupported
from bakeoff.authoring.model import Array, Arrays, Batch, Model, Weights
from bakeoff.records.cell import Mode
from bakeoff.records.compile_only import Kernel
from bakeoff.records.diagnostics import CompilePhase, Diagnostics, GraphBreak

Program = TypeVar("Program")
Precision = Literal["float32", "float64", "float16", "bfloat16"]
Step = Callable[[Any], Any]  # a placed batch → outputs; may return before the work is done
Mark = Callable[[int], AbstractContextManager[Any]]  # what a profiled step of that number runs in


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """What a program is built for."""

    mode: Mode
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int = 1
    artifact: str | None = None  # the folder that `export` wrote, where one is served


class Stack(ABC, Generic[Program]):
    """What the instrument asks of a framework and its compiler, in the order in which it asks.

    A child process holds one stack, one model and one mode; nothing here needs to be re-entrant.
    """

    notes: ClassVar[tuple[str, ...]] = ()  # fairness: differences to other stacks that were not equalised
    workers: int | None = None  # data-parallel ones; its file says WORKERS, too, so that they are given their CPUs

    def pay_one_time_cost(self) -> None:
        """Pay what a machine pays once (a precompiled header, say) into the private caches, and leave only that.

        Called in a child of its own, and only for stacks whose file says TOOLCHAIN = True.
        """

    @abstractmethod
    def build(self, model: Model, weights: Weights, setup: BuildConfig) -> Program:
        """Model and weights on the device. Untimed. May raise Unsupported or Unavailable."""

    @abstractmethod
    def to_device(self, program: Program, batch: Batch) -> Any:
        """A batch on the device, as `Step` takes it. Untimed."""

    @abstractmethod
    def compile(self, program: Program) -> Step:
        """Timed, together with the first step."""

    def measuring(self, alone: Callable[[], AbstractContextManager[None]]) -> AbstractContextManager[None]:
        """While it lasts, what compiling measures on the device (autotuning) is measured inside `alone()`. It is entered before
        `compile` where cells are compiled beside each other, and waiting for `alone()` is left out of the first call."""
        return nullcontext()

    def refusal(self, error: Exception) -> Exception:
        """An exception of `compile` or of the first step: Unsupported where it is this stack's refusal of the model."""
        return error

    @abstractmethod
    def synchronize(self, output: Any) -> None:
        """Return when `output` is computed. Timed."""

    def device_s(self, program: Program, run: Callable[[], None], hold_s: float) -> float | None:
        """Seconds of the device's own clock for what `run` queues, the device being held up for `hold_s` meanwhile.

        None where steps run on the host, or where the device began before everything was queued.
        """
        return None

    @abstractmethod
    def fetch(self, output: Any) -> dict[str, Array]:
        """Outputs by name as numpy arrays. After the clock has stopped."""

    def compilations(self, program: Program) -> int:
        """A counter that moves whenever this stack captures or compiles. Read outside the clock."""
        return 0

    def phases(self, program: Program) -> tuple[CompilePhase, ...]:
        """What the first call consisted of, by the stack's own counters. Read outside the clock, right after that call."""
        return ()

    def counters(self, program: Program) -> Diagnostics:
        """What counters tell that the framework keeps anyway. In the timed child, after the clock has stopped.

        Raises Unsupported where the compiler silently fell back to eager.
        """
        return Diagnostics()

    # The diagnosing child, for stacks whose file says DIAGNOSES = True: the same program once more, with collectors on.

    def enable_collectors(self, folder: Path) -> None:
        """Switch collectors on, before anything is built. What they write goes to `folder`."""

    def bare(self, program: Program) -> Step:
        """The same step without the compiler."""
        raise NotImplementedError(f"{type(self).__name__} has no step without its compiler")

    def diagnose(self, program: Program, step: Step, batch: Any) -> Diagnostics:
        """Places, reasons and code, after `step` has seen every batch; generated files go to the folder given to `watch`."""
        return Diagnostics()

    def refused(self, program: Program, error: Exception) -> tuple[GraphBreak, ...]:
        """Where and why, for an exception of `compile` or of a step that `refusal` calls Unsupported."""
        return ()

    # A child that takes a few warm steps under the framework's own profiler: for people to look at, and nothing in it is timed.

    def profile(self, folder: Path) -> AbstractContextManager[Mark]:
        """While it lasts, the profiler is on; afterwards its trace lies in `folder`/plugins/profile/<time>, where TensorBoard
        looks. Asked before anything is built, so that a stack without one says so at once."""
        raise Unsupported(f"{type(self).__name__} has no profiler: nothing fills the hole `profile` of its stack")

    # A child that compiles for a target, for stacks whose file names its family in TARGETS;
    # bakeoff.system.environment.TARGET has it.

    def lowered(self, program: Program, target: str) -> tuple[tuple[Kernel, ...], Diagnostics, tuple[str, ...]]:
        """(kernels, what diagnosing would find, where they are known to differ from the device's own) after the first step."""
        raise Unsupported(f"{type(self).__name__} compiles only for the machine that it runs on")

    # In mode training a step returns the loss before its update, and ends when parameters and optimizer are updated.

    def state(self, program: Program) -> Iterator[tuple[str, Array]]:
        """What the first training step left, in canonical layout: (gradient.NAME, the gradient that the optimizer was
        given), (parameter.NAME, ...), (buffer.NAME, ...) for batch norm's statistics. Read outside the clock."""
        raise Unsupported(f"{type(self).__name__} does not train")

    def restart(self, program: Program, weights: Arrays) -> None:
        """Put the program back, in place, to `weights` in canonical layout and an optimizer that has seen no gradient."""
        raise Unsupported(f"{type(self).__name__} does not train")

    # A deployment format, whose file names in EXPORTED_BY an eager stack of the exporting framework. `export` runs in a child
    # of that framework, on that stack's program; all else in children that have nothing of the model but BuildConfig.artifact.

    def start(self) -> None:
        """Import the runtime that serves, where the file does not at its top: the exporting child loads it, too."""

    def tools(self) -> None:
        """Import what exporting needs beside the framework, in the exporting child. Untimed."""

    def shipped(self, model: Model, batch: Batch) -> tuple[Array, ...]:
        """A batch's inputs in the layout that the exported half takes."""
        return batch.inputs

    def export(self, program: Any, example: Any, weights: Weights, folder: Path) -> None:
        """Write `program` of the exporting stack, which takes `example`, to `folder`. Timed. `weights` are canonical."""
        raise Unsupported(f"{type(self).__name__} is no deployment format")

    def read_threads(self) -> dict[str, int]:
        """Thread counts by the framework's own account."""
        return {}

    def device_peak_bytes(self) -> int | None:
        """Peak of the device allocator since the program was built; None on a CPU."""
        return None
