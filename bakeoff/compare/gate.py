"""May this change be merged? A comparison and budgets → pass, regression, undecided or not comparable."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from bakeoff.analysis.metrics import CELL, METRICS
from bakeoff.compare.budgets import BudgetRow, BudgetTable, covers
from bakeoff.compare.verdicts import Change, Comparison, Verdict


class GateExit(IntEnum):
    """Exit codes of `bakeoff gate` and `bakeoff ab`."""

    PASS = 0
    REGRESSION = 1
    NOT_COMPARABLE = 2
    UNDECIDED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision, and the changes that it rests on."""

    exit: GateExit
    failed: tuple[Change, ...]
    undecided: tuple[Change, ...]
    summary: str
    notes: tuple[str, ...] = ()
    too_noisy: str = ""  # why a change for the worse is undecided


def decide(
    comparison: Comparison, budgets: BudgetTable, rows: Sequence[BudgetRow] = (), *, too_noisy: str = "", unfinished: str = ""
) -> Decision:
    """`too_noisy`: why no timing regression is reported in this session; `unfinished`: why it cannot pass.

    A comparison of nothing never passes.
    """
    failed, undecided = [], []
    for change in comparison.changes:
        kind = of_change(change, budgets, too_noisy)
        if kind is GateExit.REGRESSION:
            failed.append(change)
        elif kind is GateExit.UNDECIDED:
            undecided.append(change)
    notes = [*comparison.notes, *_unneeded(comparison, rows)]
    if too_noisy:
        notes.insert(0, too_noisy)
    noise = too_noisy if any(c.verdict is Verdict.WORSE for c in undecided) else ""
    if failed:
        exit, summary = GateExit.REGRESSION, f"regression: {_cells(failed)}"
    elif not comparison.timed_cells and not comparison.counted_cells and not undecided:
        exit, summary = GateExit.NOT_COMPARABLE, "not comparable: no cell has a speed in both runs, so nothing was shown"
    elif undecided:
        exit, summary = GateExit.UNDECIDED, f"undecided: {_cells(undecided)}; {noise or _more(undecided)}"
    elif unfinished:
        exit, summary = GateExit.UNDECIDED, f"undecided: {unfinished}"
    else:
        count = comparison.timed_cells or comparison.counted_cells
        exit, summary = GateExit.PASS, f"pass: {count} cells, none worse than its budgets"
    return Decision(
        exit=exit, failed=tuple(failed), undecided=tuple(undecided), summary=summary, notes=tuple(notes), too_noisy=noise
    )


def of_change(change: Change, budgets: BudgetTable, too_noisy: str = "") -> GateExit:
    """Of one change alone. An undecided one passes if it may be better but not worse."""
    if change.metric == CELL:
        if change.verdict in (Verdict.GONE, Verdict.BROKEN):
            return GateExit.PASS if budgets.named(change.cell, CELL) >= 1 else GateExit.REGRESSION
        return GateExit.UNDECIDED if change.verdict is Verdict.UNDECIDED else GateExit.PASS
    timed = change.low is not None
    if change.verdict is Verdict.WORSE:
        return GateExit.UNDECIDED if too_noisy and timed else GateExit.REGRESSION
    if change.verdict is Verdict.UNDECIDED:
        metric = METRICS[change.metric]
        bound = change.low if metric.higher_is_better else change.high
        if bound is None or change.budget is None:  # nothing is known
            return GateExit.UNDECIDED
        return GateExit.PASS if metric.worsening(bound) < 1 + change.budget else GateExit.UNDECIDED
    return GateExit.PASS


def _cells(changes: Sequence[Change]) -> str:
    named = list(dict.fromkeys(str(c.cell) for c in changes))
    return ", ".join(named[:5]) + (f" and {len(named) - 5} more cells" if len(named) > 5 else "")


def _more(undecided: Sequence[Change]) -> str:
    """What would decide them."""
    known = [c.more for c in undecided if c.more is not None]
    no_count = [c for c in undecided if c.more is None and c.metric != CELL]
    lines = []
    if known:
        lines.append(f"about {max(known)} trials (or pairs) of each would decide {len(known)} of {len(undecided)} comparisons")
    if no_count:
        lines.append(
            f"no number of them would decide {len(no_count)}: compare in one session with `bakeoff ab`, or on a quieter machine"
        )
    return "; ".join(lines) or "they did not settle: run again on a quieter machine"


def _unneeded(comparison: Comparison, rows: Sequence[BudgetRow]) -> list[str]:
    """Notes on rows that no longer change a decision, because their change is in the baseline."""
    notes = []
    for row in rows:
        mine = [c for c in comparison.changes if covers(row, c.cell, c.metric)]
        if mine and all(c.verdict in (Verdict.SAME, Verdict.BETTER) and abs((c.ratio or 1.0) - 1) < 0.01 for c in mine):
            notes.append(f"budgets.toml: nothing moved in {row.cells} ({row.metric}); its row ({row.reason}) can be removed")
    return notes
