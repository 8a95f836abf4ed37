"""What do all trials of one cell say together? Pure: nothing here measures, and every table reads its numbers from here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median, quantiles

from bakeoff.analysis import trust
from bakeoff.analysis.pace import Pace
from bakeoff.analysis.steady import VERIFYING_TRIALS, Steadiness, judge
from bakeoff.analysis.trust import Trust
from bakeoff.analysis.validity import cached, of_trial, out_of_turn, returned_early, stalls
from bakeoff.records.cell import Cell
from bakeoff.records.compile_only import CompileOnly
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Start, Status, Trial


@dataclass(frozen=True, slots=True)
class RecordedStatus:
    """Status and steady state of a cell as they were computed when the run was saved, so that reading need not repeat it."""

    status: Status
    reason: str
    steadiness: Steadiness


@dataclass(frozen=True)
class CellResult:
    """All trials of one cell. Numbers are medians over trials; with one trial they are that trial's."""

    cell: Cell
    trials: tuple[Trial, ...]  # cold, in order
    warm: tuple[Trial, ...] = ()  # from the disk caches that a cold trial left
    recorded: RecordedStatus | None = None  # None: computed on demand, which takes ten milliseconds a cell
    pace: Pace = field(default_factory=Pace, repr=False, compare=False)  # of the machine, in the groups of these trials

    @cached_property
    def measured(self) -> list[Trial]:
        """The trials with a measurement whose steps count: cold ones, and warm ones that were members of a group."""
        every = [*self.trials, *(trial for trial in self.warm if trial.group is not None)]
        return sorted((t for t in every if t.measurement is not None), key=lambda t: t.index)

    @cached_property
    def measurements(self) -> list[Measurement]:
        """Of these trials."""
        return [t.measurement for t in self.measured if t.measurement is not None]

    @cached_property
    def cold(self) -> list[Measurement]:
        """Of the cold trials."""
        return [t.measurement for t in self.trials if t.measurement is not None]

    @property
    def compile_only(self) -> CompileOnly | None:
        """Of the first trial, where a target was asked for."""
        return self.trials[0].compile_only if self.trials else None

    @cached_property
    def steadiness(self) -> Steadiness:
        if self.recorded is not None:
            return self.recorded.steadiness
        found = judge(self.measurements)
        if found.steady and not found.noise:
            return found
        # without what the machine did to all members of a group in the same rounds
        paced = judge([self.pace.taken_out(t, t.measurement) for t in self.measured if t.measurement is not None])
        return paced if paced.steady and (not found.steady or paced.noise < found.noise) else found

    @cached_property
    def outcome(self) -> tuple[Status, str]:
        """The status of the cell, and the reason: the first trial that is not ok decides, then all trials together."""
        if self.recorded is not None:
            return self.recorded.status, self.recorded.reason
        for trial in (*self.trials, *self.warm):
            status, reason = of_trial(trial)
            if status is not Status.OK:
                return status, f"warm start: {reason}" if trial.start is Start.WARM else reason
        if not self.trials:
            return Status.ERROR, "no trial was run"
        if self.compile_only is not None:
            how = "by Triton's interpreter" if self.compile_only.parity else "nothing was executed"
            return Status.COMPILED, f"compiled for {self.compile_only.target}; {how}"
        for measurement in self.measurements:
            evidence = returned_early(measurement, self.steadiness) or out_of_turn(measurement)
            if evidence:
                return Status.ERROR, evidence
        if not self.steadiness.steady:
            return Status.UNSTEADY, self.steadiness.reason
        for measurement in self.measurements:
            remembered = cached(measurement, self.steadiness)
            if remembered:
                return Status.ERROR, remembered
            stalled = stalls(measurement, self.steadiness)
            if stalled:
                return Status.UNSTEADY, stalled
        why = (
            "fewer than 2 trials"
            if len(self.measurements) < VERIFYING_TRIALS
            else "its trials are too short or too unlike in length"
        )
        return Status.OK, "" if self.steadiness.verified else f"steady state not verified ({why})"

    @property
    def status(self) -> Status:
        return self.outcome[0]

    @property
    def reason(self) -> str:
        return self.outcome[1]

    @property
    def framework(self) -> str:
        return self.trials[0].framework

    @property
    def eager(self) -> bool:
        """Is this its framework's baseline?"""
        return self.trials[0].eager

    @cached_property
    def steady_step_s(self) -> list[float]:
        """Steady samples of all trials, in their order."""
        return [s for m in self.measurements for s in self.steadiness.samples(m)]

    @cached_property
    def step_s(self) -> float:
        """Median over trials of each trial's median steady step."""
        return median(median(self.steadiness.samples(m)) for m in self.measurements)

    @property
    def device_step_s(self) -> float | None:
        """The device's own time for a step, the least of all samples: whatever else uses it only ever adds. None on a host."""
        return min((s for m in self.measurements for s in m.device_step_s), default=None)

    @property
    def device_peak_bytes(self) -> int | None:
        """Of the device's allocator, the largest of all trials; None where there is none."""
        return max((m.memory.device_peak_bytes for m in self.measurements if m.memory.device_peak_bytes), default=None)

    @property
    def value_s(self) -> float:
        """Median over trials of each trial's 10th percentile: what comparisons use, since contention only adds time."""
        return median(tenth_percentile(self.steadiness.samples(m)) for m in self.measurements)

    @property
    def throughput(self) -> float:
        """Items per second."""
        return self.measurements[0].items_per_step / self.step_s

    @cached_property
    def compiles_s(self) -> list[float]:
        """Cold compile times, of those that had their CPUs to themselves; of all where none had."""
        return [m.compile_s for m in self.cold if not m.compiled_at_once] or [m.compile_s for m in self.cold]

    @cached_property
    def compile_s(self) -> float:
        """Cold: from caches of its own that are empty."""
        return median(self.compiles_s)

    @property
    def warm_compile_s(self) -> float | None:
        """From the disk caches that the cold trial left; None where the stack has none."""
        warm = [t.measurement.compile_s for t in self.warm if t.measurement is not None]
        return median(warm) if warm else None

    @property
    def parity_error(self) -> float:
        """The worst of all checks of all trials."""
        return max(m.parity.error for m in self.measurements if m.parity is not None)

    def above_import(self, field: str) -> list[int]:
        """A field of Memory, per trial, above a child that only imported the framework; empty without that baseline."""
        baseline = self.trials[0].baseline_bytes
        counted = self.cold if field == "compile_peak_bytes" else self.measurements
        return [] if baseline is None else [max(0, getattr(m.memory, field) - baseline) for m in counted]

    @cached_property
    def trust(self) -> Trust:
        """How far these numbers can be trusted: read by every view and every verdict."""
        return trust.of(self.trials, self.measurements, self.steadiness if self.measurements else None)

    @property
    def diagnostics(self) -> Diagnostics | None:
        """Of the first cold trial, which the diagnosing child's findings are joined to."""
        return self.trials[0].diagnostics

    @property
    def break_count(self) -> int | None:
        """Breaks of every kind; None for eager, which captures nothing."""
        found = self.diagnostics
        return None if found is None or found.graphs is None else found.break_count


