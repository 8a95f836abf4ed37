"""How fast is a single operation, and which resources of the GPU do its kernels use? The table of test_kernels.

Speeds come from cells that ran on a device. Resources such as registers come from the assembler if the operation was compiled
for a target, and from the driver if a kernel was loaded. The table and the saved file use the same formula.
"""

from collections.abc import Mapping, Sequence

from bakeoff.analysis.formatting import figure, seconds
from bakeoff.analysis.results import CellResult
from bakeoff.authoring.discovery import operation
from bakeoff.records.cell import Cell
from bakeoff.records.trial import Status
from bakeoff.views.columns import Column, across, drawn, of_rows, packed, wrapped

PEAK_MODELS = (("moved_bytes", "bytes_per_second", "kernel_copy"), ("flops", "flops_per_second", "kernel_matmul"))
KERNEL_COLUMNS = (
    "operation",
    "stack",
    "step",
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
    "single operations; device: the GPU's own time for a step in a queue of steps, used for speeds if it is known; "
    "in brackets the share of the speed of the framework's eager copy and matrix product in this run; "
    "the most registers of a thread, bytes spilled by all kernels (for loaded kernels: local memory), "
    "the most shared memory of a block, the least occupancy"
)


def shares(result: CellResult, results: Mapping[Cell, CellResult]) -> dict[str, float]:
    """Bytes/s and flops/s of an operation, and their shares of its framework's eager copy and matrix product."""
    found = {}
    for what, name, peak in PEAK_MODELS:
        own, reference = _reached(result, what), _reached(_eager(peak, result, results), what)
        if own is not None:
            found[name] = own
            if reference is not None:
                found[f"{name}_of_{peak}"] = own / reference
    return found


def _eager(model: str, result: CellResult, results: Mapping[Cell, CellResult]) -> CellResult | None:
    """The result of another model on the eager stack of the same framework, in the same mode."""
    same = (r for c, r in results.items() if (c.model, c.mode) == (model, result.cell.mode) and r.framework == result.framework)
    return next((r for r in same if r.eager), None)


def _reached(result: CellResult | None, what: str) -> float | None:
    if result is None or not result.status.was_timed:
        return None
    count = getattr(result.measurements[0], what)
    return count / (result.device_step_s or result.step_s) if count else None


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


def terminal(results: Mapping[Cell, CellResult], width: int = 150) -> str:
    """The table as text; empty without single operations. A table that is too wide becomes several."""
    columns = _columns(results)
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


def markdown(results: Mapping[Cell, CellResult]) -> str:
    """The table as Markdown."""
    columns = _columns(results)
    if not columns:
        return ""
    lines = [f"{KERNEL_LEGEND}.", "", "| " + " | ".join(c.name for c in columns) + " |", "|---" * len(columns) + "|"]
    for row in zip(*(c.cells for c in columns), strict=True):
        lines.append("| " + " | ".join(" ".join(cell) for cell in row) + " |")
    return "\n".join([*lines, ""])


def _columns(results: Mapping[Cell, CellResult]) -> list[Column]:
    """The columns that are not empty."""
    rows = [_row(name, r, results) for cell, r in results.items() if (name := operation(cell.model)) is not None]
    columns = of_rows(KERNEL_COLUMNS, rows) if rows else []
    return [c for c in columns if c.name in KERNEL_COLUMNS[:2] or any(lines != ["–"] for lines in c.cells)]


def _row(name: str, result: CellResult, results: Mapping[Cell, CellResult]) -> Sequence[str]:
    ok = result.status is Status.OK
    on_device = result.device_step_s if result.status.was_timed else None  # it does not depend on a steady host
    reached, used = shares(result, results) if ok or on_device is not None else {}, resources(result)
    speeds = [_speed(reached, rate, peak, unit) for (_, rate, peak), unit in zip(PEAK_MODELS, (1e9, 1e12), strict=True)]
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
        device,
        *speeds,
        *counts,
        occupancy,
        str(result.status),
    ]


def _speed(reached: Mapping[str, float], name: str, peak: str, unit: float) -> str:
    if name not in reached:
        return "–"
    share, value = reached.get(f"{name}_of_{peak}"), reached[name] / unit
    return figure(value) + ("" if share is None else f" ({share:.0%})")
