"""How are deployment formats compared in a table? A row per model and format, as text or Markdown. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bakeoff.analysis.formatting import seconds
from bakeoff.analysis.ratios import Ratio, Ratios
from bakeoff.analysis.results import CellResult
from bakeoff.records.cell import Cell
from bakeoff.records.trial import Status, Trial
from bakeoff.tasks.export.record import Export
from bakeoff.views.columns import drawn, of_rows, wrapped
from bakeoff.views.matrix import Matrix, short

LEGEND = (
    "exported with the model's code, then loaded and run in a process without it; first output: the first step after loading; "
    "× eager: speed over the eager stack that was exported"
)
COLUMNS = ("model", "format", "export", "MiB", "load", "first output", "step", "× eager", "parity", "status")


@dataclass(frozen=True)
class Row:
    """One deployment format of one model."""

    export: Export
    result: CellResult
    ratio: Ratio | None = None  # speed over the eager stack that was exported

    @property
    def cells(self) -> list[str]:
        """The texts of the row. A wrong or failed cell has only the time of the export, an unsteady one no step time."""
        cell, made, status = self.export.cell, self.export, self.result.status
        found = [cell.model, cell.stack.removeprefix("served_")]
        exported = made.failure is None and made.export_s is not None
        found += [seconds(made.export_s or 0.0), f"{made.artifact_bytes / 2**20:.2f}"] if exported else ["–", "–"]
        loaded = self.result.measurements if status.was_timed else []
        found += [seconds(load_s(self.result)), seconds(first_output_s(self.result))] if loaded else ["–", "–"]
        settled = status is Status.OK
        found += [
            seconds(self.result.step_s) if settled else "–",
            short(self.ratio) if settled and self.ratio is not None else "–",
        ]
        return [*found, f"{self.result.parity_error:.0e}" if loaded else "–", str(status)]


def load_s(result: CellResult) -> float:
    """Seconds to load the exported program and put the batches on the device, without imports. Median over trials."""
    return median(m.build_s for m in result.measurements)


def first_output_s(result: CellResult) -> float:
    """Seconds from the loaded program to its first output. Median over trials."""
    return median(m.first_call_s for m in result.measurements)


def rows(ratios: Ratios, exports: Sequence[Export]) -> list[Row]:
    """A row per exported cell that has a result, ordered by model."""
    made = [each for each in sorted(exports, key=lambda each: each.cell) if each.cell in ratios.results]
    eager = [Cell(each.cell.model, each.exporter, each.cell.mode) for each in made]
    pairs = zip(made, eager, strict=True)
    return [Row(each, ratios.results[each.cell], ratios.between(each.cell, other)) for each, other in pairs]


def terminal(trials: Sequence[Trial], exports: Sequence[Export], width: int) -> str:
    """As text for `width` columns. The reasons of failures follow the table."""
    lines = [*wrapped(LEGEND, width), ""]
    lines += drawn(of_rows(COLUMNS, [row.cells for row in rows(Ratios.of(trials), exports)]), apart=False)
    lines.append("")
    for note in _notes(trials, exports):
        lines += wrapped(note, width, "  ")
    return "\n".join(lines) + "\n"


def markdown(trials: Sequence[Trial], exports: Sequence[Export]) -> str:
    """As a Markdown table. The reasons of failures follow it."""
    lines = [LEGEND, "", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(row.cells)} |" for row in rows(Ratios.of(trials), exports)]
    return "\n".join([*lines, "", *(f"- {note}" for note in _notes(trials, exports))]) + "\n"


def _notes(trials: Sequence[Trial], exports: Sequence[Export]) -> list[str]:
    served = {made.cell for made in exports}
    return Matrix.of([trial for trial in trials if trial.cell in served]).notes()