def by_cell(
    trials: Iterable[Trial], recorded: Mapping[Cell, RecordedStatus] | None = None, pace: Pace | None = None
) -> dict[Cell, CellResult]:
    """Trials of any order → one result per cell, in the order in which the cells first appear.

    `pace`: of a whole run, if `trials` are a part of it.
    """
    every, known = list(trials), recorded or {}
    pace = pace or Pace(every)
    cold: dict[Cell, list[Trial]] = {}
    warm: dict[Cell, list[Trial]] = {}
    for trial in every:
        if trial.control:
            continue
        cold.setdefault(trial.cell, [])
        (cold if trial.start is Start.COLD else warm).setdefault(trial.cell, []).append(trial)
    return {
        cell: CellResult(cell, tuple(found), tuple(warm.get(cell, ())), _fitting(known.get(cell), found), pace)
        for cell, found in cold.items()
    }


def _fitting(recorded: RecordedStatus | None, trials: Sequence[Trial]) -> RecordedStatus | None:
    """None where it cannot belong to these trials: the file may have been written by hand."""
    has = any(t.measurement is not None or t.compile_only is not None for t in trials)
    return recorded if recorded is not None and (has or not recorded.status.succeeded) else None


def tenth_percentile(samples: Sequence[float]) -> float:
    """Of at least one sample."""
    return quantiles(samples, n=10, method="inclusive")[0] if len(samples) > 1 else samples[0]
