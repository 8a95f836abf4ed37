"""The one table: a row per model, a column per stack. Pure: reads results, for a terminal or as Markdown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from bakeoff.analysis import formatting
from bakeoff.analysis.results import LEAST_CPU_SHARE, CellResult, Judged, break_even_steps, by_cell
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.compile_only import CompileOnly
from bakeoff.records.trial import TIMED, OneTimeCost, Status, Trial
from bakeoff.runner.progress import seconds
from bakeoff.views.columns import Column, drawn, packed, wrapped
from bakeoff.views.explain import command

LEGEND = (
    "compile s cold (warm from disk)",
    "items/s",
    "× its framework's eager, × the best",
    "breaks · parity error",
    "MiB above the import: compile peak, steady",
    "status, steps until compiling has paid for itself against eager",
)
ON_DEVICE = "the device's own time for a step that nobody waits for, × eager's, peak of its memory"
ROOM = 12  # of a column, unless its stack's name is longer: so six main stacks stand side by side in 100 columns
AGAIN = "  again: "


@dataclass(frozen=True)
class Matrix:
    """Results by cell, and what stands beside them."""

    results: Mapping[Cell, CellResult]
    one_time_costs: Sequence[OneTimeCost] = ()

    @classmethod
    def of(
        cls, trials: Sequence[Trial], one_time_costs: Sequence[OneTimeCost] = (), judged: Mapping[Cell, Judged] | None = None
    ) -> "Matrix":
        return cls(by_cell(trials, judged), tuple(one_time_costs))

    @property
    def modes(self) -> list[Mode]:
        return list(dict.fromkeys(cell.mode for cell in self.results))

    def row(self, model: str, mode: Mode) -> dict[str, CellResult]:
        """Stack → result."""
        return {c.stack: r for c, r in self.results.items() if c.model == model and c.mode == mode}

    def lines(self, result: CellResult, room: int | None = None) -> list[str]:
        """One cell of the table, if `room` says so as narrow as can be. A cell that is not ok has a status and no speed."""
        if result.compile_only is not None and result.status is Status.COMPILED:
            return self._compiled(result.compile_only, result, room)
        if result.status is not Status.OK:
            status = [str(result.status)] if room is None else wrapped(str(result.status), room)
            return status + (self._device(result, room) if result.status is Status.UNSTEADY else [])
        breaks = "–" if result.break_count is None else str(result.break_count)
        noise = result.steadiness.noise
        return [
            formatting.compiling(result.compile_s, result.warm_compile_s, room),
            formatting.speed(result.throughput, f" ±{noise / 2:.0%}" if noise else "", room),
            self._ratios(result, room),
            f"{breaks} · {result.parity_error:.0e}",
            formatting.peaks(result.peak_bytes, room),
            *self._device(result, room),
            self._even(result, room),
        ]

    def _device(self, result: CellResult, room: int | None) -> list[str]:
        """A GPU's own time for a step, which stands whether or not the host's wanders, and the peak of its memory."""
        if result.device_step_s is None:
            return []
        told = seconds(result.device_step_s), self._over_eager_on_device(result), result.device_peak_bytes
        return [formatting.on_device(*told, room)]

    def _over_eager_on_device(self, result: CellResult | None) -> float | None:
        """The same as `over_eager` by the device's own times, which need not be steady on the host."""
        if result is None or result.device_step_s is None or result.status not in TIMED:
            return None
        row = self.row(result.cell.model, result.cell.mode).values()
        timed = [r for r in row if r.eager and r.framework == result.framework and r.status in TIMED]
        eager = next((r.device_step_s for r in timed), None)
        return None if eager is None else eager / result.device_step_s

    def _compiled(self, made: CompileOnly, result: CellResult, room: int | None) -> list[str]:
        """A cell that was compiled for a target."""
        what = result.diagnostics.compiled if result.diagnostics else None
        count = len(made.kernels) or (what.kernels if what else None)
        kernels = "? kernels" if count is None else f"{count} kernel{'s' * (count != 1)}"
        resources = f"{made.registers} reg, {made.spill_bytes} B spilt" if made.kernels else ""
        parity = f" · {made.parity.error:.0e}" if made.parity else ""
        told = [f"{made.first_call_s:.2f} s", kernels, resources, f"{result.break_count or 0}{parity}", str(result.status)]
        return told if room is None else [line for text in told for line in wrapped(text, room)]

    def notes(self) -> list[str]:
        """Below the table: why cells are not ok, what the machine paid once, and what was not equalised."""
        found = self._failures()
        for tool in self.one_time_costs:
            cost = (
                tool.failure.message if tool.failure else f"{tool.wall_s:.1f} s, {tool.bytes >> 20} MiB, on {tool.measured_at}"
            )
            found.append(f"once per machine, in no cell: {tool.stack} toolchain: {cost}")
        fair = [(c.stack, note) for c, r in self.results.items() for m in r.measurements for note in m.notes]
        for note in dict.fromkeys(note for _, note in fair):
            of = ", ".join(dict.fromkeys(stack for stack, n in fair if n == note))
            found.append(f"fairness ({of}): {note}")
        apart = [(c.stack, gap) for c, r in self.results.items() if r.compile_only for gap in r.compile_only.gaps]
        for gap in dict.fromkeys(gap for _, gap in apart):
            of = ", ".join(dict.fromkeys(stack for stack, g in apart if g == gap))
            found.append(f"compiled only ({of}): {gap}")
        told = [(cell, r.diagnostics) for cell, r in self.results.items() if r.diagnostics is not None]
        found += [f"{cell}: {text}" for cell, record in told for text in record.remarks]
        found += self._contended()
        noisy = [r for r in self.results.values() if r.status is Status.OK and r.steadiness.noise]
        if noisy:
            found.append(
                f"noisy machine: in {len(noisy)} cells step times wander, otherwise in each process, by the ± beside items/s"
            )
        unverified = sum(r.status is Status.OK and not r.steadiness.verified for r in self.results.values())
        if unverified:
            found.append(f"steady state not verified in {unverified} cells: that takes three trials; --trials 3")
        return [*found, *self.means()]

    def _contended(self) -> list[str]:
        """Cells that did not have their CPUs to themselves while timed."""
        busy = {str(cell): r.cpu_share for cell, r in self.results.items() if r.cpu_share < LEAST_CPU_SHARE}
        if not busy:
            return []
        worst = min(busy, key=lambda cell: busy[cell])
        return [f"contention: {len(busy)} cells ran for less than 90 % of the time timed; {worst} for {busy[worst]:.0%}"]

    def _failures(self) -> list[str]:
        """Why cells are not ok, cells of one reason sharing a line, and the command that runs each again."""
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
        """Geometric mean of the speed-up over the framework's eager, with how many of how many models it covers."""
        lines = []
        for mode in self.modes:
            models = list(dict.fromkeys(c.model for c in self.results if c.mode == mode))
            for stack in self.stacks(mode):
                for over, by in ((self.over_eager, ""), (self._over_eager_on_device, " by the device's own time")):
                    ratios = [s for m in models if (s := over(self.results.get(Cell(m, stack, mode)))) is not None]
                    if any(r != 1.0 for r in ratios):
                        geometric = f"×{math.exp(mean(map(math.log, ratios))):.2f} its eager{by}"
                        of = f"geometric mean of {len(ratios)} of {len(models)} models"
                        lines.append(f"{stack} {mode}: {geometric}, {of}")
        return lines

    def terminal(self, width: int) -> str:
        """As text for a terminal; stacks that do not fit beside each other go below each other."""
        out = []
        for mode in self.modes:
            out += wrapped(f"{mode}, line by line: " + "; ".join(self._legend(mode)), width)
            blocks = packed(self._columns(mode, short=False), width)
            if len(blocks) > 1:
                blocks = packed(self._columns(mode, short=True), width)
            out += [line for columns in blocks for line in ("", *drawn(columns))]
        for note in self.notes():  # a command stays a line: it is there to be copied
            out += [note] if note.startswith(AGAIN) else wrapped(note, width, "  ")
        return "".join(f"{line}\n" for line in out)

    def _legend(self, mode: Mode) -> tuple[str, ...]:
        on_gpu = any(r.device_step_s is not None for c, r in self.results.items() if c.mode == mode)
        return (*LEGEND[:-1], *((ON_DEVICE,) if on_gpu else ()), LEGEND[-1])

    def _columns(self, mode: Mode, *, short: bool) -> list[Column]:
        """The labels, and a column per stack."""
        stacks = self.stacks(mode)
        rows = self._rows(mode, stacks, short=short)
        columns = [Column("", [label for label, _ in rows])]
        return columns + [Column(name, [cells[i] for _, cells in rows]) for i, name in enumerate(stacks)]

    def markdown(self) -> str:
        """As Markdown tables."""
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
        """In the order of the run."""
        return list(dict.fromkeys(c.stack for c in self.results if c.mode == mode))

    def _rows(self, mode: Mode, stacks: Sequence[str], *, short: bool = False) -> list[tuple[list[str], list[list[str]]]]:
        """(label, cells) of each model, each a list of lines."""
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

    def _even(self, result: CellResult, room: int | None) -> str:
        """Its status, and when compiling has paid for itself."""
        eager = self.eager(result)
        if eager is None or eager is result:
            return str(result.status)
        steps = break_even_steps(result, eager)
        return formatting.even(str(result.status), None if steps is None else math.ceil(steps), room)

    def over_eager(self, result: CellResult | None) -> float | None:
        """Eager step / this stack's step; None where either has no speed."""
        eager = None if result is None or result.status is not Status.OK else self.eager(result)
        return None if result is None or eager is None else eager.step_s / result.step_s

    def eager(self, result: CellResult) -> CellResult | None:
        """The eager stack of the same framework on the same model, if it is ok."""
        row = self.row(result.cell.model, result.cell.mode).values()
        same = (r for r in row if r.framework == result.framework and r.status is Status.OK)
        return next((r for r in same if r.eager), None)


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
