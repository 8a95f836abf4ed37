"""What one child process saw of one cell: a Measurement or a Failure, with its settings and environment.

Only the standard library here, as in measurement.py.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from bakeoff.records.cell import Cell
from bakeoff.records.compile_only import CompileOnly
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.measurement import Measurement


class Status(StrEnum):
    """How a cell ended. Every registered cell has exactly one."""

    OK = "ok"
    COMPILED = "compiled (not run)"  # for a target that this machine is not
    WRONG = "wrong"
    RECOMPILED = "recompiled"
    UNSTEADY = "unsteady"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out of memory"
    CRASH = "crash"
    ERROR = "error"


TIMED = (Status.OK, Status.UNSTEADY)  # it ran and was right; that steps did not settle may be the machine's doing


class Start(StrEnum):
    """Cold: private empty caches. Warm: a fresh process with the caches that the cold one left."""

    COLD = "cold"
    WARM = "warm"


class Phase(StrEnum):
    """Where a child is; a failure names the phase in which it happened."""

    START = "start"
    IMPORT = "import"
    BUILD = "build"
    EXPORT = "export"
    COMPILE = "compile"
    WARM_UP = "warm-up"
    TIMING = "timing"
    PARITY = "parity"
    DIAGNOSE = "diagnose"
    PROFILE = "profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no measurement."""

    status: Status
    phase: Phase
    error: str  # the exception's name, or the signal's
    message: str
    traceback: str = ""

    @property
    def no_implementation(self) -> bool:
        """The model has nothing for this framework, and says so: errors.MissingImplementation."""
        return self.error == "MissingImplementation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where and with what the child ran."""

    python: str
    platform: str
    cpu: str
    cores: int
    memory_bytes: int
    device: str
    versions: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was asked of every cell of a run alike. Two runs compare only where these agree."""

    size: str
    batch_size: int | None
    device: str
    threads: int
    timeout_s: float
    seed: int = 0
    dtype: str = "float32"
    target: str = ""  # compile for it only: one of bakeoff.records.compile_only.TARGETS
    timed_s: float = 1.0  # how long the timed steps of a trial go on
    memory_limit_bytes: int | None = None
    shape: tuple[str, ...] = ()  # other fields of the models than --size has: "pixels=32"
    found_with: tuple[str, ...] = ()  # options that say where models, stacks and interpreters are, for commands to run again


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One child process: Measurement or Failure, with its environment."""

    cell: Cell
    index: int
    start: Start
    settings: Settings
    wall_s: float  # of the whole child, from start to exit
    finished_at: str
    framework: str
    eager: bool = False  # is the stack its framework's baseline?
    workers: int | None = None  # that share each batch, where the stack is data-parallel
    exported_by: str | None = None  # the eager stack whose exported program a deployment format served
    measurement: Measurement | None = None
    compile_only: CompileOnly | None = None  # instead of a measurement, where a target was asked for
    diagnostics: Diagnostics | None = None  # of a failed trial, too, where the diagnosing child could tell why
    diagnosed: bool = False  # has a diagnosing child run?
    failure: Failure | None = None
    environment: Environment | None = None
    baseline_bytes: int | None = None  # peak of a child that only imported the framework


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeCost:
    """A cost that is paid once per machine and belongs to no cell: its own row."""

    stack: str
    wall_s: float
    files: int
    bytes: int
    measured_at: str
    failure: Failure | None = None
