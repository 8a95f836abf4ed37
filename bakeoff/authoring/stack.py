"""What must a stack do? A stack is a framework, its capture and its code generation: one file in compilers/ each.

Five methods are abstract. The others are optional hooks, whose defaults suit a stack that runs on the CPU and counts nothing.
What only some stacks can do (training, export, ...) is in protocols.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from bakeoff.authoring.model import Array, Batch, Model, Weights
from bakeoff.records.cell import Mode
from bakeoff.records.diagnostics import CompilePhase, Diagnostics

Program = TypeVar("Program")
Precision = Literal["float32", "float64", "float16", "bfloat16"]
Step = Callable[[Any], Any]  # a batch as `to_device` returns it → outputs; may return before they are computed
StepMarker = Callable[[int], AbstractContextManager[Any]]  # a step's number → the context that a profiler sees it in


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """What a program is built for."""

    mode: Mode
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int = 1
    artifact: str | None = None  # of a deployment format: the folder that `export` wrote


class Stack(ABC, Generic[Program]):
    """A framework and its compiler. Methods are called in the order of this file.

    A child process holds one stack, one model and one mode, so a stack may keep state and need not be re-entrant.
    `build` may raise Unsupported (this stack cannot express the model) or Unavailable (this machine lacks something).
    """

    notes: ClassVar[
        tuple[str, ...]
    ] = ()  # differences from other stacks that were not equalised; they stand beside the results
    workers: int | None = None  # of a data-parallel stack, the same number as in its file's HEADER

    @abstractmethod
    def build(self, model: Model, weights: Weights, config: BuildConfig) -> Program:
        """The model with its weights on the device. Untimed."""

    @abstractmethod
    def to_device(self, program: Program, batch: Batch) -> Any:
        """A batch on the device, in the form that `Step` takes. Untimed."""

    @abstractmethod
    def compile(self, program: Program) -> Step:
        """The compiled step. Timed together with the step's first call."""

    @abstractmethod
    def synchronize(self, output: Any) -> None:
        """Return when `output` is computed. Timed."""

    @abstractmethod
    def fetch(self, output: Any) -> dict[str, Array]:
        """Outputs by name as numpy arrays. Untimed."""

    # Optional: what the framework refuses, counts and knows. None of it is timed.

    def measuring(self, alone: Callable[[], AbstractContextManager[None]]) -> AbstractContextManager[None]:
        """A context around `compile` in which every measurement that compiling makes on the device runs inside `alone()`.

        Entered where cells are compiled beside each other, for compilers that autotune. Waiting for `alone()` is not counted
        as compile time.
        """
        return nullcontext()

    def refusal(self, error: Exception) -> Exception:
        """An exception of `compile` or of a step, as Unsupported where the compiler cannot compile this model."""
        return error

    def compilations(self, program: Program) -> int:
        """A counter that increases whenever this stack captures or compiles something."""
        return 0

    def phases(self, program: Program) -> tuple[CompilePhase, ...]:
        """What the first call consisted of, by the framework's own counters. Read right after that call."""
        return ()

    def counters(self, program: Program) -> Diagnostics:
        """What the framework counts without collectors, read in the timed child.

        Raises Unsupported where the compiler silently fell back to eager.
        """
        return Diagnostics()

    def device_s(self, program: Program, run: Callable[[], None], hold_s: float) -> float | None:
        """Seconds by the device's own clock for what `run` queues, with the device held busy for `hold_s` seconds meanwhile.

        None where steps run on the host, or where the device started before everything was queued.
        """
        return None

    def read_threads(self) -> dict[str, int]:
        """Thread counts as the framework reports them, such as {"intra_op": 1}."""
        return {}

    def device_peak_bytes(self) -> int | None:
        """Peak of the device allocator since the program was built; None on a CPU."""
        return None
