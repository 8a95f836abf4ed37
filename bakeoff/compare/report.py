"""How is a comparison written? On the terminal, as Markdown, CSV and JSON. Text from files is escaped here."""

import csv
import html
import io
import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bakeoff.analysis.metrics import CELL, METRICS
from bakeoff.compare.gate import Decision, GateExit
from bakeoff.compare.verdicts import Change, Comparison, Verdict
from bakeoff.system.terminal import clean

CHANGE_COLUMNS = ("cell", "metric", "baseline", "candidate", "ratio", "A/A", "interval", "verdict")
RIGHT = ("baseline", "candidate", "ratio")
STYLE = {
    Verdict.WORSE: "red",
    Verdict.BROKEN: "red",
    Verdict.GONE: "red",
    Verdict.BETTER: "green",
    Verdict.FIXED: "green",
    Verdict.UNDECIDED: "yellow",
}
LEAST_VERDICT = 40  # characters: in a narrower column a verdict and its note would be hard to read
SIGN = {GateExit.PASS: "", GateExit.REGRESSION: "✗ ", GateExit.UNDECIDED: "? ", GateExit.NOT_COMPARABLE: ""}

ACCEPT = "to accept it: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One comparison of two runs, with or without a gate."""

    baseline: str
    candidate: str
    comparison: Comparison
    warnings: Sequence[str] = ()
    decision: Decision | None = None
    accept: str = ""  # the command that accepts a wanted change

    @property
    def notes(self) -> list[str]:
        """Everything below the table, most important first."""
        lines = [f"warning: {text}" for text in self.warnings]
        floors = self.comparison.floors
        if floors:
            known = ", ".join(f"{METRICS[name].title} ±{floor:.1%}" for name, floor in floors.items())
            lines.append(
                "A/A is the difference between the halves of one run; a difference within it is no change. "
                f"In 19 of 20 cells it is at most: {known}"
            )
        lines += self.decision.notes if self.decision is not None else self.comparison.notes
        return [clean(line) for line in lines]

    def terminal(self, width: int, *, everything: bool = False, color: bool = False) -> str:
        """As text. Without `everything`, a line says how many counts and amounts of memory are the same."""
        changes = [c for c in self.comparison.changes if everything or not _left_out(c)]
        console = Console(width=max(width, 80), highlight=False, force_terminal=color, no_color=not color)
        with console.capture() as capture:
            console.print(Text(clean(f"{self.baseline} → {self.candidate}")))
            console.print(_table(changes, console.width) if changes else Text("nothing to show"))
            if len(changes) < len(self.comparison.changes):
                console.print(f"{len(self.comparison.changes) - len(changes)} more rows are the same; --all shows them")
            for note in self.notes:
                console.print(Text(note))
            for line in self.decided():
                console.print(Text(line), soft_wrap=line.startswith(ACCEPT))  # a command can be copied from one line
        return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"

    def markdown(self) -> str:
        """As a Markdown table of what is not the same, for the summary of a CI job."""
        changed = [c for c in self.comparison.changes if c.verdict is not Verdict.SAME]
        same = len(self.comparison.changes) - len(changed)
        out = [f"**{escaped(self.baseline)} → {escaped(self.candidate)}**", ""]
        out += [f"{escaped(line)}  " for line in self.decided()] + [""]
        if changed:
            out += ["| " + " | ".join(CHANGE_COLUMNS) + " |", "|---" * len(CHANGE_COLUMNS) + "|"]
            out += ["| " + " | ".join(map(escaped, row(c))) + " |" for c in changed] + [""]
        timed = self.comparison.timed_cells
        out.append(f"{same} comparisons are the same; {timed} cells have a speed in both runs.")
        return "\n".join([*out, "", *(f"- {escaped(note)}" for note in self.notes)]) + "\n"

    def csv(self) -> str:
        """Every comparison, with raw numbers."""
        out = io.StringIO()
        names = [n for n in Change.__dataclass_fields__ if n not in ("cell", "trials")]
        writer = csv.writer(out)
        writer.writerow(["cell", *names, "words", "baseline_trials", "candidate_trials"])
        for c in self.comparison.changes:
            writer.writerow([clean(str(c.cell)), *(_plain(getattr(c, n)) for n in names), c.words, *c.trials])
        return out.getvalue()

    def json(self) -> str:
        """Every comparison, with notes and the gate's decision."""
        changes = [{**msgspec.to_builtins(c), "cell": clean(str(c.cell)), "words": c.words} for c in self.comparison.changes]
        for change in changes:
            change.update({k: None for k, v in change.items() if isinstance(v, float) and not math.isfinite(v)})
        decided = self.decision
        body: dict[str, object] = {
            "baseline": self.baseline,
            "candidate": self.candidate,
            "changes": changes,
            "floors": dict(self.comparison.floors),
            "notes": self.notes,
        }
        if decided is not None:
            body |= {"exit": int(decided.exit), "summary": decided.summary, "accept": self.accept}
        return msgspec.json.format(msgspec.json.encode(body), indent=1).decode() + "\n"

    def decided(self) -> list[str]:
        """The gate's decision, its reasons, and what to do next."""
        if self.decision is None:
            return []
        lines = [formatted(c, GateExit.REGRESSION) for c in self.decision.failed]
        lines += [formatted(c, GateExit.UNDECIDED) for c in self.decision.undecided[:10]]
        if len(self.decision.undecided) > 10:
            lines.append(f"… and {len(self.decision.undecided) - 10} more undecided")
        lines.append(clean(self.decision.summary))
        if self.decision.failed and self.accept:
            lines.append(f"{ACCEPT}{clean(self.accept)}")
        return lines


