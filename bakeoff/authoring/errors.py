"""What can go wrong? The exceptions that Bakeoff raises on purpose.

BakeoffError
├── UsageError          wrong input; one line with what is wrong, which values exist, and what to do next
├── Unsupported         this stack cannot express this model; reported with the reason
│   └── MissingImplementation     the model has no implementation for the stack's framework
├── Unavailable         this machine lacks what the stack needs; reported with the command that installs it
└── CellFailed          a cell has no valid measurement; one subclass per status, used in known_gaps.toml
    ├── Wrong · Recompiled · Unsteady · Timeout · OutOfMemory · Crash · Error
    └── CellUnsupported (in known_gaps.toml: Unsupported)
"""

from pathlib import Path

from bakeoff.records.trial import Status

# the argument of pip: the name of the distribution if Bakeoff is installed, this folder in a checkout
_DISTRIBUTION = "bakeoff" if (Path(__file__).resolve().parents[1] / "compilers").is_dir() else "."


class BakeoffError(Exception):
    """The base class of all exceptions that Bakeoff raises on purpose."""


class UsageError(BakeoffError):
    """Raised for wrong input, with one line that says what to do."""


class Unsupported(BakeoffError):
    """Raised in the child by a model or a stack: this stack cannot express this model. The message gives the reason."""


class MissingImplementation(Unsupported):
    """Raised by a model without an implementation for a framework. It is reported with its message; no test fails."""


class Unavailable(BakeoffError):
    """Raised in the child by a stack: this machine lacks something. The message names the command that installs it."""


class CellFailed(BakeoffError):
    """Raised in the parent: a test needs a measurement of a cell that has none."""


class Wrong(CellFailed):
    """The cell's outputs differ from the float64 reference, so it has no speed."""


class Recompiled(CellFailed):
    """The compile counter changed during the timed steps or the steps on held-out batches."""


class Unsteady(CellFailed):
    """Step time or memory did not become steady."""


class CellUnsupported(CellFailed):
    """The stack cannot express the model."""


class Timeout(CellFailed):
    """The child was stopped at its time limit."""


class OutOfMemory(CellFailed):
    """The child ran out of memory."""


class Crash(CellFailed):
    """The child died without writing a result."""


class Error(CellFailed):
    """Any other exception, with the child's message."""


BY_STATUS: dict[Status, type[CellFailed]] = {
    Status.WRONG: Wrong,
    Status.RECOMPILED: Recompiled,
    Status.UNSTEADY: Unsteady,
    Status.UNSUPPORTED: CellUnsupported,
    Status.TIMEOUT: Timeout,
    Status.OUT_OF_MEMORY: OutOfMemory,
    Status.CRASH: Crash,
    Status.ERROR: Error,
}


def of_status(status: Status) -> type[CellFailed]:
    """The exception for a cell with this status; CellFailed itself for a status without an exception of its own."""
    return BY_STATUS.get(status, CellFailed)


def install(framework: str, extra: str = "") -> str:
    """The message for a missing framework, with the command that installs it. `extra`: the pip extra, if its name differs."""
    return f"{framework} is not installed: pip install '{_DISTRIBUTION}[{extra or framework}]'"
