"""Does the table of single operations show speeds and resources correctly? Without a GPU."""

from dataclasses import replace
from typing import Any

import pytest

from bakeoff.analysis.ratios import Ratios
from bakeoff.analysis.results import CellResult
from bakeoff.records.diagnostics import Compiled, Diagnostics
from bakeoff.records.trial import Failure, Phase, Status, Trial
from bakeoff.views import kernel_table
from bakeoff.views.matrix import Matrix
from tests.support.builders import kernel, lowered, measurement, trial

SOFTMAX = {"eager": 0.003, "inductor": 0.002, "triton": 0.001}  # seconds of a step


def ran(model: str, stack: str, step_s: float, **counts: Any) -> Trial:
    figures = {"registers": 32.0, "spill_bytes": 8.0, "shared_bytes": 1024.0, "occupancy": 0.5}
    found = Diagnostics(graphs=1, recompiles=0, compiled=Compiled(kernels=2, figures=figures))
    made = measurement([step_s] * 100, held_out_step_s=(step_s, step_s), **counts)
    return trial(made, model, stack, diagnostics=found, eager=stack.endswith("eager"))


def test_rates_are_absolute_and_ratios_are_of_rounds() -> None:
    copied = ran("kernel_copy", "torch_eager", 0.001, moved_bytes=2_000_000_000)
    cells = [ran("kernel_softmax", f"torch_{stack}", s, moved_bytes=1_800_000_000, flops=500) for stack, s in SOFTMAX.items()]
    ratios = Ratios.of([copied, *cells])
    assert kernel_table.rates(ratios.results[cells[2].cell]) == {"bytes_per_second": 1.8e12, "flops_per_second": 500e3}
    rows = [line.split() for line in kernel_table.terminal(ratios).splitlines() if line.startswith("softmax")]
    eager, inductor, triton = (row[2:] for row in rows)
    assert (eager[2], eager[3][:5]) == ("–", "×0.33")
    assert (inductor[2][:5], inductor[4][:5]) == ("×1.50", "×0.50")
    assert (triton[2][:5], triton[4]) == ("×3.00", "–")  # it is the best
    assert triton[5:] == ["1,800", "5e-07", "2", "32", "8", "1,024", "50%", "ok"]
    assert "| softmax | torch_triton | 1 ms | ×3.00 ±" in kernel_table.markdown(ratios)


@pytest.mark.parametrize(("width", "tables"), [(150, 1), (80, 2), (10, 11)])
def test_a_narrow_terminal_gets_several_tables_with_whole_names(width: int, tables: int) -> None:
    ratios = Ratios.of(
        [ran("kernel_softmax", f"torch_{s}", 0.001, moved_bytes=2**30, flops=2**20) for s in ("eager", "triton")]
    )
    lines = kernel_table.terminal(ratios, width).splitlines()
    assert len([line for line in lines if line.startswith(("operation ", "operation, "))]) == tables
    assert all(len(line) <= max(width, 50) for line in lines)
    named = [line for line in lines if line.startswith(("softmax, torch_triton", "softmax    torch_triton"))]
    assert len(named) == tables


def test_speeds_are_by_the_devices_own_time_where_it_has_one() -> None:
    mine = ran("kernel_softmax", "torch_triton", 0.002, moved_bytes=2_000_000_000, device_step_s=(0.0012, 0.001, 0.0011))
    ratios = Ratios.of([mine])
    assert kernel_table.rates(ratios.results[mine.cell])["bytes_per_second"] == pytest.approx(2e12)  # by the least
    assert "| softmax | torch_triton | 2 ms | 1 ms | 2,000 |" in kernel_table.markdown(ratios)


def test_compiled_operations_have_resources_and_no_speed() -> None:
    made = lowered((kernel(registers=40, occupancy=0.25), kernel(registers=64, spill_bytes=4, occupancy=0.75)))
    cell = replace(made.cell, model="kernel_rotary")
    results = {cell: CellResult(cell, made.trials)}
    assert kernel_table.resources(made) == {
        "kernels": 2, "registers": 64, "spill_bytes": 4, "shared_bytes": 0, "occupancy": 0.25,
    }  # fmt: skip
    text = kernel_table.terminal(Ratios(results))
    assert "GB/s" not in text
    assert "compiled (not run)" in text


def test_without_a_gpu_a_time_is_unavailable() -> None:
    failure = Failure(status=Status.UNAVAILABLE, phase=Phase.START, error="Unavailable", message="runs on cuda")
    ratios = Ratios.of([trial(None, "kernel_softmax", "torch_triton", failure=failure, diagnostics=None)])
    assert "unavailable (no GPU)" in kernel_table.terminal(ratios)
    assert kernel_table.terminal(Ratios.of([trial(measurement())])) == ""
    assert kernel_table.markdown(Ratios.of([trial(measurement())])) == ""


def test_the_devices_own_time_is_in_no_ratio() -> None:
    """A ratio has an interval from rounds, and the device's own times were measured after them."""
    ours, eager = (
        ran("mlp", "torch_triton", 0.002, device_step_s=(0.001,)),
        ran("mlp", "torch_eager", 0.004, device_step_s=(0.003,)),
    )
    matrix = Matrix.of([eager, ours])
    found = matrix.about(matrix.results[ours.cell], 128)
    assert "  the GPU's own time for a step in a queue of steps: device 1 ms" in found
    assert any(line.startswith("  × its framework's eager: ×2.000 [") for line in found)
    assert "3.00" not in matrix.terminal(128)
