"""What comparisons need of a run, cell by cell: derived once, when the run is saved, by the formulas of
bakeoff.analysis.results.

A run of 500 cells holds a million samples; its figures are a few thousand numbers.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

from bakeoff.analysis.results import CellResult, Judged, by_cell, tenth_percentile
from bakeoff.analysis.steady import Steadiness
from bakeoff.records.cell import Cell
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Environment, Settings, Status, Trial

TYPICAL = "step_typical"  # the medians beside the metric `step`: where the two disagree, the verdict is undecided
LEAST_BYTES = 8 * 2**20  # above the import: what is less is the allocators' doing, and no ratio of it means anything
LEAST_COMPILE_S = 0.1  # nobody waits for less
_NAME = re.compile(r"\w{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSummary:
    """One cell of one run. `values` holds one value per trial for each metric that has an interval."""

    cell: Cell
    status: Status
    reason: str
    framework: str
    settings: Settings
    environment: Environment | None
    trials: int
    eager: bool = False
    values: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # the metrics that have no noise
    parity: float | None = None
    block: int = 1  # successive steps that a sample of step time is the mean of
    cpu_share: float = 1.0  # of the timed wall time: less where something else ran beside it
    steady_from: int | None = None  # step after the first call; None in runs saved before this was
    verified: bool = False  # over enough trials
    noise: float = 0.0  # how far steps wander within a process, where that is the machine's doing

    def problem(self) -> str:
        """Why these figures cannot be: they may come from a file that somebody wrote. Empty if they can."""
        if not (_NAME.fullmatch(self.cell.model) and _NAME.fullmatch(self.cell.stack)):
            return "a cell's model or stack has a name that is not made of letters, digits and underscores"
        for name, values in self.values.items():
            if not all(0 <= value < 1e18 for value in values) or (name.startswith("step") and min(values, default=1.0) < 1e-12):
                return f"{name} of {self.cell} has a value that is negative, zero or beyond all bounds"
        if len(self.values.get("step", ())) != len(self.values.get(TYPICAL, ())):
            return f"step times of {self.cell} lack their medians"
        if not all(0 <= count < 2**53 for count in self.counts.values()):
            return f"{self.cell} has a count that is negative or beyond all bounds"
        if self.environment is not None and not 0 <= self.environment.memory_bytes < 2**60:
            return f"the machine of {self.cell} has a memory beyond all bounds"
        return ""


def judged(found: Iterable[CellSummary]) -> dict[Cell, Judged]:
    """What a saved run's figures spare whoever reads its trials."""
    return {
        f.cell: Judged(f.status, f.reason, Steadiness(f.status is not Status.UNSTEADY, f.steady_from, f.verified, "", f.noise))
        for f in found
        if f.steady_from is not None
    }


def of_trials(trials: Iterable[Trial]) -> list[CellSummary]:
    """The figures of each cell."""
    return [of_result(result) for result in by_cell(trials).values()]


def of_result(result: CellResult) -> CellSummary:
    """A cell that is not ok has no figures but its status and what diagnostics counted."""
    ok = result.status is Status.OK
    return CellSummary(
        cell=result.cell,
        status=result.status,
        reason=result.reason,
        framework=result.framework,
        settings=result.trials[0].settings,
        environment=next((t.environment for t in result.trials if t.environment is not None), None),
        trials=len(result.trials),
        eager=result.eager,
        values=_values(result) if ok else {},
        counts=_counts(result.diagnostics) | _resources(result),
        parity=_parity(result) if ok or result.status is Status.COMPILED else None,
        steady_from=result.steadiness.start if result.measurements else 0,
        verified=result.steadiness.verified if result.measurements else False,
        noise=result.steadiness.noise if ok else 0.0,
        cpu_share=result.cpu_share,
        block=max((m.steps_per_sample for m in result.measurements), default=1),
    )


def _resources(result: CellResult) -> dict[str, int]:
    """Of kernels that were compiled for a target and assembled."""
    made = result.compile_only
    return {"registers": made.registers, "spill_bytes": made.spill_bytes} if made and made.kernels else {}


def _parity(result: CellResult) -> float | None:
    if result.compile_only is None:
        return result.parity_error
    return result.compile_only.parity.error if result.compile_only.parity else None


def _values(result: CellResult) -> dict[str, list[float]]:
    steady = [result.steadiness.samples(m) for m in result.measurements]
    values = {
        "step": [tenth_percentile(samples) for samples in steady],
        TYPICAL: [median(samples) for samples in steady],
    }
    if not result.eager:
        warm = [t.measurement for t in result.warm if t.measurement is not None]
        values["compile_cold"] = [max(LEAST_COMPILE_S, m.first_call_cpu_s) for m in result.measurements]
        values["compile_warm"] = [max(LEAST_COMPILE_S, m.first_call_cpu_s) for m in warm]
    peaks: dict[str, Callable[[Measurement], int]] = {
        "compile_peak": lambda m: m.memory.compile_peak_bytes,
        "steady_peak": lambda m: m.memory.steady_peak_bytes,
    }
    baseline = result.trials[0].baseline_bytes
    if baseline is not None:
        for name, peak in peaks.items():
            values[name] = [float(max(LEAST_BYTES, peak(m) - baseline)) for m in result.measurements]
    return {name: found for name, found in values.items() if found}


def _counts(found: Diagnostics | None) -> dict[str, int]:
    """Only what is known: a run without diagnosis does not know its kernels. An eager stack captures nothing."""
    if found is None or found.graphs is None:
        return {}
    compiled = found.compiled
    known = {
        "breaks": found.break_count,
        "graphs": found.graphs,
        "recompiles": found.recompiles,
        "kernels": None if compiled is None else compiled.kernels,
        "library_calls": None if compiled is None else compiled.library_calls,
    }
    return {name: count for name, count in known.items() if count is not None}
