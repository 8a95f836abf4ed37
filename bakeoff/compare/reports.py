"""How do two saved runs, or the two arms of one, compare? The report of their comparison."""

from collections.abc import Sequence

from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive.paired import Ab
from bakeoff.archive.saved_runs import Run
from bakeoff.authoring.errors import UsageError
from bakeoff.compare import comparable, pairs
from bakeoff.compare.budgets import Budgets
from bakeoff.compare.changes import compare
from bakeoff.compare.gate import decide
from bakeoff.compare.report import Report
from bakeoff.compare.verdicts import Rules
from bakeoff.records.cell import Cell
from bakeoff.system.terminal import clean


def of_runs(
    baseline: Run,
    candidate: Run,
    before: Sequence[CellSummary],
    after: Sequence[CellSummary],
    budgets: Budgets,
    *,
    gate: bool,
    force: bool = False,
    accept: str = "",
) -> Report:
    """One saved run against another. UsageError where they are not comparable, unless forced."""
    unlike = comparable.differences(before, after)
    forbidden = [d for d in unlike if d.forbids]
    if forbidden and not force:
        reasons = "; ".join(clean(str(d)) for d in forbidden)
        raise UsageError(f"{baseline.label} and {candidate.label} are not comparable: {reasons}; --force compares them anyway")
    warnings = [str(d) for d in unlike]
    if baseline.path.resolve() == candidate.path.resolve():
        warnings.append("both are the same run")
    table = budgets.of(pairs=False)
    rules = Rules(budget=table, family_wise_error_rate=budgets.family_wise_error_rate, session_sd=budgets.sessions)
    comparison = compare(before, after, rules)
    return Report(
        baseline=baseline.label,
        candidate=candidate.label,
        comparison=comparison,
        warnings=warnings,
        decision=decide(comparison, table, budgets.row) if gate else None,
        accept=accept,
    )


def of_pairs(run: Run, budgets: Budgets, *, gate: bool, accept: str = "", part: bool = False) -> Report:
    """The two arms of one session, or only `part` of its cells."""
    assert run.ab is not None
    comparison, table = pairs.comparison(run.ab, run.summaries, budgets), budgets.of(pairs=True)
    noisy = pairs.too_noisy(run.ab, budgets)
    quiet = [c for c in pairs.control(run.ab, budgets) if c.low is not None]
    few = "; it has too few pairs to show how noisy this session is"
    notes = [
        f"A/A control {c.cell}: ×{c.ratio:.4f} [{c.low:.4f}, {c.high:.4f}], {c.words}"
        f"{few * (not noisy and c.verdict != 'same')}"
        for c in quiet
    ]
    notes += pairs.failed(run.ab)
    if run.ab.alternated < len(run.ab.trials):
        notes.append(
            f"{run.ab.alternated} of {len(run.ab.trials)} pairs took turns; the others ran one process after the other"
        )
    notes += _compiled_apart(run.ab)
    judged = len({f.cell for f in run.ab.summaries} | {f.cell for f in run.summaries})
    unfinished = "" if run.ab.finished else "the session was interrupted: the verdicts are of the pairs that were measured"
    if judged < run.ab.planned and not part:
        unfinished = f"the session planned {run.ab.planned} cells, and measured {judged}"
    if unfinished:
        notes.append(unfinished)
    return Report(
        baseline=run.ab.baseline.label,
        candidate=run.ab.candidate.label,
        comparison=comparison,
        warnings=notes,
        decision=decide(comparison, table, budgets.row, too_noisy=noisy, unfinished=unfinished) if gate else None,
        accept=accept,
    )


def _compiled_apart(ab: Ab) -> list[str]:
    """A note on cells that compiled one after the other in all their pairs, if compile times are compared."""
    if not any(name in METRICS and METRICS[name].while_compiling for name in ab.metrics):
        return []
    found: dict[Cell, list[bool]] = {}
    for trial in ab.trials:
        if trial.measurement is not None and trial.measurement.alternated and not trial.eager:
            found.setdefault(trial.cell, []).append(trial.measurement.compiled_at_once)
    apart = [str(cell) for cell, at_once in found.items() if not any(at_once)]
    more = f" and {len(apart) - 3} more" if len(apart) > 3 else ""
    why = "compiled one after the other (too little memory, a GPU, an older Bakeoff): the machine may have changed in between"
    return [f"{', '.join(apart[:3])}{more} {why}"] if apart else []
