"""How do all stacks compare on all models? One table, a row per model and a column per stack, as text or Markdown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bakeoff.analysis import formatting
from bakeoff.analysis.pace import Pace
from bakeoff.analysis.ratios import BAND, Ratio, Ratios, SpeedVerdict
from bakeoff.analysis.rerun import command
from bakeoff.analysis.results import CellResult, RecordedStatus, by_cell
from bakeoff.analysis.trust import Doubt
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.neighbours import Neighbours
from bakeoff.records.trial import OneTimeCost, Status, Trial
from bakeoff.views import cell_lines
from bakeoff.views.columns import Column, across, drawn, packed, wrapped

AGAIN = "  again: "
WINNERS = "fastest"  # heading of the last column


@dataclass(frozen=True)
class Matrix:
    """Results by cell, the one-time costs of the machine, and what its other CPUs do to the children's."""

    results: Mapping[Cell, CellResult]
    ratios: Ratios
    one_time_costs: Sequence[OneTimeCost] = ()
    neighbours: Neighbours | None = None

    @classmethod
    def of(
        cls,
        trials: Sequence[Trial],
        one_time_costs: Sequence[OneTimeCost] = (),
        recorded: Mapping[Cell, RecordedStatus] | None = None,
        neighbours: Neighbours | None = None,
        *,
        band: float = BAND,
        pace: Pace | None = None,
    ) -> "Matrix":
        results = by_cell(trials, recorded, pace)
        return cls(results, Ratios.of(trials, band, results=results), tuple(one_time_costs), neighbours)

    @property
    def modes(self) -> list[Mode]:
        return list(dict.fromkeys(cell.mode for cell in self.results))

    def row(self, model: str, mode: Mode) -> dict[str, CellResult]:
        """Stack → result."""
        return {r.cell.stack: r for r in self.ratios.row(model, mode)}

    def lines(self, result: CellResult, *, tight: bool = False) -> list[str]:
        """The lines of a cell: its ratio, and its compile time with the marks. Of an eager cell: its step time."""
        if result.status is Status.COMPILED and result.compile_only is not None:
            made = [text for legend, text in cell_lines.lines(self.ratios, result) if "kernel" in text or " reg" in text]
            return [formatting.compile_seconds(result.compile_only.first_call_s), *made]
        if result.status is not Status.OK:
            return str(result.status).split() if tight else [str(result.status)]
        ratio = None if result.eager else self.ratios.over_eager(result.cell)
        first = formatting.seconds(result.step_s) if result.eager or ratio is None else short(ratio, tight=tight)
        return [first, " ".join((formatting.compile_seconds(result.compile_s), *self._marks(result)))]

    def _marks(self, result: CellResult) -> list[str]:
        """Graph breaks, and contention."""
        breaks = [f"b{result.break_count}"] if result.break_count else []
        return [*breaks, *["~"] * result.trust.says(Doubt.CONTENTION)]

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
        return [*found, *self._doubts(), *self._groups(), *self.means()]

    def _groups(self) -> list[str]:
        """How the ratios came about, and what the A/A control says."""
        found = []
        control = self.ratios.control
        if control is not None:
            of = next(trial.cell for trial in self.ratios.controls)
            said = {
                SpeedVerdict.SAME: "as it should be",
                SpeedVerdict.UNDECIDED: "so processes of one program differ much here, and intervals are wide",
            }.get(control.verdict, "so ratios err by as much")
            found.append(f"A/A control, {of} against a copy of itself: {cell_lines.ratio_text(control)}, {said}")
        timed = [r for r in self.results.values() if r.status is Status.OK]
        if alone := [r for r in timed if not any(trial.group is not None for trial in r.measured)]:
            found.append(f"{len(alone)} cells were measured alone, by an older Bakeoff, so their speeds cannot be compared")
        spawned = [r.cell.stack for r in timed if any(m.import_s is not None for m in r.measurements)]
        if spawned and any(m.import_s is None for r in timed for m in r.measurements):
            found.append(f"new processes, while the others were forked: {', '.join(dict.fromkeys(spawned))}")
        parts = {r.cell.model for r in timed for t in r.measured if t.group is not None and " " in t.group}
        if parts:
            found.append(f"too little memory for all children at once, so the groups were split: {', '.join(sorted(parts))}")
        for model, mode in dict.fromkeys((r.cell.model, r.cell.mode) for r in timed):
            if apart := self.ratios.never_beside_best(model, mode):
                best = self.ratios.best(model, mode)
                beside = f"no group had {', '.join(apart)} beside {best.stack if best else ''}"
                found.append(f"{model} {mode}: {beside}, so whether they are among the fastest is not known")
        return found

    def _doubts(self) -> list[str]:
        """How far the numbers can be trusted: a note per kind of doubt."""
        doubted = {d: [r for r in self.results.values() if r.trust.says(d)] for d in Doubt}
        found = []
        if busy := doubted[Doubt.CONTENTION]:
            worst = min(busy, key=lambda r: r.trust.cpu_share)
            had = f"had a CPU for too small a share of the timed steps, {worst.cell} for {worst.trust.cpu_share:.0%}"
            found.append(f"contention: {len(busy)} cells {had}; it lengthens seconds, and hardly changes ratios")
        if noisy := [r for r in doubted[Doubt.NOISE] if r.status is Status.OK]:
            found.append(f"noise: in {len(noisy)} cells the step time varies by itself; `bakeoff show -v` says by how much")
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
        """The geometric mean of each stack's speed over its framework's eager stack, and the number of models in it."""
        lines = []
        for mode in self.modes:
            models = list(dict.fromkeys(c.model for c in self.results if c.mode == mode))
            for stack in self.stacks(mode):
                cells = [cell for model in models if (cell := Cell(model, stack, mode)) in self.results]
                found = [r for c in cells if not self.results[c].eager and (r := self.ratios.over_eager(c)) is not None]
                if found:
                    mean = math.exp(sum(ratio.log for ratio in found) / len(found))
                    error = mean * math.hypot(*(ratio.half_width for ratio in found)) / len(found)
                    of = f"geometric mean of {len(found)} of {len(models)} models"
                    lines.append(f"{stack} {mode}: ×{mean:.2f} ±{error:.2f} its eager, {of}")
        return lines

    def terminal(self, width: int, *, verbose: bool = False) -> str:
        """The table as text. Stacks that do not fit into `width` follow below. `verbose`: everything about each cell, too."""
        out = []
        for mode in self.modes:
            out += wrapped(f"{mode}: {self.legend(mode)}", width)
            columns = self._columns(mode)
            if across(columns) > width:
                columns = self._columns(mode, tight=True)
            out += [line for part in packed(columns, width) for line in ("", *drawn(part))]
        for result in self.results.values() if verbose else ():
            out += [*self.about(result, width), ""]
        for note in self.notes():  # a command stays on one line, so that it can be copied
            out += [note] if note.startswith(AGAIN) else wrapped(note, width, "  ")
        return "".join(f"{line}\n" for line in out)

    def about(self, result: CellResult, width: int) -> list[str]:
        """Everything that is known of one cell, as lines of text."""
        found = [str(result.cell)]
        for legend, text in cell_lines.lines(self.ratios, result):
            found += wrapped(f"  {legend}: {text}", width, "    ")
        return found

    def legend(self, mode: Mode) -> str:
        """How to read a cell."""
        results = [result for cell, result in self.results.items() if cell.mode is mode]
        if any(result.status is Status.COMPILED for result in results):
            return "compile time; kernels; the most registers of a thread, bytes spilled"
        parts = ["speed over the framework's eager stack with its 95 % interval (?: undecided; eager: its step time)"]
        parts.append("then the compile time")
        marks = [mark for result in results if result.status is Status.OK for mark in self._marks(result)]
        if any(mark != "~" for mark in marks):
            parts.append("b2: two graph breaks")
        if "~" in marks:
            parts.append("~: other work took its CPU")
        return "; ".join([*parts, f"{WINNERS}: all that cannot be told apart from the best"])

    def winners(self, model: str, mode: Mode) -> list[str]:
        """The stacks that cannot be told apart from the fastest one, without data-parallel ones."""
        return self.ratios.winners(model, mode)

    def _columns(self, mode: Mode, *, tight: bool = False) -> list[Column]:
        """The column of models, a column per stack, and the winners. `tight`: as narrow as possible."""
        stacks = self.stacks(mode)
        models = list(dict.fromkeys(c.model for c in self.results if c.mode == mode))
        rows = [self.row(model, mode) for model in models]
        columns = [Column("", [[model] for model in models])]
        for name in stacks:
            cells = [self.lines(row[name], tight=tight) if name in row else [] for row in rows]
            columns.append(Column(name.replace("_", "_\n", 1) if tight else name, cells))
        winners = [self.winners(model, mode) for model in models]
        return [*columns, Column(WINNERS, winners)] if any(winners) and len(stacks) > 1 else columns

    def markdown(self) -> str:
        """The table as Markdown."""
        out = []
        for mode in self.modes:
            columns = self._columns(mode)
            out += [f"**{mode}**: {self.legend(mode)}", "", "| " + " | ".join(column.name for column in columns) + " |"]
            out.append("|---" * len(columns) + "|")
            for cells in zip(*(column.cells for column in columns), strict=True):
                out.append("| " + " | ".join("<br>".join(lines) for lines in cells) + " |")
            out.append("")
        return "\n".join([*out, *(f"- {note}" for note in self.notes())]) + "\n"

    def json(self, chosen: Sequence[CellResult] | None = None) -> dict[str, object]:
        """Cells with their ratios, and the winners of each model and mode, as JSON values. `chosen`: None for all cells."""
        shown = list(self.results.values()) if chosen is None else chosen
        cells = [
            {
                "cell": str(result.cell),
                "status": str(result.status),
                "reason": result.reason,
                "ratio_eager": ratio_as_json(self.ratios.over_eager(result.cell)),
                "ratio_best": ratio_as_json(self.ratios.over_best(result.cell)),
                "compile_s": result.compile_s if result.cold else None,
                "warm_compile_s": result.warm_compile_s,
                "step_s": result.step_s if result.status is Status.OK else None,
                "breaks": result.break_count,
                "doubts": [finding.text for finding in result.trust.findings],
            }
            for result in shown
        ]
        rows = dict.fromkeys((result.cell.model, result.cell.mode) for result in shown)
        winners = [{"model": model, "mode": str(mode), "winners": self.winners(model, mode)} for model, mode in rows]
        return {"cells": cells, "models": winners, "control": ratio_as_json(self.ratios.control)}

    def stacks(self, mode: Mode) -> list[str]:
        """The stacks of a mode, in the order of the run."""
        return list(dict.fromkeys(c.stack for c in self.results if c.mode == mode))


def short(ratio: Ratio, *, tight: bool = False) -> str:
    """A ratio with half the width of its interval, and a question mark if it is undecided. `tight`: as short as possible."""
    off = (ratio.high - ratio.low) / 2
    digits = 0 if ratio.value >= 99.95 else 1 if ratio.value >= 9.995 else 2 if off >= 0.005 else 3
    between = f"±{off:.{digits}f}"
    text = f"×{ratio.value:.{digits}f}{between.replace('±0.', '±.') if tight else f' {between}'}"
    return text + "?" * (not ratio.decided)


def ratio_as_json(ratio: Ratio | None) -> dict[str, object] | None:
    """As JSON values."""
    if ratio is None:
        return None
    return {"value": ratio.value, "low": ratio.low, "high": ratio.high, "verdict": str(ratio.verdict), "groups": ratio.groups}


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
