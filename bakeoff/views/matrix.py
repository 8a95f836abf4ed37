"""How do all stacks compare on all models? One table, a row per model and a column per stack, as text or Markdown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean

from bakeoff.analysis.rerun import command
from bakeoff.analysis.results import CellResult, RecordedStatus, by_cell
from bakeoff.analysis.trust import Doubt
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.neighbours import Neighbours
from bakeoff.records.trial import OneTimeCost, Status, Trial
from bakeoff.views import cell_lines
from bakeoff.views.cell_lines import MatrixRow
from bakeoff.views.columns import Column, drawn, packed, wrapped

ROOM = 12  # width of a column, unless its stack's name is longer: the six main stacks fit side by side in 100 columns
AGAIN = "  again: "


@dataclass(frozen=True)
class Matrix:
    """Results by cell, the one-time costs of the machine, and what its other CPUs do to the children's."""

    results: Mapping[Cell, CellResult]
    one_time_costs: Sequence[OneTimeCost] = ()
    neighbours: Neighbours | None = None

    @classmethod
    def of(
        cls,
        trials: Sequence[Trial],
        one_time_costs: Sequence[OneTimeCost] = (),
        recorded: Mapping[Cell, RecordedStatus] | None = None,
        neighbours: Neighbours | None = None,
    ) -> "Matrix":
        return cls(by_cell(trials, recorded), tuple(one_time_costs), neighbours)

    @property
    def modes(self) -> list[Mode]:
        return list(dict.fromkeys(cell.mode for cell in self.results))

    def row(self, model: str, mode: Mode) -> dict[str, CellResult]:
        """Stack → result."""
        return {c.stack: r for c, r in self.results.items() if c.model == model and c.mode == mode}

    def compared(self, result: CellResult) -> MatrixRow:
        """The results that this one is compared with, and itself."""
        return self._compared[result.cell.model, result.cell.mode]

    @cached_property
    def _compared(self) -> dict[tuple[str, Mode], MatrixRow]:
        found: dict[tuple[str, Mode], list[CellResult]] = {}
        for cell, result in self.results.items():
            found.setdefault((cell.model, cell.mode), []).append(result)
        return {row: MatrixRow(results) for row, results in found.items()}

    def lines(self, result: CellResult, room: int | None = None) -> list[str]:
        """The lines of a cell, at most `room` wide if given."""
        return cell_lines.lines(self.compared(result), result, room)

    def notes(self) -> list[str]:
        """The notes below the table: failures, and those of `notes_on_successes`."""
        return [*self._notes_on_failures(), *self.notes_on_successes()]

    def notes_on_successes(self) -> list[str]:
        """One-time costs, CPUs that share a core, unequal conditions of stacks, diagnoses, and doubts about the numbers."""
        found = []
        for tool in self.one_time_costs:
            cost = (
                tool.failure.message if tool.failure else f"{tool.wall_s:.1f} s, {tool.bytes >> 20} MiB, on {tool.measured_at}"
            )
            found.append(f"one-time cost of this machine, not part of any cell: {tool.stack}: {cost}")
        found += self.neighbours.notes() if self.neighbours is not None else []
        fair = [(c.stack, note) for c, r in self.results.items() for m in r.measurements for note in m.notes]
        for note in dict.fromkeys(note for _, note in fair):
            of = ", ".join(dict.fromkeys(stack for stack, n in fair if n == note))
            found.append(f"fairness ({of}): {note}")
        gaps = [(c.stack, gap) for c, r in self.results.items() if r.compile_only for gap in r.compile_only.gaps]
        for gap in dict.fromkeys(gap for _, gap in gaps):
            of = ", ".join(dict.fromkeys(stack for stack, g in gaps if g == gap))
            found.append(f"compile-only ({of}): {gap}")
        diagnosed = [(cell, r.diagnostics) for cell, r in self.results.items() if r.diagnostics is not None]
        found += [f"{cell}: {text}" for cell, record in diagnosed for text in record.remarks]
        return [*found, *self._doubts(), *self.means()]

    def _doubts(self) -> list[str]:
        """How far the numbers can be trusted: a note per kind of doubt."""
        doubted = {d: [r for r in self.results.values() if r.trust.says(d)] for d in Doubt}
        found = []
        if busy := doubted[Doubt.CONTENTION]:
            worst = min(busy, key=lambda r: r.trust.cpu_share)
            had = f"had a CPU for too small a share of the timed steps, {worst.cell} for {worst.trust.cpu_share:.0%}"
            found.append(f"contention: {len(busy)} cells {had}; no comparison of their speeds is decided")
        if noisy := [r for r in doubted[Doubt.NOISE] if r.status is Status.OK]:
            found.append(f"noise: in {len(noisy)} cells step times differ between processes, by the ± shown with items/s")
        if unverified := [r for r in doubted[Doubt.UNVERIFIED] if r.status is Status.OK]:
            found.append(f"steady state not verified in {len(unverified)} cells: that needs three trials, --trials 3")
        return found

    def failures(self) -> dict[str, list[CellResult]]:
        """Status and reason in one line → the cells that failed so."""
        reasons: dict[str, list[CellResult]] = {}
        for result in self.results.values():
            if not result.status.succeeded:
                reasons.setdefault(f"{result.status}: {_first_line(result.reason)}", []).append(result)
        return reasons

    def _notes_on_failures(self) -> list[str]:
        """Why cells are not ok, in one line for all cells with the same reason, and the command that runs each again."""
        lines = []
        for why, found in self.failures().items():
            lines.append(f"{found[0].cell}{f' and {len(found) - 1} more' * (len(found) > 1)}: {why}")
            if found[0].status is not Status.UNAVAILABLE:
                lines += [f"{AGAIN}{command(r.cell, r.trials[0].settings)}" for r in found]
        return lines

    def means(self) -> list[str]:
        """The geometric mean of each stack's speed-up over its framework's eager stack, and the number of models in it."""
        lines = []
        for mode in self.modes:
            models = list(dict.fromkeys(c.model for c in self.results if c.mode == mode))
            for stack in self.stacks(mode):
                for over, by in ((self.over_eager, ""), (self._over_eager_on_device, " by the GPU's own time")):
                    ratios = [s for m in models if (s := over(self.results.get(Cell(m, stack, mode)))) is not None]
                    if any(r != 1.0 for r in ratios):
                        geometric = f"×{math.exp(mean(map(math.log, ratios))):.2f} its eager{by}"
                        of = f"geometric mean of {len(ratios)} of {len(models)} models"
                        lines.append(f"{stack} {mode}: {geometric}, {of}")
        return lines

    def terminal(self, width: int) -> str:
        """The table as text. Stacks that do not fit into `width` follow in further tables below."""
        out = []
        for mode in self.modes:
            out += wrapped(f"{mode}, line by line: " + "; ".join(self.legend(mode)), width)
            blocks = packed(self._columns(mode, short=False), width)
            if len(blocks) > 1:
                blocks = packed(self._columns(mode, short=True), width)
            out += [line for columns in blocks for line in ("", *drawn(columns))]
        for note in self.notes():  # a command stays on one line, so that it can be copied
            out += [note] if note.startswith(AGAIN) else wrapped(note, width, "  ")
        return "".join(f"{line}\n" for line in out)

    def legend(self, mode: Mode) -> list[str]:
        """The meaning of each line of a cell."""
        return cell_lines.legend(row for (_, of), row in self._compared.items() if of == mode)

    def _columns(self, mode: Mode, *, short: bool) -> list[Column]:
        """The column of labels, and a column per stack."""
        stacks = self.stacks(mode)
        rows = self._rows(mode, stacks, short=short)
        columns = [Column("", [label for label, _ in rows])]
        return columns + [Column(name, [cells[i] for _, cells in rows]) for i, name in enumerate(stacks)]

    def markdown(self) -> str:
        """The table as Markdown."""
        out = []
        for mode in self.modes:
            stacks = self.stacks(mode)
            out += [f"**{mode}**, line by line: " + "; ".join(self.legend(mode)), "", "| | " + " | ".join(stacks) + " |"]
            out.append("|---" * (len(stacks) + 1) + "|")
            for label, cells in self._rows(mode, stacks):
                out.append("| " + " | ".join("<br>".join(lines) for lines in (label, *cells)) + " |")
            out.append("")
        return "\n".join([*out, *(f"- {note}" for note in self.notes())]) + "\n"

    def stacks(self, mode: Mode) -> list[str]:
        """The stacks of a mode, in the order of the run."""
        return list(dict.fromkeys(c.stack for c in self.results if c.mode == mode))

    def _rows(self, mode: Mode, stacks: Sequence[str], *, short: bool = False) -> list[tuple[list[str], list[list[str]]]]:
        """(label, cells) of each model; each label and each cell is a list of lines."""
        rows = []
        for model in dict.fromkeys(c.model for c in self.results if c.mode == mode):
            row = self.row(model, mode)
            item = next((m.item for r in row.values() for m in r.measurements), "")
            rooms = {s: max(ROOM, len(s)) if short else None for s in stacks}
            rows.append(([model, item], [self.lines(row[s], rooms[s]) if s in row else [] for s in stacks]))
        return rows

    def over_eager(self, result: CellResult | None) -> float | None:
        """Step time of the framework's eager stack / step time of this stack; None if either has no speed."""
        return None if result is None else self.compared(result).over_eager(result)

    def eager(self, result: CellResult) -> CellResult | None:
        """The result of the same framework's eager stack on the same model, if its status is ok."""
        return self.compared(result).eager(result)

    def _over_eager_on_device(self, result: CellResult | None) -> float | None:
        return None if result is None else self.compared(result).over_eager_on_device(result)


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
