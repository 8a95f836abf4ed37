"""Two arms measured in one session, pair by pair: what is saved of them, and how it is read as a comparison.

The candidate's trials are the run's own; the baseline's, and two sets of the canary's, stand beside them. Trials of equal
cell and index are a pair.
"""

from collections.abc import Sequence

from bakeoff.analysis.intervals import least_pairs
from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive.paired import Ab
from bakeoff.compare.budgets import Budgets
from bakeoff.compare.changes import compare
from bakeoff.compare.verdicts import MISS, Change, Comparison, Rules, Verdict
from bakeoff.records.trial import TIMED

LOOKS = (7, 12, 20)  # pairs after which the verdicts are read


def probes(metrics: Sequence[str]) -> int:
    """Pairs beyond each look: where compile time is judged, the first of a cell only tells how much memory two of them take."""
    return int("compile_cold" in metrics)


def rules(ab: Ab, budgets: Budgets) -> Rules:
    """Pairs, three looks, and the whole planned matrix."""
    timed = [name for name in ab.metrics if name in METRICS]
    return Rules(
        budget=budgets.of(pairs=True),
        alarm=budgets.alarm,
        pairs=True,
        looks=tuple(look + probes(ab.metrics) for look in ab.looks),
        tests=ab.planned * max(1, len(timed)),
        metrics=(*timed, *(n for n, m in METRICS.items() if m.judged != "interval")),
    )


def compared(ab: Ab, candidate: Sequence[CellSummary], budgets: Budgets) -> Comparison:
    """The changes between the arms; values of equal position are a pair, and what has no partner is left out."""
    return compare(ab.summaries, candidate, rules(ab, budgets))


def too_noisy(ab: Ab, budgets: Budgets) -> str:
    """Why nothing timed may fail in this session: the baseline differs from itself, or failed before it could show anything.

    Empty if it does not, if there are too few pairs to tell, or if nobody asked.
    """
    enough = [c for c in control(ab, budgets) if min(c.trials) >= least_pairs(MISS)]
    if failed(ab) and not enough:
        return "the baseline against itself failed before it could show how noisy this session is"
    found = [c for c in enough if c.verdict is not Verdict.SAME]
    if not found:
        return ""
    told = "; ".join(f"{c.metric} ×{c.ratio:.3f} [{c.low:.3f}, {c.high:.3f}], {c.verdict}" for c in found if c.low is not None)
    return f"this session is too noisy: the baseline against itself ({found[0].cell}) is not the same: {told or found[0].note}"


def failed(ab: Ab) -> list[str]:
    """Cells of the canary that say nothing, and why; another cell may have taken their place."""
    lost = {f.cell: f"{f.status}: {f.reason[:200]}" for f in (*ab.control[0], *ab.control[1]) if f.status not in TIMED}
    return [f"the baseline against itself, {cell}, failed ({why})" for cell, why in lost.items()]


def control(ab: Ab, budgets: Budgets) -> list[Change]:
    """The baseline against itself: the session's own noise floor, judged with no correction, as it is one comparison."""
    lost = {f.cell for side in ab.control for f in side if f.status not in TIMED}
    before, after = ([f for f in side if f.cell not in lost] for side in ab.control)
    alone = Rules(budget=budgets.of(pairs=True), alarm=MISS, pairs=True, tests=1, metrics=("step",))
    return list(compare(before, after, alone).changes)
