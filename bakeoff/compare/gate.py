"""May this change be merged? A comparison and budgets → pass, regression, undecided or not comparable."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from bakeoff.analysis.metrics import CELL
from bakeoff.compare.budgets import Row, Table, covers
from bakeoff.compare.verdicts import Change, Comparison, Verdict


class Exit(IntEnum):
    """Exit codes of `bakeoff gate` and `bakeoff ab`."""

    PASS = 0
    REGRESSION = 1
    NOT_COMPARABLE = 2
    UNDECIDED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a gate says, and of what."""

    exit: Exit
    failed: tuple[Change, ...]
    undecided: tuple[Change, ...]
    summary: str
    notes: tuple[str, ...] = ()
    too_noisy: str = ""  # why something that was worse is undecided


def decide(
    comparison: Comparison, budgets: Table, rows: Sequence[Row] = (), *, too_noisy: str = "", unfinished: str = ""
) -> Decision:
    """`too_noisy` says why nothing timed may fail in this session, `unfinished` why it may not pass. Empty never passes."""
    failed, undecided = [], []
    for change in comparison.changes:
        kind = of_change(change, budgets, too_noisy)
        if kind is Exit.REGRESSION:
            failed.append(change)
        elif kind is Exit.UNDECIDED:
            undecided.append(change)
    notes = [*comparison.notes, *_unneeded(comparison, rows)]
    if too_noisy:
        notes.insert(0, too_noisy)
    spared = too_noisy if any(c.verdict is Verdict.WORSE for c in undecided) else ""
    if failed:
        exit, summary = Exit.REGRESSION, f"regression: {_cells(failed)}"
    elif not comparison.timed_cells and not comparison.counted_cells and not undecided:
        exit, summary = Exit.NOT_COMPARABLE, "not comparable: no cell has a speed in both runs, so nothing was shown"
    elif undecided:
        exit, summary = Exit.UNDECIDED, f"undecided: {_cells(undecided)}; {spared or _more(undecided)}"
    elif unfinished:
        exit, summary = Exit.UNDECIDED, f"undecided: {unfinished}"
    else:
        count = comparison.timed_cells or comparison.counted_cells
        exit, summary = Exit.PASS, f"pass: {count} cells, none worse than its budgets"
    return Decision(
        exit=exit, failed=tuple(failed), undecided=tuple(undecided), summary=summary, notes=tuple(notes), too_noisy=spared
    )


def of_change(change: Change, budgets: Table, too_noisy: str = "") -> Exit:
    """Of one change alone. An undecided one passes if it cannot be worse, only perhaps better."""
    if change.metric == CELL:
        if change.verdict in (Verdict.GONE, Verdict.BROKEN):
            return Exit.PASS if budgets.named(change.cell, CELL) >= 1 else Exit.REGRESSION
        return Exit.UNDECIDED if change.verdict is Verdict.UNDECIDED else Exit.PASS
    timed = change.low is not None
    if change.verdict is Verdict.WORSE:
        return Exit.UNDECIDED if too_noisy and timed else Exit.REGRESSION
    if change.verdict is Verdict.UNDECIDED:
        if change.high is None or change.budget is None:  # not told at all
            return Exit.UNDECIDED
        return Exit.PASS if change.high < 1 + change.budget else Exit.UNDECIDED
    return Exit.PASS


def _cells(changes: Sequence[Change]) -> str:
    named = list(dict.fromkeys(str(c.cell) for c in changes))
    return ", ".join(named[:5]) + (f" and {len(named) - 5} more cells" if len(named) > 5 else "")


def _more(undecided: Sequence[Change]) -> str:
    """What would decide them."""
    known = [c.more for c in undecided if c.more is not None]
    hopeless = [c for c in undecided if c.more is None and c.metric != CELL]
    told = []
    if known:
        told.append(f"about {max(known)} trials (or pairs) of each would decide {len(known)} of {len(undecided)} comparisons")
    if hopeless:
        told.append(
            f"no number of them would decide {len(hopeless)}: compare in one session with `bakeoff ab`, or on a quieter machine"
        )
    return "; ".join(told) or "they did not settle: run again on a quieter machine"


def _unneeded(comparison: Comparison, rows: Sequence[Row]) -> list[str]:
    """Rows that let nothing pass that would not pass by itself: their change is in the baseline by now."""
    notes = []
    for row in rows:
        mine = [c for c in comparison.changes if covers(row, c.cell, c.metric)]
        if mine and all(c.verdict in (Verdict.SAME, Verdict.BETTER) and abs((c.ratio or 1.0) - 1) < 0.01 for c in mine):
            notes.append(f"budgets.toml: nothing moved in {row.cells} ({row.metric}); its row ({row.reason}) may go")
    return notes
