"""What can go wrong, as exceptions.

BakeoffError
├── UsageError          bad input: one line that says what is wrong, what there is, what to do next
├── Unsupported         this stack cannot express this model: a row with a reason
│   └── MissingImplementation     nor could any of its framework: the model has nothing for it
├── Unavailable         this machine lacks what the stack needs: a row with the command that installs it
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
    """Raised by a model that has no half for a framework; the message says why. A row, and nobody's failure."""


class Unavailable(BakeoffError):
    """Raised by a stack, in the child: the machine lacks something; the message says how to get it."""


class CellFailed(BakeoffError):
    """Raised in the parent when a question needs a measurement that a cell does not have."""


class Wrong(CellFailed):
    """Outputs of the timed steps disagree with the float64 reference: no speed."""


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
    """The child died without an account of itself."""


class Error(CellFailed):
    """Anything else, with the child's own words."""


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
