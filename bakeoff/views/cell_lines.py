"""What is known of one cell, line by line? For `bakeoff show CELL` and `bakeoff show -v`: parts of metrics, and of ratios."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bakeoff.analysis import cost
from bakeoff.analysis.metric import TableLine, TablePart
from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.ratios import Ratio, Ratios
from bakeoff.analysis.results import CellResult
from bakeoff.records.trial import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioPart(TablePart):
    """A part that is no metric, because it compares the cell with others of its model, or says how far to trust it."""

    text: Callable[[Ratios, CellResult], str]  # empty: nothing is printed


def ratio_text(ratio: Ratio) -> str:
    """A ratio with its interval and verdict."""
    return f"×{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] {ratio.verdict}"


def _over_eager(ratios: Ratios, result: CellResult) -> str:
    ratio = None if result.eager else ratios.over_eager(result.cell)
    return "" if ratio is None else ratio_text(ratio)


def _over_best(ratios: Ratios, result: CellResult) -> str:
    ratio, best = ratios.over_best(result.cell), ratios.best(result.cell.model, result.cell.mode)
    if ratio is None or best is None:
        return ""
    return "it is the best" if best == result.cell else f"{ratio_text(ratio)} ({best.stack})"


def _break_even(ratios: Ratios, result: CellResult) -> str:
    paid = cost.break_even(ratios, result.cell)
    return "" if paid is None else str(paid)


def _trust(ratios: Ratios, result: CellResult) -> str:
    return "; ".join(f"{finding.doubt}: {finding.text}" for finding in result.trust.findings)


RATIO_PARTS: tuple[RatioPart, ...] = (
    RatioPart(line=TableLine.RATIOS, legend="× its framework's eager", text=_over_eager),
    RatioPart(line=TableLine.RATIOS + 1, legend="× the best", text=_over_best),
    RatioPart(line=TableLine.RATIOS + 2, legend="compiling, against eager", text=_break_even),
    RatioPart(line=TableLine.STATUS, legend="status", statuses=tuple(Status), text=lambda ratios, result: str(result.status)),
    RatioPart(line=TableLine.STATUS + 1, legend="doubts", text=_trust),
)


def lines(ratios: Ratios, result: CellResult) -> list[tuple[str, str]]:
    """(what it is, the value) of everything that the cell has."""
    found: dict[int, list[tuple[TablePart, str]]] = {}
    for part, text in _parts(ratios, result):
        found.setdefault(part.line, []).append((part, text))
    rows = []
    for _, parts in sorted(found.items()):
        legend = value = ""
        for part, text in parts:
            between = part.separator if part.legend_separator is None else part.legend_separator
            legend += between * bool(legend and part.legend) + part.legend
            value += part.separator * bool(value) + text
        rows.append((legend, value))
    if result.status is not Status.OK and result.reason:
        rows.append(("reason", result.reason.splitlines()[0]))
    return rows


def _parts(ratios: Ratios, result: CellResult) -> Iterator[tuple[TablePart, str]]:
    """The parts that the cell has, with their texts, in the order of a line."""
    found: list[tuple[TablePart, str]] = []
    for metric in METRICS.values():
        for part in metric.parts:
            if result.status in part.statuses:
                value = metric.value(result) if part.number is None else part.number(result)
                if value is not None:
                    found.append((part, part.text(value)))
                elif part.missing is not None:
                    found.append((part, part.missing))
    for other in RATIO_PARTS:
        if result.status in other.statuses and (text := other.text(ratios, result)):
            found.append((other, text))
    yield from sorted(found, key=lambda pair: (pair[0].line, pair[0].position))
