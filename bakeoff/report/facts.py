"""What does the report show of each cell? The numbers of bakeoff.analysis and of the matrix, rounded for a page. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from bakeoff.analysis.cost import break_even, compiling
from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.ratios import Ratio
from bakeoff.analysis.rerun import command
from bakeoff.analysis.results import CellResult
from bakeoff.records.cell import Mode
from bakeoff.records.diagnostics import GraphBreak
from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Status
from bakeoff.runner.task import Roofline
from bakeoff.views.explain import compiled_counts, source_lines
from bakeoff.views.matrix import Matrix

CURVE_STEPS = 200  # of the warm-up that are drawn
MOST_CURVES = 3  # trials of a cell whose curves are drawn,
FEW_CELLS = 150  # and only one trial in a report of more cells
MOST_BREAKS = 12  # of a cell, shown with their source lines
SPREAD = (5, 25, 50, 75, 95)  # percentiles of a trial's steady steps
CACHED_BYTES = 64 * 2**20  # a step that moves less may stay in a cache, where the peak of memory does not apply
FORWARD, BACKWARD = 1, 2  # flops in units of a forward pass, by convention (Kaplan et al. 2020, arXiv:2001.08361)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFacts:
    """One cell on the page, and a row of its downloads. Seconds, bytes and shares are plain numbers; None where unknown."""

    cell: str
    model: str
    stack: str
    mode: str
    framework: str
    eager: bool
    workers: int | None  # that share each batch, of a data-parallel stack
    status: str
    reason: str
    trials: int
    command: str  # that runs it again
    item: str = "items"
    speed_can_be_compared: bool = True
    doubts: Sequence[str] = ()  # how far its numbers can be trusted, in sentences
    cpu_share: float | None = None
    step_s: float | None = None
    noise: float | None = None  # slowest window of a process over its fastest − 1, where that is the machine's doing
    verified: bool | None = None
    compile_s: float | None = None
    compile_low_s: float | None = None
    compile_high_s: float | None = None
    warm_compile_s: float | None = None
    over_eager: float | None = None  # speed over the framework's eager stack, with bounds and a verdict
    over_eager_low: float | None = None
    over_eager_high: float | None = None
    over_eager_verdict: str = ""
    over_best: float | None = None  # speed over the fastest stack of the model and mode, with bounds
    over_best_low: float | None = None
    over_best_high: float | None = None
    fastest: bool = False  # it cannot be told apart from the fastest stack
    break_even: str = ""  # after how many steps compiling pays back, in words
    break_even_steps: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)  # those of bakeoff.analysis.metrics that are known
    flops_per_s: float | None = None
    flops_per_byte: float | None = None
    share_of_machine_peak: float | None = None  # of what the machine can reach at that intensity

    @property
    def failed(self) -> bool:
        return not Status(self.status).succeeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What the page shows of the cell that was chosen."""

    steady_from: int | None = None  # step after the first call
    curves: Sequence[dict[str, Any]] = ()  # per trial {"x": steps, "y": µs}; x left out where it is 0, 1, 2 …
    spread: Sequence[Sequence[float]] = ()  # per trial, µs at SPREAD
    phases: Sequence[tuple[str, float]] = ()
    findings: Sequence[dict[str, Any]] = ()
    more_findings: int = 0
    kernels: Sequence[tuple[str, int, int, int]] = ()  # name, registers, bytes spilled, shared bytes
    compiled: str = ""
    notes: Sequence[str] = ()
    losses: Sequence[float | None] = ()
    reference_losses: Sequence[float] = ()


def of(matrix: Matrix, roofline: Roofline | None) -> list[tuple[CellFacts, Detail]]:
    """Every cell of the matrix, whether it has a speed or not, in the order of the run."""
    curves = MOST_CURVES if len(matrix.results) <= FEW_CELLS else 1
    return [(_facts(matrix, r, roofline), _detail(r, curves)) for r in matrix.results.values()]


def _facts(matrix: Matrix, result: CellResult, roofline: Roofline | None) -> CellFacts:
    trial, cell, trust = result.trials[0], result.cell, result.trust
    known: dict[str, Any] = {}
    if result.status is Status.OK:
        compiled, ratios = compiling(result), matrix.ratios
        paid = break_even(ratios, cell)
        known = {
            "item": result.measurements[0].item,
            "speed_can_be_compared": trust.speed_can_be_compared,
            "doubts": [f"{finding.doubt}: {finding.text}" for finding in trust.findings],
            "cpu_share": trust.cpu_share,
            "step_s": result.step_s,
            "noise": trust.noise or None,
            "verified": trust.verified,
            "compile_s": result.compile_s,
            "compile_low_s": compiled.low,
            "compile_high_s": compiled.high,
            "warm_compile_s": result.warm_compile_s,
            **({} if result.eager else _ratio("over_eager", ratios.over_eager(cell), verdict=True)),
            **_ratio("over_best", ratios.over_best(cell)),
            "fastest": cell.stack in matrix.winners(cell.model, cell.mode),
            **({} if paid is None else {"break_even": str(paid), "break_even_steps": paid.steps}),
            **_reached(result, roofline),
        }
    elif result.status is Status.COMPILED and result.compile_only is not None:
        known = {"compile_s": result.compile_only.first_call_s}
    values = {name: metric.value(result) for name, metric in METRICS.items()}
    return CellFacts(
        cell=str(cell),
        model=cell.model,
        stack=cell.stack,
        mode=cell.mode,
        framework=result.framework,
        eager=result.eager,
        workers=trial.workers,
        status=str(result.status),
        reason=result.reason,
        trials=len(result.measured) or len(result.trials),
        command=command(cell, trial.settings),
        metrics={name: _rounded(value) for name, value in values.items() if value is not None and math.isfinite(value)},
        **{name: _rounded(value) for name, value in known.items()},
    )


