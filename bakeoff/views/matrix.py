"""How do all stacks compare on all models? One table, a row per model and a column per stack, as text or Markdown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from bakeoff.analysis import formatting
from bakeoff.analysis.formatting import seconds
from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.rerun import command
from bakeoff.analysis.results import CellResult, RecordedStatus, break_even_steps, by_cell, comparable_speeds
from bakeoff.analysis.trust import Doubt
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.compile_only import CompileOnly
from bakeoff.records.trial import TIMED, OneTimeCost, Status, Trial
from bakeoff.views.columns import Column, drawn, packed, wrapped

CELL_LINES = (  # the meaning of each line of a cell
    "compile s cold (warm from disk)",
    "items/s",
    "× its framework's eager, × the best",
    "breaks · parity error",
    "MiB above the import: compile peak, steady",
    "status, break-even against eager in steps",
)
ON_DEVICE = "the GPU's own time for a step in a queue of steps, × eager's, peak of its memory"
ROOM = 12  # width of a column, unless its stack's name is longer: the six main stacks fit side by side in 100 columns
AGAIN = "  again: "


@dataclass(frozen=True)
class Matrix:
    """Results by cell, and the one-time costs of the machine."""

    results: Mapping[Cell, CellResult]
    one_time_costs: Sequence[OneTimeCost] = ()

    @classmethod
    def of(
        cls,
        trials: Sequence[Trial],
        one_time_costs: Sequence[OneTimeCost] = (),
        recorded: Mapping[Cell, RecordedStatus] | None = None,
    ) -> "Matrix":
        return cls(by_cell(trials, recorded), tuple(one_time_costs))

    @property
    def modes(self) -> list[Mode]:
        return list(dict.fromkeys(cell.mode for cell in self.results))

    def row(self, model: str, mode: Mode) -> dict[str, CellResult]:
        """Stack → result."""
        return {c.stack: r for c, r in self.results.items() if c.model == model and c.mode == mode}

    def lines(self, result: CellResult, room: int | None = None) -> list[str]:
        """The lines of a cell, at most `room` wide if given. A cell whose status is not ok has no speed."""
        if result.compile_only is not None and result.status is Status.COMPILED:
            return self._compiled(result.compile_only, result, room)
        if result.status is not Status.OK:
            status = [str(result.status)] if room is None else wrapped(str(result.status), room)
            return status + (self._device(result, room) if result.status is Status.UNSTEADY else [])
        breaks = "–" if result.break_count is None else str(result.break_count)
        noise = result.trust.noise
        return [
            formatting.compiling(result.compile_s, result.warm_compile_s, room),
            formatting.speed(result.throughput, f" ±{noise / 2:.0%}" if noise else "", room),
            self._ratios(result, room),
            f"{breaks} · {result.parity_error:.0e}",
            formatting.peaks(_peaks(result), room),
            *self._device(result, room),
            self._break_even(result, room),
        ]

    def _device(self, result: CellResult, room: int | None) -> list[str]:
        """The GPU's own time for a step, which does not depend on a steady host, and its peak memory."""
        if result.device_step_s is None:
            return []
        ratio = self._over_eager_on_device(result)
        return [formatting.on_device(seconds(result.device_step_s), ratio, result.device_peak_bytes, room)]

    def _over_eager_on_device(self, result: CellResult | None) -> float | None:
        """As over_eager, from the device's own times, which do not depend on a steady host."""
        if result is None or result.device_step_s is None or result.status not in TIMED:
            return None
        row = self.row(result.cell.model, result.cell.mode).values()
        timed = [r for r in row if r.eager and r.framework == result.framework and r.status in TIMED]
        eager = next((r.device_step_s for r in timed), None)
        return None if eager is None else eager / result.device_step_s

    def _compiled(self, made: CompileOnly, result: CellResult, room: int | None) -> list[str]:
        """The lines of a cell that was compiled for a target."""
        what = result.diagnostics.compiled if result.diagnostics else None
        count = len(made.kernels) or (what.kernels if what else None)
        kernels = "? kernels" if count is None else f"{count} kernel{'s' * (count != 1)}"
        resources = f"{made.registers} reg, {made.spill_bytes} B spilled" if made.kernels else ""
        parity = f" · {made.parity.error:.0e}" if made.parity else ""
        lines = [f"{made.first_call_s:.2f} s", kernels, resources, f"{result.break_count or 0}{parity}", str(result.status)]
        return lines if room is None else [part for line in lines for part in wrapped(line, room)]

    def notes(self) -> list[str]:
        """The notes below the table: failures, one-time costs, unequal conditions of stacks, and doubts about the numbers."""
        found = self._failures()
        for tool in self.one_time_costs:
            cost = (
                tool.failure.message if tool.failure else f"{tool.wall_s:.1f} s, {tool.bytes >> 20} MiB, on {tool.measured_at}"
            )
            found.append(f"one-time cost of this machine, not part of any cell: {tool.stack}: {cost}")
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

    def _failures(self) -> list[str]:
        """Why cells are not ok, in one line for all cells with the same reason, and the command that runs each again."""
        reasons: dict[str, list[CellResult]] = {}
        for result in self.results.values():
            if result.status not in (Status.OK, Status.COMPILED):
                reasons.setdefault(f"{result.status}: {_first_line(result.reason)}", []).append(result)
        lines = []
        for why, found in reasons.items():
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
            out += wrapped(f"{mode}, line by line: " + "; ".join(self._legend(mode)), width)
            blocks = packed(self._columns(mode, short=False), width)
            if len(blocks) > 1:
                blocks = packed(self._columns(mode, short=True), width)
            out += [line for columns in blocks for line in ("", *drawn(columns))]
        for note in self.notes():  # a command stays on one line, so that it can be copied
            out += [note] if note.startswith(AGAIN) else wrapped(note, width, "  ")
        return "".join(f"{line}\n" for line in out)

    def _legend(self, mode: Mode) -> tuple[str, ...]:
        on_gpu = any(r.device_step_s is not None for c, r in self.results.items() if c.mode == mode)
        return (*CELL_LINES[:-1], *((ON_DEVICE,) if on_gpu else ()), CELL_LINES[-1])

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
            out += [f"**{mode}**, line by line: " + "; ".join(self._legend(mode)), "", "| | " + " | ".join(stacks) + " |"]
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

    def _ratios(self, result: CellResult, room: int | None) -> str:
        row = self.row(result.cell.model, result.cell.mode).values()
        best = min(r.step_s for r in row if r.status is Status.OK)
        return formatting.ratios(self.over_eager(result), best / result.step_s, room)

    def _break_even(self, result: CellResult, room: int | None) -> str:
        """The cell's status, and the number of steps after which compiling has paid off."""
        eager = self.eager(result)
        if eager is None or eager is result:
            return str(result.status)
        steps = break_even_steps(result, eager)
        undecided = not comparable_speeds(result, eager)
        return formatting.break_even(str(result.status), None if steps is None else math.ceil(steps), room, undecided=undecided)

    def over_eager(self, result: CellResult | None) -> float | None:
        """Step time of the framework's eager stack / step time of this stack; None if either has no speed."""
        eager = None if result is None or result.status is not Status.OK else self.eager(result)
        return None if result is None or eager is None else eager.step_s / result.step_s

    def eager(self, result: CellResult) -> CellResult | None:
        """The result of the same framework's eager stack on the same model, if its status is ok."""
        row = self.row(result.cell.model, result.cell.mode).values()
        same = (r for r in row if r.framework == result.framework and r.status is Status.OK)
        return next((r for r in same if r.eager), None)


def _peaks(result: CellResult) -> tuple[float, float] | None:
    compiling, steady = (METRICS[name].value(result) for name in ("compile_peak", "steady_peak"))
    return None if compiling is None or steady is None else (compiling, steady)


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
