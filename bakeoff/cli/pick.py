"""bakeoff pick: which stack takes the least time for a number of steps? Reads a saved run; --measure makes one first."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from bakeoff import tasks
from bakeoff.analysis.cost import Costs, Total
from bakeoff.analysis.formatting import seconds
from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.results import CellResult
from bakeoff.archive import saved_runs
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import _common
from bakeoff.compare import evidence
from bakeoff.compare.evidence import Evidence
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Status
from bakeoff.runner import options
from bakeoff.runner.option_values import at_least
from bakeoff.runner.plan import Plan
from bakeoff.system import terminal
from bakeoff.views import columns
from bakeoff.views.matrix import ratio_as_json, short

MOST_RANKED_STEPS = 10**12
ALONE = "had no turn beside the others (an older Bakeoff, or too little memory): measure again, with --measure"
UNDECIDED = 3  # exit code, the same as that of `bakeoff gate`


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    picking = _common.add(
        verbs,
        "pick",
        "which stack takes the least time for a number of steps, by the latest saved run of the model",
        "bakeoff pick mlp --steps 10000",
        "bakeoff pick lstm --steps 500 --mode training --run 0007",
        "bakeoff pick mlp --steps 10000 --measure     # if there is no saved run of it",
    )
    picking.add_argument("model", metavar="MODEL", help="file name in models/, without .py")
    picking.add_argument("--steps", type=int, required=True, metavar="N", help="the number of steps to run")
    picking.add_argument("--mode", default=str(Mode.INFERENCE), metavar="MODE", help="what a step is (default: inference)")
    picking.add_argument(
        "--stacks", metavar="A,B", help="only these stacks (default: all that run a model in one process from its Python code)"
    )
    picking.add_argument("--run", metavar="RUN", help="number, name or path (default: the latest of this machine and settings)")
    picking.add_argument("--measure", action="store_true", help="measure and save first, with warm starts")
    picking.add_argument("--json", action="store_true", help="print the ranking and its evidence as JSON")
    _common.add_storage(picking)
    options.add(picking, options.RUN, tasks.options("pick"))
    picking.set_defaults(do=_pick)


def _pick(asked: argparse.Namespace) -> int:
    at_least(1, asked.steps, "--steps")
    if asked.steps > MOST_RANKED_STEPS:
        raise UsageError(f"--steps {asked.steps}: at most {MOST_RANKED_STEPS:,}")
    if asked.target:
        raise UsageError(f"--target {asked.target} only compiles, and pick chooses by speed: leave it out")
    if asked.measure and asked.run is not None:
        raise UsageError("--measure makes a new run, and --run names an existing one: leave one of them out")
    plan = _common.plan(asked, models=asked.model, modes=asked.mode)
    if len(plan.models) != 1 or len(plan.modes) != 1:
        raise UsageError("pick chooses for one model and one mode: name one of each")
    found = _evidence(asked, plan)
    costs = costs_of(found)
    ranking = costs.totals(asked.steps)
    if asked.json:
        print(json.dumps(_record(asked, found, ranking), indent=1))
    else:
        print(*_text(asked, found, ranking), sep="\n")
    if ranking:
        return 0
    return UNDECIDED if costs.alone else 1


def costs_of(found: Evidence, *, warm: bool = False) -> Costs:
    """What the stacks of the evidence cost. `warm`: from disk caches, if there are."""
    cell = found.results[0].cell if found.results else None
    if cell is None:
        return Costs(found.ratios, "", Mode.INFERENCE, [], warm=warm)
    return Costs(found.ratios, cell.model, cell.mode, [r.cell.stack for r in found.results], warm=warm)


def _evidence(asked: argparse.Namespace, plan: Plan) -> Evidence:
    """The results to choose by: measured now, from the named run, or from the latest run with these settings."""
    stacks = None if asked.stacks is None else [stack.name for stack in plan.stacks]
    if asked.measure:
        session, path = _common.measured_and_saved(asked, plan)
        source, cell = f"measured now, saved run {path.name[:4]}", (plan.models[0].name, plan.modes[0])
        return evidence.of(session.trials, *cell, stacks, source, plan.settings, band=plan.band)
    model, mode, storage = plan.models[0].name, plan.modes[0], _common.saved_in(asked)
    if asked.run is not None:
        return evidence.named(asked.run, storage, model, mode, stacks, plan.settings, plan.band)
    alone = [stack.name for stack in plan.all_stacks if stack.workers is None and stack.exported_by is None]
    return evidence.latest(storage, model, mode, stacks, plan.settings, stacks or alone, plan.band)


def _record(asked: argparse.Namespace, found: Evidence, ranking: Sequence[Total]) -> dict[str, object]:
    warm = {t.result.cell: t.seconds for t in costs_of(found, warm=True).totals(asked.steps)}
    rows = [
        {
            "stack": total.result.cell.stack,
            "wins": total.wins,
            "total_s": total.seconds,
            "low_s": total.span.low,
            "high_s": total.span.high,
            "ratio_best": ratio_as_json(found.ratios.over_best(total.result.cell, [t.result.cell.stack for t in ranking])),
            "compile_s": total.result.compile_s,
            "step_s": total.result.step_s,
            "warm_compile_s": total.result.warm_compile_s,
            "warm_total_s": warm.get(total.result.cell) if total.result.warm_compile_s is not None else None,
            "metrics": {n: v for n, m in METRICS.items() if (v := m.value(total.result)) is not None},
            "processes": len(total.result.measurements),
            "doubts": [finding.text for finding in total.result.trust.findings],
        }
        for total in ranking
    ]
    return {
        "model": asked.model,
        "mode": asked.mode,
        "steps": asked.steps,
        "source": found.source,
        "settings": saved_runs.to_json(found.settings),
        "winners": [_name(total) for total in ranking if total.wins],
        "measured_alone": costs_of(found).alone,
        "ranking": rows,
        "by_steps": {"cold": _ranges(costs_of(found)), "warm": _ranges(costs_of(found, warm=True))},
        "no_speed": [{"stack": name, "status": status, "reason": why} for name, status, why in _without(found.results)],
        "remarks": list(found.remarks),
    }


def _ranges(costs: Costs) -> list[dict[str, object]]:
    return [
        {"stack": r.result.cell.stack, "from_steps": r.from_steps, "earliest": r.earliest, "latest": r.latest}
        for r in costs.ranges()
    ]


def _text(asked: argparse.Namespace, found: Evidence, ranking: Sequence[Total]) -> list[str]:
    width = terminal.columns(sys.stdout)
    of = found.settings
    shape = "".join(f", {field}" for field in of.shape) + (f", batch {of.batch_size}" if of.batch_size else "")
    where = f"{of.device}, {of.threads} thread{'s' * (of.threads != 1)}, size {of.size}{shape}, {of.dtype}"
    out = columns.wrapped(f"{asked.model} {asked.mode}, {asked.steps:,} steps; {where}; {found.source}", width)
    if ranking:
        out += ["", *_table(ranking, found, width)]
    out += [line for text in verdict(ranking, found) for line in columns.wrapped(text, width, "  ")]
    lines = [f"no speed: {name} ({status}): {reason}" for name, status, reason in _without(found.results)]
    return out + [line for text in (*lines, *found.remarks) for line in columns.wrapped(text, width, "  ")]


def _table(ranking: Sequence[Total], found: Evidence, width: int) -> list[str]:
    warm = {t.result.cell: t.seconds for t in costs_of(found, warm=True).totals(ranking[0].steps)}
    stacks = [_name(total) for total in ranking]
    rows = []
    for total in ranking:
        result, span, ratio = total.result, total.span, found.ratios.over_best(total.result.cell, stacks)
        again = _time(warm[result.cell]) if result.warm_compile_s is not None else "–"
        times = (_time(total.seconds), f"{_time(span.low)} – {_time(span.high)}", _time(result.compile_s))
        speed = "–" if ratio is None else short(ratio) if ratio.error else "the best"
        rows.append((result.cell.stack, *times, seconds(result.step_s), speed, again))
    names = ("stack", "total", "between", "compile", "step", "speed over the best", "if warm")
    tables = columns.packed(columns.of_rows(names, rows), width)
    return [line for table in tables for line in (*columns.drawn(table, apart=False), "")]


def verdict(ranking: Sequence[Total], found: Evidence) -> list[str]:
    """The winners, the runner-up, and the winners for other numbers of steps."""
    alone = costs_of(found).alone
    if not ranking:
        return [f"undecided: {', '.join(alone)} {ALONE}" if alone else "no winner: no stack has a speed for it"]
    winners, others = [t for t in ranking if t.wins], [t for t in ranking if not t.wins]
    named, time = ", ".join(map(_name, winners)), f"{_time(winners[0].seconds)} with compiling, from empty caches"
    if len(winners) > 1:
        out = [f"winners, which cannot be told apart: {named}; {time}"]
    else:
        out = [f"winner: {named}, {time}"]
    if others:
        second = others[0]
        out.append(
            f"runner-up: {_name(second)}, {_time(second.seconds)} ({_time(second.span.low)} – {_time(second.span.high)})"
        )
    elif len(ranking) == 1:
        out.append("no comparison: no other stack has a speed in this run")
    if alone:
        out.append(f"not ranked: {', '.join(alone)} {ALONE}")
    cold, warm = (_by_steps(costs_of(found, warm=warm)) for warm in (False, True))
    return [*out, f"by the number of steps: {cold}", *([f"from warm disk caches: {warm}"] if warm != cold else [])]


def _by_steps(costs: Costs) -> str:
    parts = []
    for span in costs.ranges():
        between = f" (between {span.earliest:,} and {span.latest:,})" if span.from_steps > 1 else ""
        parts.append(f"{span.result.cell.stack} from {span.from_steps:,} on{between}")
    return "; ".join(parts)


def _time(value: float) -> str:
    """A time in seconds, or in minutes or hours if it is long."""
    return f"{value / 3600:,.1f} h" if value >= 7200 else f"{value / 60:.1f} min" if value >= 300 else seconds(value)


def _name(total: Total) -> str:
    return total.result.cell.stack


def _without(results: Iterable[CellResult]) -> list[tuple[str, str, str]]:
    """(stack, status, first line of the reason) of the stacks that have no speed."""
    bad = [r for r in results if r.status is not Status.OK]
    return [(r.cell.stack, str(r.status), (r.reason.splitlines() or [""])[0]) for r in bad]
