"""How much faster do more workers train? A table with a row per data-parallel cell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bakeoff.analysis.formatting import figure
from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Status, Trial
from bakeoff.system.terminal import plain

SCALING_LEGEND = (
    "data-parallel training; efficiency: items/s of n workers / (n × items/s of one worker), with the same global batch; "
    "parity: the largest difference from one process with the global batch, as a share of its tolerance"
)
SCALING_COLUMNS = ("model", "stack", "workers", "items/s", "efficiency", "parity", "status")


@dataclass(frozen=True)
class Scaled:
    """A data-parallel cell, and the cell in which one worker does the same work."""

    result: CellResult
    alone: CellResult | None

    @property
    def workers(self) -> int:
        return self.result.trials[0].workers or 1

    @property
    def efficiency(self) -> float | None:
        """throughput(n) / (n × throughput(1)); None if either has no speed."""
        if self.alone is None or {self.result.status, self.alone.status} != {Status.OK}:
            return None
        return self.result.throughput / (self.workers * self.alone.throughput)


def of(result: CellResult, results: Iterable[CellResult]) -> Scaled:
    """`result` and the cell of one worker among `results`: the one whose stack name differs only in the number at its end."""
    same = (r for r in results if (r.cell.model, r.cell.mode) == (result.cell.model, result.cell.mode))
    return Scaled(result, next((r for r in same if r.trials[0].workers == 1 and _family(r) == _family(result)), None))


def _family(result: CellResult) -> str:
    return result.cell.stack.removesuffix(f"_{result.trials[0].workers}")


def rows(trials: Iterable[Trial]) -> list[Scaled]:
    """The data-parallel training cells, in the order of the run."""
    results = by_cell(trials).values()
    return [of(r, results) for r in results if r.cell.mode is Mode.TRAINING and r.trials and r.trials[0].workers is not None]


def terminal(trials: Sequence[Trial], width: int) -> str:
    """The table as text; empty without data-parallel cells."""
    from rich import box  # imported here, so that collecting tests does not need rich
    from rich.table import Table

    found = rows(trials)
    console = plain(max(width, 60))
    with console.capture() as capture:
        if found:
            console.print(SCALING_LEGEND, markup=False)
            table = Table(box=box.SIMPLE_HEAD)
            for name in SCALING_COLUMNS:
                table.add_column(name, justify="left" if name in ("model", "stack", "status") else "right")
            for row in found:
                table.add_row(*formatted(row))
            console.print(table)
    return capture.get()


def formatted(row: Scaled) -> tuple[str, ...]:
    """The texts of a row, by SCALING_COLUMNS. A cell whose status is not ok has no speed."""
    result, efficiency = row.result, row.efficiency
    speed = f"{figure(result.throughput)} {result.measurements[0].item}" if result.status is Status.OK else "–"
    off = [m.parity.worst.excess(m.parity.tolerance) for m in result.measurements if m.parity is not None and m.parity.checks]
    return (
        result.cell.model,
        result.cell.stack,
        str(row.workers),
        speed,
        "–" if efficiency is None else f"{efficiency:.2f}",
        f"{max(off):.2g}" if off else "–",
        str(result.status),
    )
