"""How much faster do more workers train? A table with a row per data-parallel cell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bakeoff.analysis.cost import Span
from bakeoff.analysis.formatting import figure
from bakeoff.analysis.ratios import Ratio, Ratios
from bakeoff.analysis.results import CellResult
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Status, Trial
from bakeoff.system.terminal import plain

SCALING_LEGEND = (
    "data-parallel training; efficiency: speed of n workers / (n × speed of one), side by side with the same global batch; "
    "parity: the largest difference from one process with the global batch, as a share of its tolerance"
)
SCALING_COLUMNS = ("model", "stack", "workers", "items/s", "efficiency", "parity", "status")


@dataclass(frozen=True)
class Scaled:
    """A data-parallel cell, and the cell in which one worker does the same work."""

    result: CellResult
    ratio: Ratio | None  # speed over the cell of one worker

    @property
    def workers(self) -> int:
        return self.result.trials[0].workers or 1

    @property
    def efficiency(self) -> Span | None:
        """Speed of n workers / (n × speed of one), with bounds; None if either has no speed."""
        if self.ratio is None:
            return None
        return Span(*(each / self.workers for each in (self.ratio.value, self.ratio.low, self.ratio.high)))


def of(result: CellResult, ratios: Ratios) -> Scaled:
    """`result`, compared with the cell of one worker: the one whose stack name differs only in the number at its end."""
    same = ratios.row(result.cell.model, result.cell.mode)
    alone = next((r.cell for r in same if r.trials[0].workers == 1 and _family(r) == _family(result)), None)
    return Scaled(result, None if alone is None else ratios.between(result.cell, alone))


def _family(result: CellResult) -> str:
    return result.cell.stack.removesuffix(f"_{result.trials[0].workers}")


def rows(trials: Iterable[Trial]) -> list[Scaled]:
    """The data-parallel training cells, in the order of the run."""
    ratios = Ratios.of(trials)
    return [
        of(r, ratios)
        for r in ratios.results.values()
        if r.cell.mode is Mode.TRAINING and r.trials and r.trials[0].workers is not None
    ]


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
        "–" if efficiency is None else f"{efficiency.value:.2f} ±{(efficiency.high - efficiency.low) / 2:.2f}",
        f"{max(off):.2g}" if off else "–",
        str(result.status),
    )
