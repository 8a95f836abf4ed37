"""Builds records as a child would write them; a test overrides single fields."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import msgspec

from bakeoff.analysis import summary
from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.compile_only import CompileOnly, Kernel
from bakeoff.records.diagnostics import CompilePhase, Diagnostics, GraphBreak, Kind
from bakeoff.records.measurement import (
    Caches,
    Check,
    Contention,
    Measurement,
    Memory,
    OutOfTurn,
    Parity,
    Slice,
    SyncCheck,
    Threads,
)
from bakeoff.records.trial import Environment, Failure, Phase, Settings, Start, Status, Trial
from bakeoff.runner.task import Roofline
from bakeoff.tasks.machine_peak.record import MachinePeak

ENVIRONMENT = Environment(python="3.11", platform="Linux", cpu="a processor", cores=2, memory_bytes=2**34, device="cpu")
SETTINGS = Settings(size="small", batch_size=None, device="cpu", threads=1, timeout_s=300.0)


def measurement(step_s: Sequence[float] = (0.001,) * 100, **changes: Any) -> Measurement:
    """An honest one, of a member of a group: its samples are those of up to ten slices."""
    ends = [len(step_s) * n // 10 for n in range(11)]
    slices = [Slice(samples=last - first, cpu_s=0.1, wait_s=0.0) for first, last in pairwise(ends) if last > first]
    base = Measurement(
        import_s=1.0,
        build_s=0.1,
        first_call_s=0.5,
        first_call_cpu_s=0.5,
        warmup_s=(0.001,) * 20,
        step_s=tuple(step_s),
        steps_per_sample=1,
        held_out_step_s=(0.001, 0.001),
        items_per_step=4,
        item="samples",
        compilations_before=1,
        compilations_after=1,
        compilations_held_out=1,
        memory=Memory(
            built_bytes=2**20,
            compile_peak_bytes=3 * 2**20,
            steady_peak_bytes=2 * 2**20,
            timed_bytes=(2**20,) * 9,
            weights_bytes=1000,
        ),
        parity=Parity(tolerance=1e-5, checks=(Check(batch=0, when="timed", error=1e-7),)),
        sync_check=SyncCheck(fetch_s=1e-6, copy_s=1e-6),
        contention=Contention(wall_s=1.0, cpu_s=1.0, involuntary_switches=0, load_1min=0.0, pressure_s=None),
        threads=Threads(requested=1, affinity=1),
        caches=Caches(found_files=0, found_bytes=0, left_files=0, left_bytes=0),
        slices=tuple(slices),
        out_of_turn=OutOfTurn(wall_s=1.0, cpu_s=0.001),
        alternated=True,
    )
    return replace(base, **changes)


def trial(found: Measurement | None, model: str = "toy", stack: str = "compiler", **changes: Any) -> Trial:
    """A cold one, of the group with the number of its index."""
    base = Trial(
        cell=Cell(model, stack, Mode.INFERENCE),
        index=0,
        group=str(changes.get("index", 0)),
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
    made = CompileOnly(
        target=target, import_s=1.0, build_s=1.0, first_call_s=2.0, first_call_cpu_s=2.0, kernels=kernels, parity=parity
    )
    (result,) = by_cell([trial(None, compile_only=made, settings=replace(trial(None).settings, target=target))]).values()
    return result


def kernel(**changes: object) -> Kernel:
    base = Kernel(name="k", configurations=2, warps=4, registers=32, spill_bytes=0, shared_bytes=0, code_bytes=1000)
    return replace(base, **changes)  # type: ignore[arg-type]


# a saved run for reports: models × stacks with speeds, phases and one refusal
STACKS = {"tf_eager": 1.0, "tf_function": 0.5, "torch_eager": 0.6, "torch_inductor": 0.3, "torch_script": 0.55}
ROOFLINE = Roofline(threads=1, flops_per_s=50e9, bytes_per_s=10e9)
MACHINE_PEAK = MachinePeak(threads=1, measured_at="2026-01-01T00:00:00+00:00", flops_per_s=50e9, bytes_per_s=10e9)


def steps(level: float, seed: int, count: int = 300) -> list[float]:
    rng = random.Random(seed)
    return [level * rng.uniform(0.99, 1.01) for _ in range(count)]


def cell(model: str, stack: str, level: float, seed: int = 0, count: int = 300, **changes: Any) -> Trial:
    """A cell whose first call takes 50 steps in eager, and 5,000 where something compiles."""
    eager = stack.endswith("_eager")
    samples = steps(level, seed, count)
    made: Measurement = measurement(
        samples,
        warmup_s=tuple(steps(level * 2, seed + 1, 20)),
        first_call_s=level * (50 if eager else 5000),
        flops=2_000_000,
        moved_bytes=100_000,
        held_out_step_s=(level, level),
    )
    phases = (
        ()
        if eager
        else (CompilePhase(name="tracing", seconds=level * 1000), CompilePhase(name="the rest", seconds=level * 4000))
    )
    found = Diagnostics(graphs=None if eager else 1, recompiles=None if eager else 0, phases=phases)
    reported = {"framework": stack.partition("_")[0], "eager": eager, "diagnostics": found, "environment": ENVIRONMENT}
    return trial(made, model, stack, **(reported | {"baseline_bytes": 0} | changes))


def broken(model: str, stack: str, reason: str) -> Trial:
    failure = Failure(status=Status.UNSUPPORTED, phase=Phase.COMPILE, error="Unsupported", message=reason)
    seen = GraphBreak(kind=Kind.TRACE_ERROR, reason=reason, where="models/branchy.py:75", hint="leave the graph alone")
    diagnostics = Diagnostics(graphs=0, breaks=(seen,), phases=())
    return trial(
        None, model, stack, failure=failure, diagnostics=diagnostics, framework=stack.partition("_")[0], environment=ENVIRONMENT
    )


def matrix(models: int = 2, factor: float = 1.0, reason: str = "tracing stops at models/branchy.py:75") -> list[Trial]:
    found = [
        cell(f"m{i}", stack, factor * share * 1e-3, seed=i * 10 + j)
        for i, (j, (stack, share)) in product(range(models), enumerate(STACKS.items()))
    ]
    return [*found, cell("branchy", "tf_eager", 1e-3), broken("branchy", "tf_function", reason)]


def save(folder: Path, number: int, trials: list[Trial], **changes: Any) -> Path:
    """As the plugin writes it."""
    home = folder / "saved" / "Linux-CPython-3.11-64bit"
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{number:04}_run.json"
    document = {
        "benchmarks": [],
        "datetime": f"2026-01-01T{number // 60:02}:{number % 60:02}:00+00:00",
        "commit_info": {"id": f"{number:040x}", "dirty": False, "branch": "main"},
        "command": "pytest experiments --benchmark-autosave",
        "trials": trials,
        "summaries": summary.of_trials(trials),
        "schema_version": 2,
        "tasks": {"machine_peak": [MACHINE_PEAK]},
    }
    path.write_bytes(msgspec.json.encode({**document, **changes}))
    return path


BREAK = GraphBreak(kind=Kind.GRAPH_BREAK, reason="print", where="models/branchy.py:51", code="GB0059", hint="do not")

CELL = Cell("toy", "compiler", Mode.INFERENCE)

HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked=1'>",
    "\u202eevil",
    "{{ 7*7 }}",
    '"><b>',
]
