"""What changed between two arms that were measured in pairs, and how many pairs does a verdict need?

The candidate's trials are the run's own; the baseline's and two sets of the control's are saved beside them. Trials of the same
cell and index are a pair.
"""

from collections.abc import Sequence

from bakeoff.analysis.intervals import least_pairs
from bakeoff.analysis.metric import JudgedBy
from bakeoff.analysis.metrics import METRICS, SPEED, compared
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive.paired import Ab
from bakeoff.compare.budgets import Budgets
from bakeoff.compare.changes import compare
from bakeoff.compare.verdicts import MISS, Change, Comparison, Rules, Verdict

INTERIM_ANALYSES = (7, 12, 20)  # numbers of pairs after which verdicts are read


def extra_pairs(metrics: Sequence[str]) -> int:
    """1 if compiling is compared, because compile times of the first pair do not count (it shows how much memory two need)."""
    return int(any(name in METRICS and METRICS[name].while_compiling for name in metrics))


def rules(ab: Ab, budgets: Budgets) -> Rules:
    """Pairs, their interim analyses, and the whole planned matrix."""
    timed = [name for name in ab.metrics if name in METRICS]
    return Rules(
        budget=budgets.of(pairs=True),
        family_wise_error_rate=budgets.family_wise_error_rate,
        pairs=True,
        interim_analyses=tuple(pairs + extra_pairs(ab.metrics) for pairs in ab.interim_analyses),
        tests=ab.planned * max(1, len(timed)),
        metrics=(*timed, *(n for n, m in compared().items() if m.judged_by is not JudgedBy.INTERVAL)),
    )


def comparison(ab: Ab, candidate: Sequence[CellSummary], budgets: Budgets) -> Comparison:
    """The changes between the arms. Values at the same position are a pair; those without a partner are left out."""
    return compare(ab.summaries, candidate, rules(ab, budgets))


def too_noisy(ab: Ab, budgets: Budgets) -> str:
    """Why no timing regression is reported: the A/A control differs, or failed before it could show anything.

    Empty if the control is the same, if there are too few pairs to tell, or without a control.
    """
    enough = [c for c in control(ab, budgets) if min(c.trials) >= least_pairs(MISS)]
    if failed(ab) and not enough:
        return "the A/A control failed, so that the noise of this session is unknown"
    found = [c for c in enough if c.verdict is not Verdict.SAME]
    if not found:
        return ""
    bounded = [c for c in found if c.low is not None]
    ratios = "; ".join(f"{c.metric} ×{c.ratio:.3f} [{c.low:.3f}, {c.high:.3f}], {c.words}" for c in bounded)
    return f"this session is too noisy: the A/A control ({found[0].cell}) is not the same: {ratios or found[0].note}"


def failed(ab: Ab) -> list[str]:
    """Cells of the control that failed, and why; another cell may have replaced them."""
    lost = {f.cell: f"{f.status}: {f.reason[:200]}" for f in (*ab.control[0], *ab.control[1]) if not f.status.was_timed}
    return [f"the A/A control {cell} failed ({why})" for cell, why in lost.items()]


def control(ab: Ab, budgets: Budgets) -> list[Change]:
    """The A/A control: the session's own noise, judged without correction, as it is one comparison."""
    lost = {f.cell for side in ab.control for f in side if not f.status.was_timed}
    before, after = ([f for f in side if f.cell not in lost] for side in ab.control)
    alone = Rules(budget=budgets.of(pairs=True), family_wise_error_rate=MISS, pairs=True, tests=1, metrics=(SPEED,))
    return list(compare(before, after, alone).changes)
