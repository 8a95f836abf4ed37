"""What changed between the summaries of two runs? Each change has an interval and a verdict. Pure: no measuring, no files.

A verdict that blocks a merge must hold for the whole matrix at once: the probability that any bound is wrong is at most the
family-wise error rate (Bonferroni). Denying a change needs no such correction: each comparison has its own MISS.
docs/methodology.md has the definitions, docs/decisions/0006-a-verdict.md the reasons.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from bakeoff.analysis import intervals
from bakeoff.analysis.metric import JudgedBy, Metric
from bakeoff.analysis.metrics import CELL, METRICS, SPEED
from bakeoff.analysis.summary import CellSummary
from bakeoff.compare.verdicts import MISS, Change, Comparison, Rules, Verdict
from bakeoff.records.trial import Status

BY_RATIOS = "by its ratio to eager in each run"
MOVED_TOGETHER = 0.8  # share of the cells that changed in one direction
ROUNDING = 2.0**-23  # of float32, relative: a smaller error is as good as none


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
    return Comparison(
        changes=tuple(changes), floors=floors, notes=tuple(notes), of_speed=SPEED in rules.metrics, only_compiled=compiled
    )


def _unjudged(both: Sequence[tuple[CellSummary, CellSummary]]) -> list[str]:
    """Cells that failed in the same way in both runs: nothing of them was compared, so that they neither pass nor fail."""
    alike = [str(a.cell) for a, b in both if a.status == b.status and not (a.status.succeeded or a.status.was_timed)]
    more = f" and {len(alike) - 3} more" if len(alike) > 3 else ""
    return [f"failed in the same way in both runs, and not judged: {', '.join(alike[:3])}{more}"] if alike else []


def noise_floor(before: CellSummary, after: CellSummary, name: str, rules: Rules) -> float | None:
    """A/A: the difference between two halves of one run's trials (in pairs: of the ratios), the larger of both runs.

    As a ratio − 1; None with one trial. A half has fewer trials than the run, so this is too high rather than too low.
    """
    x, y = ([math.log(v) for v in f.values[name]] for f in (before, after))
    series = [[b - a for a, b in zip(x, y, strict=False)]] if rules.pairs else [x, y]
    apart = [abs(median(values[::2]) - median(values[1::2])) for values in series if len(values) >= 2]
    return math.expm1(max(apart)) if apart else None


def _cell(before: CellSummary | None, after: CellSummary | None, rules: Rules) -> list[Change]:
    if before is None or after is None:
        there = before or after
        assert there is not None
        note = f"was {there.status}" if after is None else f"{there.status}"
        return [Change(cell=there.cell, metric=CELL, verdict=Verdict.GONE if after is None else Verdict.NEW, note=note)]
    changes = _status(before, after)
    for name in rules.metrics:
        metric = METRICS[name]
        if metric.judged_by is JudgedBy.INTERVAL and name in _valued(before, after, rules):
            changes.append(_by_ratios(before, after, metric, rules) or _timed(before, after, metric, rules))
        elif metric.judged_by is JudgedBy.INTERVAL and before.values.get(name) and after.values.get(name):
            note = "a value of 0 has no ratio; a metric that can be 0 needs a `floor` in its definition"
            changes.append(Change(cell=after.cell, metric=name, verdict=Verdict.UNDECIDED, note=note))
        elif metric.judged_by is JudgedBy.EXACT and name in before.counts and name in after.counts:
            changes.append(_exact(before, after, metric, rules))
        elif metric.judged_by is JudgedBy.LEVEL and name in before.levels and name in after.levels:
            changes.append(_level(before, after, metric, rules))
        elif before.status.succeeded and after.status.succeeded and _known(before, metric) > _known(after, metric):
            note = "the baseline has it, the candidate does not (--no-diagnosis, or its diagnosing child failed)"
            changes.append(Change(cell=after.cell, metric=name, verdict=Verdict.UNDECIDED, note=note))
        elif rules.pairs and before.status.succeeded and _known(after, metric) and metric.judged_by is JudgedBy.EXACT:
            note = "the candidate has it, the baseline of the same session does not: its diagnosing child failed"
            changes.append(Change(cell=after.cell, metric=name, verdict=Verdict.UNDECIDED, note=note))
    return changes


def _known(summary: CellSummary, metric: Metric) -> bool:
    """Does the run know this metric of the cell?"""
    return summary.status.succeeded and bool(summary.all_of(metric))


def _status(before: CellSummary, after: CellSummary) -> list[Change]:
    """A change of the cell's status, if there is one. An unsteady cell is undecided: the machine may be the cause."""
    if before.status == after.status and after.status is not Status.UNSTEADY:
        return []
    if after.status is Status.UNSTEADY or (before.status is Status.UNSTEADY and after.status is Status.OK):
        verdict = Verdict.UNDECIDED
    elif after.status.succeeded:
        verdict = Verdict.FIXED
    else:
        verdict = Verdict.BROKEN
    reason = after.reason if not after.status.succeeded else before.reason
    note = f"{before.status} → {after.status}: {reason}"
    return [Change(cell=after.cell, metric=CELL, verdict=verdict, trials=(before.trials, after.trials), note=note)]


