"""What stands in a cell of the matrix table, line by line? Parts of metrics, and parts that compare the cell with others.

The lines of a cell and their legend are read from the same list of parts.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bakeoff.analysis import formatting
from bakeoff.analysis.metric import TableLine, TablePart
from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.results import CellResult, break_even_steps, comparable_speeds
from bakeoff.records.trial import TIMED, Status
from bakeoff.views.columns import wrapped


class MatrixRow:
    """The results of one model in one mode, which are compared with each other."""

    def __init__(self, results: Iterable[CellResult]) -> None:
        self.results = list(results)

    def eager(self, result: CellResult, statuses: Sequence[Status] = (Status.OK,)) -> CellResult | None:
        """The result of the same framework's eager stack, if it has one of `statuses`."""
        same = (r for r in self.results if r.framework == result.framework and r.status in statuses)
        return next((r for r in same if r.eager), None)

    def over_eager(self, result: CellResult) -> float | None:
        """Step time of the framework's eager stack / step time of this stack; None if either has no speed."""
        eager = self.eager(result) if result.status is Status.OK else None
        return None if eager is None else eager.step_s / result.step_s

    def over_eager_on_device(self, result: CellResult) -> float | None:
        """As over_eager, from the device's own times, which do not depend on a steady host."""
        if result.device_step_s is None or not result.status.was_timed:
            return None
        eager = self.eager(result, TIMED)
        return None if eager is None or eager.device_step_s is None else eager.device_step_s / result.device_step_s

    def over_best(self, result: CellResult) -> float:
        """The step time of the fastest stack / that of this one."""
        return min(r.step_s for r in self.results if r.status is Status.OK) / result.step_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPart(TablePart):
    """A part that is no metric, because it compares the cell with others of its row, or says how far to trust it."""

    forms: Callable[[MatrixRow, CellResult], Sequence[str] | None]  # the longest first; None: nothing is printed


def _noise(row: MatrixRow, result: CellResult) -> Sequence[str] | None:
    noise = result.trust.noise
    return (f"±{noise / 2:.0%}",) if noise else None


def _over_eager(row: MatrixRow, result: CellResult) -> Sequence[str]:
    ratio = row.over_eager(result)
    return ("×?",) if ratio is None else (f"×{ratio:.2f}", f"×{formatting.three(ratio)}")


def _over_eager_on_device(row: MatrixRow, result: CellResult) -> Sequence[str] | None:
    ratio = row.over_eager_on_device(result)
    return None if ratio is None else (f"×{ratio:.2f}", f"×{ratio:.2f}", "")


def _break_even(row: MatrixRow, result: CellResult) -> Sequence[str] | None:
    """After how many steps compiling has paid for itself."""
    eager = row.eager(result)
    if eager is None or eager is result:
        return None
    steps = break_even_steps(result, eager)
    return formatting.break_even(None if steps is None else math.ceil(steps), undecided=not comparable_speeds(result, eager))


ROW_PARTS: tuple[RowPart, ...] = (
    RowPart(line=TableLine.SPEED, legend="", position=1, forms=_noise),
    RowPart(line=TableLine.RATIOS, legend="× its framework's eager", forms=_over_eager),
    RowPart(
        line=TableLine.RATIOS,
        legend="× the best",
        legend_separator=", ",
        forms=lambda row, result: (f"×{row.over_best(result):.2f}",),
    ),
    RowPart(
        line=TableLine.DEVICE,
        legend="× eager's",
        position=1,
        legend_separator=", ",
        statuses=TIMED,
        forms=_over_eager_on_device,
    ),
    RowPart(line=TableLine.STATUS, legend="status", statuses=tuple(Status), forms=lambda row, result: (str(result.status),)),
    RowPart(line=TableLine.STATUS, legend="steps after which compiling pays, against eager", separator=", ", forms=_break_even),
)


def lines(row: MatrixRow, result: CellResult, room: int | None = None) -> list[str]:
    """The lines of a cell, at most `room` wide if given. A cell without a success has its status first, and no speed."""
    found: dict[int, list[tuple[TablePart, Sequence[str]]]] = {}
    for part, forms in _parts(row, result):
        found.setdefault(part.line, []).append((part, forms))
    status = [] if result.status.succeeded else _wrapped(joined(found.pop(TableLine.STATUS)), room)
    texts = [joined(parts, room) for _, parts in sorted(found.items())]
    if result.status is Status.COMPILED:
        return [line for text in texts for line in _wrapped(text, room)]
    return [*status, *texts]


def legend(rows: Iterable[MatrixRow]) -> list[str]:
    """What the lines of these cells mean: a text for each line that one of the cells has."""
    parts = _all_parts()
    statuses: set[Status] = set()
    shown: set[int] = set()
    for row in rows:
        for result in row.results:
            statuses.add(result.status)
            shown |= {part.line for part, _ in _parts(row, result)}
    texts = []
    for line in sorted(shown):
        text = ""
        for part in parts:
            if part.line == line and part.legend and statuses & set(part.statuses):
                between = part.separator if part.legend_separator is None else part.legend_separator
                text += between * bool(text) + part.legend
        texts.append(text)
    return texts


def joined(parts: Sequence[tuple[TablePart, Sequence[str]]], room: int | None = None) -> str:
    """One line: all parts in their longest form, or in the first shorter form with which the line fits."""
    texts = []
    for length in range(max(len(forms) for _, forms in parts)):
        text = ""
        for part, forms in parts:
            form = forms[min(length, len(forms) - 1)]
            text += part.separator * bool(text and form) + form
        texts.append(text)
    return formatting.first_that_fits(room, texts)


def _all_parts() -> list[TablePart]:
    found = [*(part for metric in METRICS.values() for part in metric.parts), *ROW_PARTS]
    return sorted(found, key=lambda part: (part.line, part.position))


def _parts(row: MatrixRow, result: CellResult) -> Iterator[tuple[TablePart, Sequence[str]]]:
    """The parts that the cell has, with their texts, in the order of a line."""
    found: list[tuple[TablePart, Sequence[str]]] = []
    for metric in METRICS.values():
        for part in metric.parts:
            if result.status in part.statuses:
                value = metric.value(result) if part.number is None else part.number(result)
                if value is not None:
                    found.append((part, part.forms(value)))
                elif part.missing is not None:
                    found.append((part, (part.missing,)))
    for other in ROW_PARTS:
        if result.status in other.statuses and (forms := other.forms(row, result)) is not None:
            found.append((other, forms))
    yield from sorted(found, key=lambda pair: (pair[0].line, pair[0].position))


def _wrapped(text: str, room: int | None) -> list[str]:
    return [text] if room is None else wrapped(text, room)