def formatted(change: Change, exit: GateExit) -> str:
    """One change in a line."""
    cell, metric, before, after, ratio, _, interval, verdict = row(change)
    if change.metric == CELL:
        return f"{SIGN[exit]}{cell}: {verdict}"
    budget = f", budget {change.budget:.1%}" if change.budget is not None and change.low is not None else ""
    values = f"{before} → {after}" + (f", ×{ratio} {interval}" if ratio else "")
    return f"{SIGN[exit]}{cell} {metric}: {verdict}: {values}{budget}"


def row(change: Change) -> tuple[str, ...]:
    """A change as text, by CHANGE_COLUMNS."""
    title = change.metric if change.metric == CELL else METRICS[change.metric].title
    note = f" ({clean(change.note)[:200]})" if change.note else ""
    more = f", {change.more} of each would decide" if change.more is not None else ""
    bounded = change.low is not None and change.high is not None
    return (
        clean(str(change.cell)),
        title,
        _value(change.metric, change.baseline),
        _value(change.metric, change.candidate),
        "" if change.ratio is None else f"{change.ratio:.3f}" if change.ratio < 1e4 else "∞",
        "" if change.floor is None else f"±{change.floor:.1%}",
        f"[{_bound(change.low)}, {_bound(change.high)}]" if bounded else "",
        f"{change.words}{note}{more}",
    )


def _bound(value: float | None) -> str:
    assert value is not None
    return "?" if value in (0.0, math.inf) else f"{value:.3f}"


def _value(metric: str, value: float | None) -> str:
    return "" if value is None else METRICS[metric].formatted(value)


def _left_out(change: Change) -> bool:
    return change.verdict is Verdict.SAME and not (change.metric in METRICS and METRICS[change.metric].always_listed)


def _table(changes: Sequence[Change], width: int) -> Text:
    """The rows, with each verdict in a column that wraps; grouped by cell where that column would be too narrow."""
    rows = [row(change) for change in changes]
    widths = [max(map(cell_len, column)) for column in zip(CHANGE_COLUMNS, *rows, strict=True)]
    before = sum(widths[:-1]) + 3 * len(widths)
    room = width - before
    wide = any(cell_len(cells[-1]) != len(cells[-1]) for cells in rows)  # textwrap counts characters
    if room < widths[-1] and (room < LEAST_VERDICT or wide):
        return _grouped(changes, rows, widths, width)
    widths[-1] = min(widths[-1], room)
    text = Text(no_wrap=True)
    for change, cells in zip((None, *changes), (CHANGE_COLUMNS, *rows), strict=True):
        text.append("  " + "   ".join(_padded(cells[:-1], widths)) + "   ")
        for number, line in enumerate(textwrap.wrap(cells[-1], widths[-1], break_on_hyphens=False)):
            text.append(" " * (before - 1) * (number > 0))
            text.append(line + "\n", STYLE.get(change.verdict, "") if change else "bold")
        if change is None:
            text.append(" " + "─" * (sum(widths) + 3 * len(widths) - 1) + "\n")
    return text


def _grouped(changes: Sequence[Change], rows: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> Text:
    """A cell's name in a line of its own, its numbers below it, and a verdict below them if it does not fit beside them."""
    text, cell, console = Text(no_wrap=True), "", Console(width=width)
    for change, (name, *numbers, verdict) in zip((None, *changes), (CHANGE_COLUMNS, *rows), strict=True):
        if name != cell:
            text.append(f" {name}\n", "bold" if change is None else "")
            cell = name
        style = STYLE.get(change.verdict, "") if change else "bold"
        line = "   " + "  ".join(_padded(numbers, widths[1:], CHANGE_COLUMNS[1:]))
        if cell_len(line) + 2 + cell_len(verdict) > width:
            line = line.rstrip()
        if cell_len(line) > width:
            line = "   " + "  ".join(filter(None, numbers))
        text.append(line)
        if cell_len(line) + 2 + cell_len(verdict) <= width:
            text.append("  " + verdict, style)
        else:
            for part in Text(verdict).wrap(console, width - 5):  # by columns, not by characters
                text.append("\n     " + part.plain.rstrip(), style)
        text.append("\n")
        if change is None:
            text.append(" " + "─" * (width - 2) + "\n")
    return text


def _padded(cells: Sequence[str], widths: Sequence[int], names: Sequence[str] = CHANGE_COLUMNS) -> list[str]:
    """Padded to their columns."""
    return [
        cell.rjust(room) if name in RIGHT else cell + " " * (room - cell_len(cell))
        for name, cell, room in zip(names, cells, widths, strict=False)
    ]


def escaped(text: str) -> str:
    """Text in a Markdown table: no markup, no links, no HTML."""
    return re.sub(r"([\\`*_{}\[\]()#|!~@])", r"\\\1", html.escape(clean(text), quote=False))


def _plain(value: object) -> object:
    """For a spreadsheet: text that it would take for a formula is quoted."""
    text = clean(value) if isinstance(value, str) else value
    return f"'{text}" if isinstance(text, str) and text[:1] in tuple("=+-@") else "" if text is None else text