def _by_ratios(before: CellSummary, after: CellSummary, metric: Metric, rules: Rules) -> Change | None:
    """The speed of a cell by its ratio to eager in both runs, which a changed machine does not spoil. None without ratios."""
    x, y = before.ratio_eager, after.ratio_eager
    if rules.pairs or metric.name != SPEED or x is None or y is None:
        return None
    error = math.hypot(x.error, y.error, math.sqrt(2) * rules.session_sd.get("ratio_eager", 0.0))
    freedom = error**4 / (x.error**4 / x.freedom + y.error**4 / y.freedom)  # Welch 1947
    slower = x.log - y.log  # steps take longer where the speed over eager has become less
    strict, plain = (intervals.of_estimate(slower, error, freedom, risk) for risk in (rules.change_risk, rules.miss_risk))
    budget = rules.budget(after.cell, metric)
    verdict, note = verdict_of(strict, plain, budget, None), BY_RATIOS
    if verdict is Verdict.UNDECIDED and verdict_of(plain, plain, budget, None) in (Verdict.BETTER, Verdict.WORSE):
        note = f"{BY_RATIOS}; by itself it changed, but not certain enough among {rules.tests} comparisons"
    return Change(
        cell=after.cell,
        metric=metric.name,
        verdict=verdict,
        baseline=median(before.values[metric.name]),
        candidate=median(after.values[metric.name]),
        ratio=math.exp(plain.estimate),
        low=math.exp(plain.low),
        high=math.exp(min(plain.high, 700.0)),
        budget=budget,
        trials=(x.groups, y.groups),
        note=note,
    )


def _timed(before: CellSummary, after: CellSummary, metric: Metric, rules: Rules) -> Change:
    name, budget = metric.name, rules.budget(after.cell, metric)
    floor = noise_floor(before, after, name, rules)
    risk = rules.change_risk
    strict, plain = (_interval(before, after, metric, rules, r) for r in (risk, rules.miss_risk))
    verdict, note = verdict_of(strict, plain, budget, floor), ""
    if verdict is Verdict.UNDECIDED and (alone := verdict_of(plain, plain, budget, None)) in (Verdict.BETTER, Verdict.WORSE):
        word = metric.word_for_better if alone is Verdict.BETTER else metric.word_for_worse
        note = f"{word} by itself, but not certain enough among {rules.tests} comparisons"
        if verdict_of(strict, plain, budget, None) is not Verdict.UNDECIDED:
            note = f"within the A/A noise of its own trials, ±{floor or 0:.1%}"
    doubt = _doubt(before, after, metric, rules, strict, verdict)
    if doubt:
        verdict, note = Verdict.UNDECIDED, doubt
    trials = len(before.values[name]), len(after.values[name])
    shown = plain.mirrored() if metric.higher_is_better else plain
    return Change(
        cell=after.cell,
        metric=name,
        verdict=verdict,
        baseline=median(before.values[name]),
        candidate=median(after.values[name]),
        ratio=math.exp(min(shown.estimate, 700.0)),
        low=None if doubt else math.exp(shown.low),  # the gate must not read a pass from bounds that are in doubt
        high=None if doubt else math.exp(shown.high) if shown.high < 700 else math.inf,
        budget=budget,
        floor=floor,
        trials=trials,
        more=_more(before, after, metric, rules, plain.estimate, budget) if verdict is Verdict.UNDECIDED else None,
        note=note,
    )


def _doubt(
    before: CellSummary, after: CellSummary, metric: Metric, rules: Rules, strict: intervals.Interval, verdict: Verdict
) -> str:
    """Why no verdict may rest on the interval: contention, or another statistic of the same samples. Empty: it may."""
    # contention may differ between two sessions; the two sides of a pair share it
    doubtful = [s for s in (before, after) if not s.trust.speed_can_be_compared]
    if doubtful and not rules.pairs and metric.affected_by_contention:
        share = min(s.trust.cpu_share for s in doubtful)
        return f"measured beside other work: it had a CPU for {share:.0%} of the time"
    if not metric.must_agree:
        return ""
    other = METRICS[metric.must_agree]
    called = verdict in (Verdict.BETTER, Verdict.WORSE)
    typical = _interval(before, after, other, rules, MISS if called else rules.change_risk)
    ratio = f"×{math.exp(typical.mirrored().estimate if other.higher_is_better else typical.estimate):.3f}"
    names = f"{metric.title} (low percentile) and {other.title}"
    worse = typical.low > math.log1p(rules.budget(after.cell, metric))
    if called:
        return f"{names} ({ratio}) disagree" if typical.estimate * strict.estimate < 0 else ""
    if worse:
        first = "is the same" if verdict is Verdict.SAME else "is undecided"
        return f"{names} disagree: the first {first}, the second {ratio}"
    if verdict is Verdict.SAME and before.block != after.block:
        return f"timed in blocks of {before.block} steps in one run and of {after.block} in the other"
    return ""


