"""What did a trial measure? Raw numbers are fields; derived numbers are properties.

Standard library only: a child may run in another environment, in which the parent's libraries are not installed
(docs/decisions/0003). Definitions of all numbers: docs/methodology.md.
"""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory in bytes: of the host, resident in the child; of the device, by the framework's allocator.

    Peaks are VmHWM of /proc/self/status, reset before each phase. Where the workers of a data-parallel stack are processes,
    the numbers are those of the first worker.
    """

    built_bytes: int  # resident after model, weights and batches are built
    compile_peak_bytes: int
    steady_peak_bytes: int
    timed_bytes: tuple[int, ...]  # resident, at evenly spaced points of the timed steps
    weights_bytes: int
    device_peak_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison with the float64 eager reference.

    `error` is max |difference| / max |reference| over the outputs of one batch. In training it is the distance of one tensor
    of the state that a step leaves (bakeoff/worker/training.py), and `output` names that tensor. `error` is None for another
    shape, or for a value that is not finite, since JSON has no infinity.
    """

    batch: int
    when: str  # "timed", "held-out"; in training also "first", "curve", "float64"
    error: float | None
    output: str = "output"
    tolerance: float | None = None  # of this check; None: that of the Parity

    def excess(self, tolerance: float) -> float:
        """The error as a multiple of the check's own tolerance, or else of `tolerance`; the check holds up to 1."""
        allowed = tolerance if self.tolerance is None else self.tolerance
        if self.error is None:
            return float("inf")
        return self.error / allowed if allowed else float("inf") if self.error else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Does the compiled program compute the same function as the float64 eager reference?"""

    tolerance: float
    checks: tuple[Check, ...]

    @property
    def error(self) -> float:
        """The largest error of all checks; infinite without checks."""
        return max((float("inf") if c.error is None else c.error for c in self.checks), default=float("inf"))

    @property
    def worst(self) -> Check:
        """The check with the largest error relative to its tolerance."""
        return max(self.checks, key=lambda check: check.excess(self.tolerance))

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if check.excess(self.tolerance) > 1)

    @property
    def holds(self) -> bool:
        """Whether there is at least one check, and all hold."""
        return bool(self.checks) and not self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Contention:
    """What else ran while the steps were timed, as the kernel reports it. It is stored; no sample is dropped because of it."""

    wall_s: float
    cpu_s: float
    involuntary_switches: int
    load_1min: float
    pressure_s: float | None  # time for which some task waited for a CPU (PSI); None where the kernel does not report it


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches:
    """Files in the sandbox's cache folders. A cold trial that finds files other than those of a one-time cost is an error."""

    found_files: int
    found_bytes: int
    left_files: int  # new ones, at the end of the trial
    left_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """How many threads were requested, and how many the child used."""

    requested: int  # of a data-parallel stack, for all workers together
    affinity: int  # number of CPUs that the process may use
    reported: dict[str, int] = field(default_factory=dict)  # by name, as the framework reports them
    busy: int = 0  # threads that used more than 5 % of the timed wall time


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCheck:
    """Did the step return before its work was done? After synchronising, a fetch must take no longer than a copy."""

    fetch_s: float
    copy_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What a member of a group ran in one round. Its samples are those after the samples of the slices before it."""

    samples: int
    cpu_s: float  # CPU seconds of the process during these samples
    wait_s: float  # for which its first thread was ready to run, and had no CPU; 0 where the kernel does not report it


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfTurn:
    """What a member of a group did out of its turns: it should have done nothing."""

    wall_s: float  # between its first and its last slice, without its own slices: others were timed
    cpu_s: float  # CPU seconds that its threads and descendants used in this time
    before_wall_s: float = 0.0  # between its warm-up and its first slice: others were compiled
    before_cpu_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Raw numbers of one trial. Seconds are wall-clock seconds, measured in the child, unless the name says cpu."""

    import_s: float | None  # of the stack's file and its framework; None in a forked child, whose server has imported them
    build_s: float
    first_call_s: float
    first_call_cpu_s: float  # CPU time of this process and of the compilers that it started
    warmup_s: tuple[float, ...]  # one per warm-up step
    step_s: tuple[float, ...]  # one per sample: mean of `steps_per_sample` successive steps
    steps_per_sample: int
    held_out_step_s: tuple[float, ...]  # one per held-out batch, without waiting for a CPU (clock.without_waiting)
    items_per_step: int
    item: str  # what `items_per_step` counts, such as "samples"
    compilations_before: int  # the compile counter before the timed steps
    compilations_after: int  # after the timed steps
    compilations_held_out: int  # after the held-out batches
    memory: Memory
    parity: Parity | None
    sync_check: SyncCheck
    contention: Contention
    threads: Threads
    caches: Caches
    notes: tuple[str, ...] = ()
    flops: int | None = None  # of a forward pass, by Model.flops
    moved_bytes: int | None = None  # the least that a forward pass must read and write
    device_step_s: tuple[float, ...] = ()  # one per sample, by the device's clock, of steps queued without waiting
    slices: tuple[Slice, ...] = ()  # one per round, of a member of a group
    out_of_turn: OutOfTurn | None = None
    alternated: bool = False  # whether its timed steps took turns with those of others
    # with another member of its group, on the same CPUs: CPU seconds of compiling are comparable, wall-clock seconds are not
    compiled_at_once: bool = False
    losses: tuple[float | None, ...] = ()  # of the first training steps; None where not finite
    reference_losses: tuple[float, ...] = ()  # of the same steps in float64

    @property
    def compile_s(self) -> float:
        """first_call_s − median(step_s), at least 0; seconds. The only definition of compile time."""
        return max(0.0, self.first_call_s - median(self.step_s))

    @property
    def recompiled_while_timed(self) -> int:
        """How far the compile counter increased during the timed steps."""
        return self.compilations_after - self.compilations_before

    @property
    def compiled_for_held_out(self) -> int:
        """How far the compile counter increased during the steps on held-out batches."""
        return self.compilations_held_out - self.compilations_after
