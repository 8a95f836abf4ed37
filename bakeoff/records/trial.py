"""What did one child process find for one cell? A Measurement or a Failure, with its settings and environment.

Standard library only, for the reason given in measurement.py.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from bakeoff.records.cell import Cell
from bakeoff.records.compile_only import CompileOnly
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.measurement import Measurement


class Status(StrEnum):
    """The outcome of a cell. Every selected cell has exactly one."""

    OK = "ok"
    COMPILED = "compiled (not run)"  # for a target that this machine does not have
    WRONG = "wrong"
    RECOMPILED = "recompiled"
    UNSTEADY = "unsteady"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out of memory"
    CRASH = "crash"
    ERROR = "error"

    @property
    def succeeded(self) -> bool:
        """Did the cell do what was asked of it: run, or compile for a target?"""
        return self in (Status.OK, Status.COMPILED)

    @property
    def was_timed(self) -> bool:
        """Did it run, with right outputs? Load on the machine can keep its steps from settling."""
        return self in (Status.OK, Status.UNSTEADY)


SUCCEEDED = tuple(status for status in Status if status.succeeded)
TIMED = tuple(status for status in Status if status.was_timed)


class Start(StrEnum):
    """The state of the caches. Cold: empty caches in a sandbox. Warm: a new process with the caches that the cold one left."""

    COLD = "cold"
    WARM = "warm"


class Phase(StrEnum):
    """What a child is doing. A failure names the phase in which it happened."""

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
    error: str  # name of the exception or of the signal
    message: str
    traceback: str = ""

    @property
    def no_implementation(self) -> bool:
        """Whether the model has no implementation for this framework (errors.MissingImplementation)."""
        return self.error == "MissingImplementation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The machine, the software versions and the environment variables that the child ran with."""

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
    """Settings that all cells of a run share. Two runs are comparable only where they agree."""

    size: str
    batch_size: int | None
    device: str
    threads: int
    timeout_s: float
    seed: int = 0
    dtype: str = "float32"
    target: str = ""  # compile for this target only: one of bakeoff.records.compile_only.TARGETS
    timed_s: float = 1.0  # duration of the timed steps of a trial
    memory_limit_bytes: int | None = None
    shape: tuple[str, ...] = ()  # fields of the models to change, such as "pixels=32"
    found_with: tuple[str, ...] = ()  # options that say where models, stacks and interpreters are, to repeat the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The record of one child process that measured a cell."""

    cell: Cell
    index: int  # number of its group among those of the cell, from 0
    start: Start
    settings: Settings
    wall_s: float  # of the whole child, from start to exit, without waiting for other members of its group
    finished_at: str
    framework: str
    # trials of one run with the same name here were members of one group; None: measured alone, as in older saved runs
    group: str | None = None
    control: bool = False  # the A/A control: a copy of another member of its group
    eager: bool = False  # whether the stack is its framework's eager baseline
    workers: int | None = None  # of a data-parallel stack: the number of workers that share each batch
    exported_by: str | None = None  # of a deployment format: the eager stack whose program was exported
    measurement: Measurement | None = None
    compile_only: CompileOnly | None = None  # instead of a measurement, with --target
    diagnostics: Diagnostics | None = None  # also of a failed trial, where the diagnosing child found the reason
    diagnosed: bool = False  # whether a diagnosing child has run
    failure: Failure | None = None
    environment: Environment | None = None
    baseline_bytes: int | None = None  # peak resident memory of a child that only imported the framework


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeCost:
    """A cost that is paid once per machine, not per cell. It is shown in a note below the table."""

    stack: str
    wall_s: float
    files: int
    bytes: int
    measured_at: str
    failure: Failure | None = None
