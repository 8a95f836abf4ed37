"""How much worse may a cell become? Data in git: a budget per metric, and rows for cells that need another, with a reason.

A budget is a ratio − 1 where there is an interval (0.05 allows up to 5 %), a number for counts, and for the metric `cell` 1
allows a cell to disappear or break.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from bakeoff.analysis.metric import JudgedBy, Metric
from bakeoff.analysis.metrics import CELL, METRICS, compared, with_intervals
from bakeoff.authoring.errors import UsageError
from bakeoff.compare.verdicts import FAMILY_WISE_ERROR_RATE, Change, Verdict
from bakeoff.records.cell import Cell
from bakeoff.system.toml import read_toml

HEAD = "accepted with `bakeoff gate --accept`; remove the row once the baseline contains the change"


class BudgetRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another budget for some cells. `cells` is a glob (`branchy-tf_*-inference`); `metric` a name or `cell`."""

    cells: str
    metric: str
    budget: float
    reason: str


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """budgets.toml. `saved` is for one saved run against another, `ab` for pairs of one session, which see smaller changes.

    `sessions` is what one session cannot know of the next: by metric, the standard deviation of the logarithm between sessions
    of the same code.
    """

    family_wise_error_rate: float = FAMILY_WISE_ERROR_RATE
    alarm: float | None = None  # the former name
    saved: dict[str, float] = {}
    ab: dict[str, float] = {}
    sessions: dict[str, float] = {}
    row: list[BudgetRow] = []

    def of(self, pairs: bool) -> "BudgetTable":
        """The budgets of one kind of comparison."""
        return BudgetTable(self.ab if pairs else self.saved, self.row)


class BudgetTable:
    """Cell × metric → budget."""

    def __init__(self, default: dict[str, float], rows: Sequence[BudgetRow]) -> None:
        self._default, self._rows = default, rows

    def __call__(self, cell: Cell, metric: Metric) -> float:
        return self.named(cell, metric.name)

    def named(self, cell: Cell, metric: str) -> float:
        """That of the first row that covers the cell, else the metric's own; 0 where there is neither."""
        return next((r.budget for r in self._rows if covers(r, cell, metric)), self._default.get(metric, 0.0))


def covers(row: BudgetRow, cell: Cell, metric: str) -> bool:
    """Is the row about this metric of this cell?"""
    return row.metric == metric and fnmatchcase(str(cell), row.cells)


def read_budgets(path: Path, cells: Iterable[Cell] | None = None) -> Budgets:
    """The file. UsageError for a broken one, an unknown metric, an invalid budget, or a row that matches no cell.

    `cells` are all there are; None where only some were chosen.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file of budgets; Bakeoff's own is experiments/budgets.toml")
    budgets = read_toml(path, Budgets)
    if budgets.alarm is not None:
        raise UsageError(f"{path.name}: alarm is now called family_wise_error_rate; rename it")
    rate = budgets.family_wise_error_rate
    if not 0 < rate <= 0.2:
        example = "write 0.005 for one false regression in 200 comparisons of runs"
        raise UsageError(f"{path.name}: family_wise_error_rate = {rate:g} is no error rate; {example}")
    for table, names in (("saved", budgets.saved), ("ab", budgets.ab)):
        for name, value in names.items():
            _check(path, f"[{table}]", name, value, (*compared(),))
    for name, value in budgets.sessions.items():
        _check(path, "[sessions]", name, value, (*with_intervals(), "ratio_eager"))
    known = None if cells is None or not budgets.row else list(cells)
    for row in budgets.row:
        _check(path, f"the row of {row.cells}", row.metric, row.budget, (*compared(), CELL))
        if known is not None and not any(fnmatchcase(str(cell), row.cells) for cell in known):
            gone = "matches no cell of either run, and no cell that could exist; remove it"
            raise UsageError(f"{path.name}: the row of {row.cells} ({row.metric}) {gone}")
    return budgets


def _check(path: Path, where: str, name: str, value: float, names: Sequence[str]) -> None:
    if name not in names:
        raise UsageError(f"{path.name}: {where} names a metric {name!r}; there are: {', '.join(names)}")
    most = 2.0**53 if name in METRICS and METRICS[name].judged_by is JudgedBy.EXACT else 1000
    if not 0 <= value < most:
        raise UsageError(f"{path.name}: {where}: a budget of {value:g} for {name}; write a number from 0 on, 0.05 for 5 %")


def accept(path: Path, changes: Iterable[Change], reason: str) -> list[BudgetRow]:
    """Add rows that let these changes pass, before all others; the rows. UsageError without a reason or a writable file."""
    if not reason.strip():
        raise UsageError('--accept needs a reason: --accept "resnet50 has one more block"')
    import tomlkit  # only accepting writes

    rows = [BudgetRow(cells=str(c.cell), metric=c.metric, budget=_enough(c), reason=reason) for c in changes]
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
        there = document.get("row", [])
        for row in rows:  # the first row that covers a cell decides
            for old in [o for o in there if (o.get("cells"), o.get("metric")) == (row.cells, row.metric)]:
                there.remove(old)
        if not there:
            document.pop("row", None)
        text = "".join(f"\n# {HEAD}\n{_toml(row)}" for row in rows)
        kept = re.sub(rf"\n# {re.escape(HEAD)}\n(?!\[\[row)", "\n", tomlkit.dumps(document))  # comments of removed rows
        first = re.search(r"^(?:#.*\n)*\[\[row\]\]", kept, re.MULTILINE)  # with the comment above it
        at = first.start() if first else len(kept)
        parts = (kept[:at].rstrip("\n"), text.strip("\n"), kept[at:].strip("\n"))
        path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return rows


def _enough(change: Change) -> float:
    """A budget that the change keeps: up to the worse bound of its interval, as far as that is known."""
    if change.verdict in (Verdict.GONE, Verdict.BROKEN):
        return 1.0
    metric = METRICS[change.metric]
    if metric.judged_by is JudgedBy.EXACT:
        return float(abs((change.candidate or 0) - (change.baseline or 0)))
    bound = change.low if metric.higher_is_better else change.high
    return min(999.0, round(metric.worsening(bound or change.ratio or 1.0) - 1 + 0.005, 3))


def _toml(row: BudgetRow) -> str:
    import tomlkit

    array = tomlkit.aot()
    array.append(tomlkit.item(msgspec.structs.asdict(row)))
    return tomlkit.dumps({"row": array})