def _ratio(name: str, ratio: Ratio | None, *, verdict: bool = False) -> dict[str, Any]:
    """The fields of a ratio."""
    if ratio is None:
        return {}
    found: dict[str, Any] = {name: ratio.value, f"{name}_low": ratio.low, f"{name}_high": ratio.high}
    return found | ({f"{name}_verdict": str(ratio.verdict)} if verdict else {})


def _reached(result: CellResult, roofline: Roofline | None) -> dict[str, float]:
    """Flops per second, flops per byte, and the share of the machine peak, which was measured in float32 on the CPU."""
    measured, settings = result.measurements[0], result.trials[0].settings
    if not measured.flops:
        return {}
    passes = FORWARD + BACKWARD if result.cell.mode.differentiates else FORWARD
    reached = {"flops_per_s": passes * measured.flops / result.step_s}
    if not measured.moved_bytes or result.cell.mode is not Mode.INFERENCE:
        return reached
    intensity = measured.flops / measured.moved_bytes
    reached["flops_per_byte"] = intensity
    if roofline is None:
        return reached
    own = settings.device == "cpu" and settings.dtype == "float32" and settings.threads == roofline.threads
    by_memory = intensity * roofline.bytes_per_s < roofline.flops_per_s
    if own and not (by_memory and measured.moved_bytes < CACHED_BYTES):
        reached["share_of_machine_peak"] = reached["flops_per_s"] / min(roofline.flops_per_s, intensity * roofline.bytes_per_s)
    return reached


def _detail(result: CellResult, curves: int) -> Detail:
    found = result.diagnostics
    compiled = found.compiled if found is not None else None
    assembled = result.compile_only.kernels if result.compile_only is not None else ()
    counted = f"{len(assembled)} kernels assembled; " if assembled else ""
    counts = compiled_counts(compiled) if compiled is not None else {}
    measured = result.measurements
    breaks = found.breaks if found is not None else ()
    return Detail(
        steady_from=result.steadiness.start if measured else None,
        curves=[_curve(m) for m in measured[:curves]],
        spread=[_spread(result.steadiness.samples(m)) for m in measured],
        phases=[(p.name, _digits(p.seconds)) for p in found.phases if p.seconds is not None] if found is not None else [],
        findings=[_finding(b) for b in breaks[:MOST_BREAKS]],
        more_findings=max(0, len(breaks) - MOST_BREAKS),
        kernels=[(k.name, k.registers, k.spill_bytes, k.shared_bytes) for k in assembled],
        compiled=counted + ", ".join(f"{value:,.0f} {label}" for label, value in counts.items()),
        notes=list(dict.fromkeys((*(n for m in measured for n in m.notes), *(found.remarks if found is not None else ())))),
        losses=[None if x is None else _digits(x) for x in measured[0].losses] if measured else [],
        reference_losses=[_digits(x) for x in measured[0].reference_losses] if measured else [],
    )


def _curve(measured: Measurement) -> dict[str, Any]:
    """The first steps after the first call. A sample that is a mean of several steps is placed in their middle."""
    y = [_digits(s * 1e6) for s in measured.warmup_s[:CURVE_STEPS]]
    each, x = measured.steps_per_sample, list(range(len(y)))
    for index, sample in enumerate(measured.step_s):
        at = len(measured.warmup_s) + index * each + each // 2
        if at >= CURVE_STEPS:
            break
        x.append(at)
        y.append(_digits(sample * 1e6))
    return {"y": y} if x == list(range(len(y))) else {"x": x, "y": y}


def _spread(samples: Sequence[float]) -> list[float]:
    if len(samples) == 1:
        return [_digits(samples[0] * 1e6)] * len(SPREAD)
    cuts = quantiles(samples, n=100, method="inclusive")
    return [_digits(cuts[p - 1] * 1e6) for p in SPREAD]


def _finding(seen: GraphBreak) -> dict[str, Any]:
    """A break, with the source lines around it as they are now."""
    is_python = seen.where.rpartition(":")[0].endswith(".py")
    source = [(number, line[:200]) for number, line in source_lines(seen.where)] if is_python else []
    fields = {"kind": str(seen.kind), "reason": seen.reason, "where": seen.where, "count": seen.count, "hint": seen.hint}
    return fields | {"source": source}


def _rounded(value: Any) -> Any:
    return _digits(value) if isinstance(value, float) else value


def _digits(value: float, digits: int = 5) -> float:
    """Rounded to so many digits, which is all that a page can show."""
    if not math.isfinite(value) or value == 0:
        return 0.0 if value == 0 else value
    rounded = round(value, digits - 1 - math.floor(math.log10(abs(value))))
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 2**53 else rounded
