"""Records as a child would have written them, with whatever a test wants otherwise."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.cell import Cell, Mode
from harness.diagnostics import Diagnostics
from harness.lowered import Kernel, Lowering
from harness.measurement import Asynchrony, Caches, Check, Contention, Measurement, Memory, Parity, Threads
from harness.summary import CellResult, by_cell
from harness.trial import Settings, Start, Trial

SETTINGS = Settings(size="small", batch_size=None, device="cpu", threads=1, timeout_s=300.0)


def measurement(step_s: Sequence[float] = (0.001,) * 100, **changes: Any) -> Measurement:
    """An honest one."""
    base = Measurement(
        import_s=1.0,
        build_s=0.1,
        first_call_s=0.5,
        first_call_cpu_s=0.5,
        warmup_s=(0.001,) * 20,
        step_s=tuple(step_s),
        steps_per_sample=1,
        unseen_step_s=(0.001, 0.001),
        items_per_step=4,
        item="samples",
        compilations_before=1,
        compilations_after=1,
        compilations_unseen=1,
        memory=Memory(
            built_bytes=2**20,
            compile_peak_bytes=3 * 2**20,
            steady_peak_bytes=2 * 2**20,
            timed_bytes=(2**20,) * 9,
            weights_bytes=1000,
        ),
        parity=Parity(tolerance=1e-5, checks=(Check(batch=0, when="timed", error=1e-7),)),
        asynchrony=Asynchrony(fetch_s=1e-6, copy_s=1e-6),
        contention=Contention(wall_s=1.0, cpu_s=1.0, involuntary_switches=0, load_1min=0.0, pressure_s=None),
        threads=Threads(requested=1, affinity=1),
        caches=Caches(found_files=0, found_bytes=0, left_files=0, left_bytes=0),
    )
    return replace(base, **changes)


def trial(found: Measurement | None, model: str = "toy", stack: str = "compiler", **changes: Any) -> Trial:
    """A cold one."""
    base = Trial(
        cell=Cell(model, stack, Mode.INFERENCE),
        index=0,
        start=Start.COLD,
        settings=SETTINGS,
        wall_s=3.0,
        finished_at="2026-01-01T00:00:00+00:00",
        framework="numpy",
        measurement=found,
        diagnostics=Diagnostics(graphs=1, recompiles=0),
        baseline_bytes=2**20,
    )
    return replace(base, **changes)


def lowered(kernels: tuple[Kernel, ...] = (), parity: Parity | None = None, target: str = "cuda:sm_90") -> CellResult:
    made = Lowering(
        target=target, import_s=1.0, build_s=1.0, first_call_s=2.0, first_call_cpu_s=2.0, kernels=kernels, parity=parity
    )
    (result,) = by_cell([trial(None, lowering=made, settings=replace(trial(None).settings, target=target))]).values()
    return result


def kernel(**changes: object) -> Kernel:
    base = Kernel(name="k", configurations=2, warps=4, registers=32, spill_bytes=0, shared_bytes=0, code_bytes=1000)
    return replace(base, **changes)  # type: ignore[arg-type]
