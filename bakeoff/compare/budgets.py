"""How much worse may a cell become? Data in git: a budget per metric, and rows for cells that need another, with a reason.

A budget is a ratio − 1 where there is an interval (0.05 lets through up to 5 %), a number of them for counts, and for the
metric `cell` 1 lets a cell vanish or break.
"""

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from bakeoff.analysis.metrics import CELL, METRICS, Judged, Metric
from bakeoff.authoring.errors import UsageError
from bakeoff.compare.verdicts import ALARM, Change, Verdict
from bakeoff.expectations.gaps import read
from bakeoff.records.cell import Cell

HEAD = "# accepted with `bakeoff gate --accept`; remove the row once the baseline contains the change"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another budget for some cells. `cells` is a glob (`branchy-tf_*-inference`); `metric` a name or `cell`."""

    cells: str
    metric: str
    budget: float
    reason: str


class Noise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one session cannot learn about the next: the standard deviation of log ratios between sessions of the same code."""

    step: float = 0.0
    compile_cold: float = 0.0
    compile_warm: float = 0.0
    compile_peak: float = 0.0
    steady_peak: float = 0.0


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """budgets.toml. `saved` for one saved run against another, `ab` for pairs of one session, which see smaller changes."""

    alarm: float = ALARM
    saved: dict[str, float] = {}
    ab: dict[str, float] = {}
    sessions: Noise = Noise()
    row: list[Row] = []

    def of(self, pairs: bool) -> "Table":
        """The budgets of one kind of comparison."""
        return Table(self.ab if pairs else self.saved, self.row)


class Table:
    """Cell × metric → budget."""

    def __init__(self, default: dict[str, float], rows: Sequence[Row]) -> None:
        self._default, self._rows = default, rows

    def __call__(self, cell: Cell, metric: Metric) -> float:
        return self.named(cell, metric.name)

    def named(self, cell: Cell, metric: str) -> float:
        """The first row that covers the cell decides, else the metric's own budget; 0 where nothing is said."""
        return next((r.budget for r in self._rows if covers(r, cell, metric)), self._default.get(metric, 0.0))


def covers(row: Row, cell: Cell, metric: str) -> bool:
    """Is it about this metric of this cell?"""
    return row.metric == metric and fnmatchcase(str(cell), row.cells)


def read_budgets(path: Path, cells: Iterable[Cell] | None = None) -> Budgets:
    """The file. UsageError for a broken one, an unknown metric, a budget that is none, or a row that matches no cell.

    `cells` are all there are; None where only some were chosen.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file of budgets; experiments/budgets.toml is ours")
    budgets = read(path, Budgets)
    if not 0 < budgets.alarm <= 0.2:
        raise UsageError(
            f"{path.name}: alarm = {budgets.alarm:g} is no error rate; write 0.005 for one in 200 comparisons of runs"
        )
    for table, names in (("saved", budgets.saved), ("ab", budgets.ab)):
        for name, value in names.items():
            _known(path, f"[{table}]", name, value, (*METRICS,))
    known = None if cells is None or not budgets.row else list(cells)
    for row in budgets.row:
        _known(path, f"the row of {row.cells}", row.metric, row.budget, (*METRICS, CELL))
        if known is not None and not any(fnmatchcase(str(cell), row.cells) for cell in known):
            gone = "matches no cell of either run, and none that there could be; remove it"
            raise UsageError(f"{path.name}: the row of {row.cells} ({row.metric}) {gone}")
    return budgets


def _known(path: Path, where: str, name: str, value: float, names: Sequence[str]) -> None:
    if name not in names:
        raise UsageError(f"{path.name}: {where} names a metric {name!r}; there are: {', '.join(names)}")
    most = 2.0**53 if name in METRICS and METRICS[name].judged is Judged.EXACT else 1000
    if not 0 <= value < most:
        raise UsageError(f"{path.name}: {where}: a budget of {value:g} for {name}; write a number from 0 on, 0.05 for 5 %")


def accept(path: Path, changes: Iterable[Change], reason: str) -> list[Row]:
    """Append rows that let these changes pass, and return them. UsageError without a reason or where it cannot be written."""
    if not reason.strip():
        raise UsageError('--accept needs a reason: --accept "resnet50 has one more block"')
    rows = [Row(cells=str(c.cell), metric=c.metric, budget=_enough(c), reason=reason) for c in changes]
    try:
        old = path.read_text(encoding="utf-8")
        for row in rows:  # the first row that covers a cell decides
            old = _without(old, row)
        text = "".join(f"\n{HEAD}\n[[row]]\n{_toml(row)}" for row in rows)
        path.write_text(old.rstrip("\n") + "\n" + text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return rows


def _enough(change: Change) -> float:
    """A budget that the change keeps: to the upper bound of its interval, as far as that is known."""
    if change.verdict in (Verdict.GONE, Verdict.BROKEN):
        return 1.0
    if METRICS[change.metric].judged is Judged.EXACT:
        return float((change.candidate or 0) - (change.baseline or 0))
    return min(999.0, round((change.high or change.ratio or 1.0) - 1 + 0.005, 3))


def _toml(row: Row) -> str:
    # a JSON string is a TOML basic string, but for one character
    fields = ((name, getattr(row, name)) for name in row.__struct_fields__)
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in fields).replace("\x7f", "\\u007F")


def _without(text: str, row: Row) -> str:
    """The file without an accepted row of the same cell and metric."""
    start = f"\n{HEAD}\n[[row]]\ncells = {json.dumps(row.cells)}\nmetric = {json.dumps(row.metric)}\n"
    before, found, after = text.partition(start)
    if not found:
        return text
    lines = after.split("\n")
    end = next((n for n, line in enumerate(lines) if not line.strip() or line.startswith(("#", "["))), len(lines))
    return _without(before + "\n" + "\n".join(lines[end:]), row)
