"""What a trial measured: raw numbers are fields, anything derived is a property.

Only the standard library here: a child writes these records from an environment of its own, in which the parent's libraries
may not be installed. Definitions: docs/methodology.md.
"""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident bytes of the cell's own process (VmHWM, reset per phase); device bytes from the allocator.

    Of a data-parallel stack whose workers are processes, those of the first worker.
    """

    built_bytes: int  # resident once model, weights and batches are there
    compile_peak_bytes: int
    steady_peak_bytes: int
    timed_bytes: tuple[int, ...]  # resident at evenly spaced points of the timed steps
    weights_bytes: int
    device_peak_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One batch's outputs compared with the float64 eager reference: max |difference| / max |reference|.

    In training what a step left, as bakeoff/worker/training.py compares it: `output` names the loss or the worst
    tensor of a kind.
    None, since JSON has no infinity, for another shape or a value that is not finite where the reference is.
    """

    batch: int
    when: str  # "timed", "held-out"; in training also "first", "curve", "float64"
    error: float | None
    output: str = "output"
    tolerance: float | None = None  # its own, where not all have the same

    def excess(self, tolerance: float) -> float:
        """The error as a multiple of what it may be: at most 1 where it holds."""
        allowed = tolerance if self.tolerance is None else self.tolerance
        if self.error is None:
            return float("inf")
        return self.error / allowed if allowed else float("inf") if self.error else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Is it still the same function?"""

    tolerance: float
    checks: tuple[Check, ...]

    @property
    def error(self) -> float:
        """The largest of all; infinite without checks."""
        return max((float("inf") if c.error is None else c.error for c in self.checks), default=float("inf"))

    @property
    def worst(self) -> Check:
        """The one that is off most, for what it may be off by."""
        return max(self.checks, key=lambda check: check.excess(self.tolerance))

    @property
    def failed(self) -> tuple[Check, ...]:
        """Those that do not hold."""
        return tuple(check for check in self.checks if check.excess(self.tolerance) > 1)

    @property
    def holds(self) -> bool:
        return bool(self.checks) and not self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Contention:
    """The scheduler's own evidence of what else ran while the steps were timed: stored, never used to drop a sample."""

    wall_s: float
    cpu_s: float
    involuntary_switches: int
    load_1min: float
    pressure_s: float | None  # time for which some task waited for a CPU (PSI), if the kernel tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches:
    """The private cache folders. A cold trial finds nothing but the machine's toolchain, or it fails before it starts."""

    found_files: int
    found_bytes: int
    left_files: int  # beyond those found
    left_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """What was asked for, and what the running process says of itself."""

    requested: int  # for all workers, where the stack is data-parallel
    affinity: int  # CPUs that the process may use
    reported: dict[str, int] = field(default_factory=dict)  # by the framework's own account
    busy: int = 0  # threads that used more than 5 % of the timed wall time


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCheck:
    """Did the step return before its work was done? After synchronising, a fetch must cost no more than a copy."""

    fetch_s: float
    copy_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Raw numbers of one trial. Seconds are wall seconds of the child's one clock unless the name says cpu."""

    import_s: float
    build_s: float
    first_call_s: float
    first_call_cpu_s: float  # this process and the compilers that it started
    warmup_s: tuple[float, ...]  # one per step, kept
    step_s: tuple[float, ...]  # one per sample: mean of `steps_per_sample` successive steps
    steps_per_sample: int
    held_out_step_s: tuple[float, ...]  # the first step on batches never seen, less the wait for a CPU (clock.without_waiting)
    items_per_step: int
    item: str
    compilations_before: int
    compilations_after: int
    compilations_held_out: int  # after the unseen batches, too
    memory: Memory
    parity: Parity | None
    sync_check: SyncCheck
    contention: Contention
    threads: Threads
    caches: Caches
    notes: tuple[str, ...] = ()
    flops: int | None = None  # of a forward pass, by the model's own account
    moved_bytes: int | None = None  # that it must read and write at least
    device_step_s: tuple[float, ...] = ()  # by the device's own clock, steps queued without waiting; one per sample
    alternated: bool = False  # did its timed steps take turns with a partner's?
    compiled_at_once: bool = (
        False  # with that partner, on the same CPUs: seconds of CPU are comparable, those of the clock are not
    )
    losses: tuple[float | None, ...] = ()  # in training, of the first steps; None where not finite
    reference_losses: tuple[float, ...] = ()  # of the same steps in float64

    @property
    def compile_s(self) -> float:
        """first_call_s − median(step_s), floor 0: defined here and nowhere else."""
        return max(0.0, self.first_call_s - median(self.step_s))

    @property
    def recompiled_while_timed(self) -> int:
        return self.compilations_after - self.compilations_before

    @property
    def compiled_for_held_out(self) -> int:
        return self.compilations_held_out - self.compilations_after
