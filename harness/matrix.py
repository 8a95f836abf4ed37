"""The one table: a row per model, a column per stack. Pure: reads results, for a terminal or as Markdown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from rich import box
from rich.console import Console
from rich.table import Table

from harness.cell import Cell, Mode
from harness.explain import command
from harness.lowered import Lowering
from harness.summary import LEAST_CPU_SHARE, CellResult, Judged, break_even_steps, by_cell
from harness.trial import Status, Toolchain, Trial

LEGEND = (
    "compile s cold (warm from disk)",
    "items/s",
    "× its framework's eager, × the best",
    "breaks · parity error",
    "MiB above the import: compile peak, steady",
    "status, steps until compiling has paid for itself against eager",
)
LABEL_WIDTH, COLUMN_WIDTH = 16, 17


@dataclass(frozen=True)
class Matrix:
    """Results by cell, and what stands beside them."""

    results: Mapping[Cell, CellResult]
    toolchains: Sequence[Toolchain] = ()

    @classmethod
    def of(
        cls, trials: Sequence[Trial], toolchains: Sequence[Toolchain] = (), judged: Mapping[Cell, Judged] | None = None
    ) -> "Matrix":
        return cls(by_cell(trials, judged), tuple(toolchains))

    @property
    def modes(self) -> list[Mode]:
        return list(dict.fromkeys(cell.mode for cell in self.results))

    def row(self, model: str, mode: Mode) -> dict[str, CellResult]:
        """Stack → result."""
        return {c.stack: r for c, r in self.results.items() if c.model == model and c.mode == mode}

    def lines(self, result: CellResult) -> list[str]:
        """One cell of the table. A cell that is not ok has a status and no speed."""
        if result.lowering is not None and result.status is Status.COMPILED:
            return self._compiled(result.lowering, result)
        if result.status is not Status.OK:
            return [str(result.status)]
        compile_s = f"{result.compile_s:.2f} s"
        if result.warm_compile_s is not None:
            compile_s += f" ({result.warm_compile_s:.2f})"
        breaks = "–" if result.break_count is None else str(result.break_count)
        peaks = "? MiB" if result.peak_bytes is None else "{}, {} MiB".format(*(peak >> 20 for peak in result.peak_bytes))
        return [
            compile_s,
            f"{figure(result.throughput)}/s{_noise(result)}",
            self._ratios(result),
            f"{breaks} · {result.parity_error:.0e}",
            peaks,
            f"{result.status}{self._break_even(result)}",
        ]

    def _compiled(self, made: Lowering, result: CellResult) -> list[str]:
        """A cell that was compiled for a target."""
        what = result.diagnostics.compiled if result.diagnostics else None
        count = len(made.kernels) or (what.kernels if what else None)
        kernels = "? kernels" if count is None else f"{count} kernel{'s' * (count != 1)}"
        resources = f"{made.registers} reg, {made.spill_bytes} B spilt" if made.kernels else ""
        parity = f" · {made.parity.error:.0e}" if made.parity else ""
        return [f"{made.first_call_s:.2f} s", kernels, resources, f"{result.break_count or 0}{parity}", str(result.status)]

    def notes(self) -> list[str]:
        """Below the table: why cells are not ok, what the machine paid once, and what was not equalised."""
        found = self._failures()
        for tool in self.toolchains:
            cost = (
                tool.failure.message if tool.failure else f"{tool.wall_s:.1f} s, {tool.bytes >> 20} MiB, on {tool.measured_at}"
            )
            found.append(f"once per machine, in no cell: {tool.stack} toolchain: {cost}")
        fair = [(c.stack, note) for c, r in self.results.items() for m in r.measurements for note in m.notes]
        for note in dict.fromkeys(note for _, note in fair):
            of = ", ".join(dict.fromkeys(stack for stack, n in fair if n == note))
            found.append(f"fairness ({of}): {note}")
        apart = [(c.stack, gap) for c, r in self.results.items() if r.lowering for gap in r.lowering.gaps]
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
                lines += [f"  again: {command(r.cell, r.trials[0].settings)}" for r in found]
        return lines

    def means(self) -> list[str]:
        """Geometric mean of the speed-up over the framework's eager, with how many of how many models it covers."""
        lines = []
        for mode in self.modes:
            models = list(dict.fromkeys(c.model for c in self.results if c.mode == mode))
            for stack in self.stacks(mode):
                ratios = [s for m in models if (s := self.over_eager(self.results.get(Cell(m, stack, mode)))) is not None]
                if ratios and any(r != 1.0 for r in ratios):
                    geometric = math.exp(mean(map(math.log, ratios)))
                    lines.append(
                        f"{stack} {mode}: ×{geometric:.2f} its eager, geometric mean of {len(ratios)} of {len(models)} models"
                    )
        return lines

    def terminal(self, width: int) -> str:
        """As text for a terminal; stacks that do not fit beside each other go below each other."""
        # a label, and as many stacks as there is room for
        console = Console(width=max(width, LABEL_WIDTH + COLUMN_WIDTH), highlight=False)
        room = (console.width - LABEL_WIDTH) // COLUMN_WIDTH
        with console.capture() as capture:
            for mode in self.modes:
                console.print(f"{mode}, line by line: " + "; ".join(LEGEND), markup=False)
                stacks = self.stacks(mode)
                for first in range(0, len(stacks), room):
                    shown = stacks[first : first + room]
                    table = Table(box=box.SIMPLE_HEAD, show_lines=True)
                    for name in ("", *shown):
                        table.add_column(name, no_wrap=True)
                    for label, cells in self._rows(mode, shown):
                        table.add_row("\n".join(label), *("\n".join(lines) for lines in cells))
                    console.print(table)
            for note in self.notes():
                console.print(note, markup=False)
        return capture.get()

    def markdown(self) -> str:
        """As Markdown tables."""
        out = []
        for mode in self.modes:
            stacks = self.stacks(mode)
            out += [f"**{mode}**, line by line: " + "; ".join(LEGEND), "", "| | " + " | ".join(stacks) + " |"]
            out.append("|---" * (len(stacks) + 1) + "|")
            for label, cells in self._rows(mode, stacks):
                out.append("| " + " | ".join("<br>".join(lines) for lines in (label, *cells)) + " |")
            out.append("")
        return "\n".join([*out, *(f"- {note}" for note in self.notes())]) + "\n"

    def stacks(self, mode: Mode) -> list[str]:
        """In the order of the run."""
        return list(dict.fromkeys(c.stack for c in self.results if c.mode == mode))

    def _rows(self, mode: Mode, stacks: Sequence[str]) -> list[tuple[list[str], list[list[str]]]]:
        """(label, cells) of each model, each a list of lines."""
        rows = []
        for model in dict.fromkeys(c.model for c in self.results if c.mode == mode):
            row = self.row(model, mode)
            item = next((m.item for r in row.values() for m in r.measurements), "")
            rows.append(([model, item], [self.lines(row[s]) if s in row else [] for s in stacks]))
        return rows

    def _ratios(self, result: CellResult) -> str:
        over_eager = self.over_eager(result)
        row = self.row(result.cell.model, result.cell.mode).values()
        best = min(r.step_s for r in row if r.status is Status.OK)
        return f"×{'?' if over_eager is None else f'{over_eager:.2f}'} ×{best / result.step_s:.2f}"

    def _break_even(self, result: CellResult) -> str:
        eager = self.eager(result)
        if eager is None or eager is result:
            return ""
        steps = break_even_steps(result, eager)
        return ", never even" if steps is None else f", even {figure(math.ceil(steps))}"

    def over_eager(self, result: CellResult | None) -> float | None:
        """Eager step / this stack's step; None where either has no speed."""
        eager = None if result is None or result.status is not Status.OK else self.eager(result)
        return None if result is None or eager is None else eager.step_s / result.step_s

    def eager(self, result: CellResult) -> CellResult | None:
        """The eager stack of the same framework on the same model, if it is ok."""
        row = self.row(result.cell.model, result.cell.mode).values()
        same = (r for r in row if r.framework == result.framework and r.status is Status.OK)
        return next((r for r in same if r.eager), None)


def _noise(result: CellResult) -> str:
    noise = result.steadiness.noise
    return f" ±{noise / 2:.0%}" if noise else ""


def figure(value: float) -> str:
    """A number with three digits, thousands separated."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
