"""CellSummary of two runs → what changed, each with an interval and a verdict. Pure: nothing here measures or reads files.

A verdict that blocks a merge must hold for the whole matrix at once: its bound is wrong with probability `alarm` over all
comparisons together (Bonferroni). That a change is *not* there needs no such care: each comparison's own `miss`.
docs/methodology.md has the definitions, docs/decisions/0006-a-verdict.md the reasons.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from bakeoff.analysis import intervals
from bakeoff.analysis.metrics import CELL, METRICS, Judged, Metric
from bakeoff.analysis.results import LEAST_CPU_SHARE
from bakeoff.analysis.summary import TYPICAL, CellSummary
from bakeoff.compare.verdicts import MISS, Change, Comparison, Rules, Verdict
from bakeoff.records.trial import Status

GOOD = (Status.OK, Status.COMPILED)
MOVED_TOGETHER = 0.8  # of the cells in one direction
ROUNDING = 2.0**-23  # of float32, relative: what is less cannot be told from no error at all


def compare(baseline: Sequence[CellSummary], candidate: Sequence[CellSummary], rules: Rules) -> Comparison:
    """Every cell of either run."""
    before, after = ({f.cell: f for f in run} for run in (baseline, candidate))
    both = [(before[cell], after[cell]) for cell in before if cell in after]
    if rules.tests is None:
        rules = replace(rules, tests=sum(len(_valued(a, b, rules)) for a, b in both))
    changes = [c for cell in dict.fromkeys((*before, *after)) for c in _cell(before.get(cell), after.get(cell), rules)]
    floors = {}
    for name in rules.metrics:
        apart = sorted(c.floor for c in changes if c.metric == name and c.floor is not None)
        if apart:
            floors[name] = apart[math.ceil(0.95 * len(apart)) - 1]
    compiled = any(a.status is Status.COMPILED and b.status is Status.COMPILED for a, b in both)
    notes = [*_moved_together(changes, floors), *_unjudged(both)]
    return Comparison(changes=tuple(changes), floors=floors, notes=tuple(notes), only_compiled=compiled)


def _unjudged(both: Sequence[tuple[CellSummary, CellSummary]]) -> list[str]:
    """Cells that failed alike in both runs: nothing of them was compared, which is no finding and no pass either."""
    alike = [str(a.cell) for a, b in both if a.status == b.status and a.status not in (*GOOD, Status.UNSTEADY)]
    more = f" and {len(alike) - 3} more" if len(alike) > 3 else ""
    return [f"failed alike in both runs, and not judged: {', '.join(alike[:3])}{more}"] if alike else []


def noise_floor(before: CellSummary, after: CellSummary, name: str, rules: Rules) -> float | None:
    """A/A: how far two halves of one run's trials (in pairs: of the ratios) lie apart, the larger of both runs, as ratio − 1.

    None with one trial. A half has fewer trials than the run, so it errs high.
    """
    x, y = ([math.log(v) for v in f.values[name]] for f in (before, after))
    series = [[b - a for a, b in zip(x, y, strict=False)]] if rules.pairs else [x, y]
    apart = [abs(median(values[::2]) - median(values[1::2])) for values in series if len(values) >= 2]
    return math.expm1(max(apart)) if apart else None


def _cell(before: CellSummary | None, after: CellSummary | None, rules: Rules) -> list[Change]:
    if before is None or after is None:
        there = before or after
        assert there is not None
        told = f"was {there.status}" if after is None else f"{there.status}"
        return [Change(cell=there.cell, metric=CELL, verdict=Verdict.GONE if after is None else Verdict.NEW, note=told)]
    changes = _status(before, after)
    for name in rules.metrics:
        metric = METRICS[name]
        if metric.judged is Judged.INTERVAL and name in _valued(before, after, rules):
            changes.append(_timed(before, after, metric, rules))
        elif metric.judged is Judged.EXACT and name in before.counts and name in after.counts:
            changes.append(_exact(before, after, metric, rules))
        elif metric.judged is Judged.LEVEL and before.parity is not None and after.parity is not None:
            changes.append(_level(before, after, metric, rules))
        elif before.status in GOOD and after.status in GOOD and _told(before, name) > _told(after, name):
            note = "the baseline has it, and the candidate does not tell (--no-diagnosis, another child that failed)"
            changes.append(Change(cell=after.cell, metric=name, verdict=Verdict.UNDECIDED, note=note))
        elif rules.pairs and before.status in GOOD and _told(after, name) and metric.judged is Judged.EXACT:
            note = "the candidate has it, and the baseline of the same session does not tell: its diagnosing child failed"
            changes.append(Change(cell=after.cell, metric=name, verdict=Verdict.UNDECIDED, note=note))
    return changes


def _told(figures: CellSummary, name: str) -> bool:
    """Does the run know this metric of the cell?"""
    known = figures.parity is not None if METRICS[name].judged is Judged.LEVEL else name in figures.counts
    return figures.status in GOOD and (known or bool(figures.values.get(name)))


def _status(before: CellSummary, after: CellSummary) -> list[Change]:
    """A change of the cell's status, if there is one. That steps did not settle may be the machine's doing."""
    if before.status == after.status and after.status is not Status.UNSTEADY:
        return []
    if after.status is Status.UNSTEADY or (before.status is Status.UNSTEADY and after.status is Status.OK):
        verdict = Verdict.UNDECIDED
    elif after.status in GOOD:
        verdict = Verdict.FIXED
    else:
        verdict = Verdict.BROKEN
    reason = after.reason if after.status not in GOOD else before.reason
    note = f"{before.status} → {after.status}: {reason}"
    return [Change(cell=after.cell, metric=CELL, verdict=verdict, trials=(before.trials, after.trials), note=note)]


def _timed(before: CellSummary, after: CellSummary, metric: Metric, rules: Rules) -> Change:
    name, budget = metric.name, rules.budget(after.cell, metric)
    floor = noise_floor(before, after, name, rules)
    risk = rules.alarm_risk
    alarm, told = (_interval(before, after, name, rules, r) for r in (risk, rules.miss_risk))
    verdict, note = decide(alarm, told, budget, floor), ""
    if verdict is Verdict.UNDECIDED and decide(told, told, budget, None) in (Verdict.BETTER, Verdict.WORSE):
        note = f"{decide(told, told, budget, None)} by itself, but not sure enough among {rules.tests} comparisons"
        if decide(alarm, told, budget, None) is not Verdict.UNDECIDED:
            note = f"inside the A/A noise of its own trials, ±{floor or 0:.1%}"
    if name == "step" and verdict in (Verdict.BETTER, Verdict.WORSE):
        typical = _interval(before, after, TYPICAL, rules, MISS)
        if typical.estimate * alarm.estimate < 0:
            verdict = Verdict.UNDECIDED
            note = f"fast steps (10th percentile) and typical ones (median, ×{math.exp(typical.estimate):.3f}) disagree"
    if name == "step" and verdict is Verdict.SAME:
        typical = _interval(before, after, TYPICAL, rules, risk)
        if typical.low > math.log1p(budget):
            verdict = Verdict.UNDECIDED
            note = f"fast steps (10th percentile) are the same, typical ones (median) ×{math.exp(typical.estimate):.3f}"
        elif before.block != after.block:
            verdict, note = Verdict.UNDECIDED, f"timed by {before.block} steps in one run and by {after.block} in the other"
    share = min(before.cpu_share, after.cpu_share)
    if not rules.pairs and metric.unit == "s" and share < LEAST_CPU_SHARE and verdict in (Verdict.BETTER, Verdict.WORSE):
        # two sessions may have had different company; a pair has the same
        verdict, note = Verdict.UNDECIDED, f"measured beside other work: it had a CPU for {share:.0%} of the time"
    # no bounds of what steps are not: the gate must not read a pass from them
    vague = verdict is Verdict.UNDECIDED and decide(alarm, told, budget, floor) is Verdict.SAME
    trials = len(before.values[name]), len(after.values[name])
    return Change(
        cell=after.cell,
        metric=name,
        verdict=verdict,
        baseline=median(before.values[name]),
        candidate=median(after.values[name]),
        ratio=math.exp(min(told.estimate, 700.0)),
        low=None if vague else math.exp(told.low),
        high=None if vague else math.exp(told.high) if told.high < 700 else math.inf,
        budget=budget,
        floor=floor,
        trials=trials,
        more=_more(before, after, metric, rules, risk, told.estimate, budget) if verdict is Verdict.UNDECIDED else None,
        note=note,
    )


def decide(alarm: intervals.Interval, told: intervals.Interval, budget: float, floor: float | None) -> Verdict:
    """Three ways, and better. `alarm` must lie beyond the budget to call a change, `told` within it to deny one."""
    limit = math.log1p(budget)
    if floor is None or abs(alarm.estimate) > math.log1p(floor):
        if alarm.low > limit:
            return Verdict.WORSE
        if alarm.high < -limit:
            return Verdict.BETTER
    return Verdict.SAME if -limit <= told.low and told.high <= limit else Verdict.UNDECIDED


def _interval(before: CellSummary, after: CellSummary, name: str, rules: Rules, risk: float) -> intervals.Interval:
    x, y = ([math.log(value) for value in figures.values[name]] for figures in (before, after))
    if rules.pairs:
        return intervals.paired([b - a for a, b in zip(x, y, strict=False)], risk)
    metric = "step" if name == TYPICAL else name
    apart = math.sqrt(2) * rules.session_sd.get(metric, 0.0)  # two sessions
    return intervals.unpaired(x, y, risk).widened(intervals.normal_quantile(risk) * apart)


def _more(
    before: CellSummary, after: CellSummary, metric: Metric, rules: Rules, risk: float, estimate: float, budget: float
) -> int | None:
    """How many trials per run would bring the bounds clear of the budget; None where no number would."""
    x, y = ([math.log(value) for value in figures.values[metric.name]] for figures in (before, after))
    enough = intervals.least_pairs(risk) if rules.pairs else intervals.least_trials(risk)
    if min(len(x), len(y)) < 3:
        return enough
    variance = intervals.spread([b - a for a, b in zip(x, y, strict=False)]) ** 2
    if not rules.pairs:
        variance = intervals.spread(x) ** 2 + intervals.spread(y) ** 2
    distance = abs(abs(estimate) - math.log1p(budget))
    quantile = intervals.normal_quantile(risk if abs(estimate) > math.log1p(budget) else MISS)
    room = (distance / quantile) ** 2 - (0.0 if rules.pairs else 2 * rules.session_sd.get(metric.name, 0.0) ** 2)
    if room <= 0 or variance / room > 200:
        return None
    return max(enough, math.ceil(variance / room), min(len(x), len(y)) + 1)


def _exact(before: CellSummary, after: CellSummary, metric: Metric, rules: Rules) -> Change:
    """Counts have no noise: any difference beyond the budget, a number of them, is one."""
    x, y, budget = before.counts[metric.name], after.counts[metric.name], rules.budget(after.cell, metric)
    verdict = Verdict.SAME if x == y or 0 < y - x <= budget else Verdict.WORSE if y > x else Verdict.BETTER
    ratio = y / x if x else None
    return Change(cell=after.cell, metric=metric.name, verdict=verdict, baseline=x, candidate=y, ratio=ratio, budget=budget)


def _level(before: CellSummary, after: CellSummary, metric: Metric, rules: Rules) -> Change:
    """An error far below its tolerance may move by a factor without meaning anything, and so may one below a rounding."""
    x, y, budget = before.parity or 0.0, after.parity or 0.0, rules.budget(after.cell, metric)
    ratio = max(y, ROUNDING) / max(x, ROUNDING)
    verdict = Verdict.WORSE if ratio > 1 + budget else Verdict.BETTER if ratio < 1 / (1 + budget) else Verdict.SAME
    return Change(cell=after.cell, metric=metric.name, verdict=verdict, baseline=x, candidate=y, ratio=ratio, budget=budget)


def _valued(before: CellSummary, after: CellSummary, rules: Rules) -> list[str]:
    """Metrics that both have values of."""
    return [
        n
        for n in rules.metrics
        if before.values.get(n) and after.values.get(n) and min(*before.values[n], *after.values[n]) > 0
    ]


def _moved_together(changes: Sequence[Change], floors: Mapping[str, float]) -> list[str]:
    """A slower machine and a slower part that all cells share look alike; that they moved together is said."""
    notes = []
    for name, floor in floors.items():
        shifts = [math.log(c.ratio) for c in changes if c.metric == name and c.ratio is not None]
        middle = median(shifts) if len(shifts) >= 5 else 0.0
        if abs(middle) > math.log1p(max(floor, 0.01)) and sum(s * middle > 0 for s in shifts) >= MOVED_TOGETHER * len(shifts):
            notes.append(
                f"{METRICS[name].title}: {len(shifts)} cells moved together, by ×{math.exp(middle):.3f} in the middle: "
                f"the machine's state, or something that all of them share"
            )
    return notes
