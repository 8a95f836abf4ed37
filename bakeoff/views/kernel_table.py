"""How fast is a single operation, and which resources of the GPU do its kernels use? The table of test_kernels.

Speeds come from cells that ran on a device. Resources such as registers come from the assembler if the operation was compiled
for a target, and from the driver if a kernel was loaded. The table and the saved file use the same formula.
"""

from collections.abc import Sequence

from bakeoff.analysis.formatting import figure, seconds
from bakeoff.analysis.ratios import Ratios
from bakeoff.analysis.results import CellResult
from bakeoff.authoring.discovery import operation
from bakeoff.records.trial import Status
from bakeoff.views.columns import Column, across, drawn, of_rows, packed, wrapped
from bakeoff.views.matrix import short

RATES = (("moved_bytes", "bytes_per_second", 1e9), ("flops", "flops_per_second", 1e12))  # count, its rate, unit of the table
KERNEL_COLUMNS = (
    "operation",
    "stack",
    "step",
    "× eager",
    "× best",
    "device",
    "GB/s",
    "TFLOP/s",
    "kernels",
    "reg",
    "spilled B",
    "shared B",
    "occupancy",
    "status",
)
KERNEL_LEGEND = (
    "single operations; × eager, × best: speed over the framework's eager and over the fastest stack, with the 95 % interval "
    "(?: undecided); device: the GPU's own time for a step in a queue of steps, used for rates if it is known; "
    "the most registers of a thread, bytes spilled by all kernels (for loaded kernels: local memory), "
    "the most shared memory of a block, the least occupancy"
)


def rates(result: CellResult) -> dict[str, float]:
    """Bytes and flops per second of an operation, where its model counts them."""
    if not result.status.was_timed:
        return {}
    step_s, measured = result.device_step_s or result.step_s, result.measurements[0]
    return {name: count / step_s for what, name, _ in RATES if (count := getattr(measured, what))}


def resources(result: CellResult) -> dict[str, float]:
    """kernels, registers, spill_bytes, shared_bytes and occupancy, if the compiler or the driver reports them."""
    made, found = result.compile_only, result.diagnostics.compiled if result.diagnostics else None
    if made is not None and made.kernels:
        known = {"kernels": len(made.kernels), "registers": made.registers, "spill_bytes": made.spill_bytes}
        fits = [k.occupancy for k in made.kernels if k.occupancy is not None]
        return known | {"shared_bytes": made.shared_bytes} | ({"occupancy": min(fits)} if fits else {})
    if found is None:
        return {}
    counted = {} if found.kernels is None else {"kernels": found.kernels}
    names = ("registers", "spill_bytes", "shared_bytes", "occupancy")
    return counted | {name: found.figures[name] for name in names if name in found.figures}


def terminal(ratios: Ratios, width: int = 150) -> str:
    """The table as text; empty without single operations. A table that is too wide becomes several."""
    columns = _columns(ratios)
    if not columns:
        return ""
    tables = [columns] if across(columns) <= width else packed([_joined(*columns[:2]), *columns[2:]], width)
    return "\n".join(
        ["", *wrapped(KERNEL_LEGEND, width), "", *(line for t in tables for line in (*drawn(t, apart=False), "")), ""]
    )


def _joined(operation: Column, stack: Column) -> Column:
    """The columns of operation and stack as one column."""
    names = [[f"{x}, {y}"] for (x,), (y,) in zip(operation.cells, stack.cells, strict=True)]
    return Column(f"{operation.name}, {stack.name}", names)


def markdown(ratios: Ratios) -> str:
    """The table as Markdown."""
    columns = _columns(ratios)
    if not columns:
        return ""
    lines = [f"{KERNEL_LEGEND}.", "", "| " + " | ".join(c.name for c in columns) + " |", "|---" * len(columns) + "|"]
    for row in zip(*(c.cells for c in columns), strict=True):
        lines.append("| " + " | ".join(" ".join(cell) for cell in row) + " |")
    return "\n".join([*lines, ""])


def _columns(ratios: Ratios) -> list[Column]:
    """The columns that are not empty."""
    rows = [_row(name, r, ratios) for cell, r in ratios.results.items() if (name := operation(cell.model)) is not None]
    columns = of_rows(KERNEL_COLUMNS, rows) if rows else []
    return [c for c in columns if c.name in KERNEL_COLUMNS[:2] or any(lines != ["–"] for lines in c.cells)]


def _row(name: str, result: CellResult, ratios: Ratios) -> Sequence[str]:
    ok = result.status is Status.OK
    on_device = result.device_step_s if result.status.was_timed else None  # it does not depend on a steady host
    reached, used = rates(result) if ok or on_device is not None else {}, resources(result)
    speeds = [figure(reached[rate] / unit) if rate in reached else "–" for _, rate, unit in RATES]
    best = ratios.best(result.cell.model, result.cell.mode)
    over = (
        None if result.eager else ratios.over_eager(result.cell),
        None if result.cell == best else ratios.over_best(result.cell),
    )
    counts = [f"{used[n]:,.0f}" if n in used else "–" for n in ("kernels", "registers", "spill_bytes", "shared_bytes")]
    occupancy = f"{used['occupancy']:.0%}" if "occupancy" in used else "–"
    settings = result.trials[0].settings
    no_gpu = result.status is Status.UNAVAILABLE and settings.device == "cpu" and not settings.target
    step = seconds(result.step_s) if ok else "unavailable (no GPU)" if no_gpu else "–"
    device = "–" if on_device is None else seconds(on_device)
    return [
        name,
        result.cell.stack,
        step,
        *("–" if ratio is None else short(ratio) for ratio in over),
        device,
        *speeds,
        *counts,
        occupancy,
        str(result.status),
    ]