def verdict_of(strict: intervals.Interval, plain: intervals.Interval, budget: float, floor: float | None) -> Verdict:
    """`strict` must lie beyond the budget to call a change, `plain` within it to deny one. More than 0 is worse."""
    limit = math.log1p(budget)
    if floor is None or abs(strict.estimate) > math.log1p(floor):
        if strict.low > limit:
            return Verdict.WORSE
        if strict.high < -limit:
            return Verdict.BETTER
    return Verdict.SAME if -limit <= plain.low and plain.high <= limit else Verdict.UNDECIDED


def _interval(before: CellSummary, after: CellSummary, metric: Metric, rules: Rules, risk: float) -> intervals.Interval:
    """Of the logarithm of candidate to baseline, turned so that more than 0 is worse."""
    x, y = ([math.log(value) for value in summary.values[metric.name]] for summary in (before, after))
    if metric.higher_is_better:
        x, y = y, x
    if rules.pairs:
        return intervals.paired([b - a for a, b in zip(x, y, strict=False)], risk)
    return intervals.unpaired(x, y, risk).widened(intervals.normal_quantile(risk) * math.sqrt(2) * _session_sd(metric, rules))


def _session_sd(metric: Metric, rules: Rules) -> float:
    """Of one session; a metric that another one must agree with varies as that one does."""
    of = next((m for m in METRICS.values() if m.must_agree == metric.name), metric)
    return rules.session_sd.get(metric.name, rules.session_sd.get(of.name, 0.0))


def _more(before: CellSummary, after: CellSummary, metric: Metric, rules: Rules, estimate: float, budget: float) -> int | None:
    """How many trials per run would bring the bounds clear of the budget; None where no number would."""
    x, y = ([math.log(value) for value in summary.values[metric.name]] for summary in (before, after))
    risk = rules.change_risk
    enough = intervals.least_pairs(risk) if rules.pairs else intervals.least_trials(risk)
    if min(len(x), len(y)) < 3:
        return enough
    variance = intervals.spread([b - a for a, b in zip(x, y, strict=False)]) ** 2
    if not rules.pairs:
        variance = intervals.spread(x) ** 2 + intervals.spread(y) ** 2
    distance = abs(abs(estimate) - math.log1p(budget))
    quantile = intervals.normal_quantile(risk if abs(estimate) > math.log1p(budget) else MISS)
    allowed = (distance / quantile) ** 2 - (0.0 if rules.pairs else 2 * _session_sd(metric, rules) ** 2)
    if allowed <= 0 or variance / allowed > 200:
        return None
    return max(enough, math.ceil(variance / allowed), min(len(x), len(y)) + 1)


def _exact(before: CellSummary, after: CellSummary, metric: Metric, rules: Rules) -> Change:
    """Counts have no noise: any difference beyond the budget, which is a number of them, is a change."""
    x, y, budget = before.counts[metric.name], after.counts[metric.name], rules.budget(after.cell, metric)
    worse_by = x - y if metric.higher_is_better else y - x
    verdict = Verdict.BETTER if worse_by < 0 else Verdict.SAME if worse_by <= budget else Verdict.WORSE
    ratio = y / x if x else None
    return Change(cell=after.cell, metric=metric.name, verdict=verdict, baseline=x, candidate=y, ratio=ratio, budget=budget)


def _level(before: CellSummary, after: CellSummary, metric: Metric, rules: Rules) -> Change:
    """A number far below its tolerance may change by a factor without consequence, and so may one below rounding."""
    x, y, budget = before.levels[metric.name], after.levels[metric.name], rules.budget(after.cell, metric)
    ratio = max(y, ROUNDING) / max(x, ROUNDING)
    worse = metric.worsening(ratio)
    verdict = Verdict.WORSE if worse > 1 + budget else Verdict.BETTER if worse < 1 / (1 + budget) else Verdict.SAME
    return Change(cell=after.cell, metric=metric.name, verdict=verdict, baseline=x, candidate=y, ratio=ratio, budget=budget)


def _valued(before: CellSummary, after: CellSummary, rules: Rules) -> list[str]:
    """Metrics that both have values of."""
    return [
        n
        for n in rules.metrics
        if before.values.get(n) and after.values.get(n) and min(*before.values[n], *after.values[n]) > 0
    ]


def _moved_together(changes: Sequence[Change], floors: Mapping[str, float]) -> list[str]:
    """Notes that most cells changed together: a slower machine and a slower shared part of the code look the same."""
    notes = []
    for name, floor in floors.items():
        shifts = [math.log(c.ratio) for c in changes if c.metric == name and c.ratio is not None]
        middle = median(shifts) if len(shifts) >= 5 else 0.0
        if abs(middle) > math.log1p(max(floor, 0.01)) and sum(s * middle > 0 for s in shifts) >= MOVED_TOGETHER * len(shifts):
            notes.append(
                f"{METRICS[name].title}: {len(shifts)} cells changed together, by a median of ×{math.exp(middle):.3f}: "
                f"the machine, or something that all of them share"
            )
    return notes
