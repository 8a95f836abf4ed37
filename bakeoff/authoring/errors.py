"""What can go wrong? The exceptions that Bakeoff raises on purpose.

BakeoffError
├── UsageError          bad input; one line that says what is wrong, what there is, what to do next
├── Unsupported         this stack cannot express this model; reported with the reason
│   └── MissingImplementation     the model has no implementation for the stack's framework
├── Unavailable         this machine lacks what the stack needs; reported with the command that installs it
└── CellFailed          a cell has no valid measurement; one subclass per status, named by known_gaps.toml
    ├── Wrong · Recompiled · Unsteady · Timeout · OutOfMemory · Crash · Error
    └── CellUnsupported (known_gaps.toml calls it Unsupported)
"""

from pathlib import Path

from bakeoff.records.trial import Status

# what pip is given: the wheel's name where Bakeoff is installed, this folder in a checkout
_DISTRIBUTION = "bakeoff" if (Path(__file__).resolve().parents[1] / "compilers").is_dir() else "."


class BakeoffError(Exception):
    """Root of all exceptions that Bakeoff raises on purpose."""


class UsageError(BakeoffError):
    """Bad input."""


class Unsupported(BakeoffError):
    """Raised by a model or a stack, in the child: this stack cannot express this model; the message says why."""


class MissingImplementation(Unsupported):
    """Raised by a model that has no implementation for a framework; the message says why. Reported; no test fails."""


class Unavailable(BakeoffError):
    """Raised by a stack, in the child: the machine lacks something; the message says how to get it."""


class CellFailed(BakeoffError):
    """Raised in the parent when a question needs a measurement that a cell does not have."""


class Wrong(CellFailed):
    """Outputs of the timed steps disagree with the float64 reference, so it has no speed."""


class Recompiled(CellFailed):
    """The compile counter moved between the first and the last timed step."""


class Unsteady(CellFailed):
    """Step time or memory never settled."""


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


def install(framework: str, extra: str = "") -> str:
    """What is missing, and the command that installs it; `extra` where ours has another name."""
    return f"{framework} is not installed: pip install '{_DISTRIBUTION}[{extra or framework}]'"
