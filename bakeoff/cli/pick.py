"""bakeoff pick: which stack takes the least time for a number of steps? Reads a saved run; --measure makes one first."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from bakeoff import tasks
from bakeoff.analysis import cost
from bakeoff.analysis.cost import Total
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

MOST_RANKED_STEPS = 10**12
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
    ranking = cost.totals(found.results, asked.steps)
    if asked.json:
        print(json.dumps(_record(asked, found, ranking), indent=1))
    else:
        print(*_text(asked, found, ranking), sep="\n")
    if not ranking:
        return 1
    return 0 if cost.choose(ranking).winner is not None else UNDECIDED


def _evidence(asked: argparse.Namespace, plan: Plan) -> Evidence:
    """The results to choose by: measured now, from the named run, or from the latest run with these settings."""
    stacks = None if asked.stacks is None else [stack.name for stack in plan.stacks]
    if asked.measure:
        session, path = _common.measured_and_saved(asked, plan)
        return evidence.of(session.trials, stacks, f"measured now, saved run {path.name[:4]}", plan.settings)
    model, mode, storage = plan.models[0].name, plan.modes[0], _common.saved_in(asked)
    if asked.run is not None:
        return evidence.named(asked.run, storage, model, mode, stacks, plan.settings)
    alone = [stack.name for stack in plan.all_stacks if stack.workers is None and stack.exported_by is None]
    return evidence.latest(storage, model, mode, stacks, plan.settings, stacks or alone)


def _record(asked: argparse.Namespace, found: Evidence, ranking: Sequence[Total]) -> dict[str, object]:
    warm = {t.result.cell: t.seconds for t in cost.totals(found.results, asked.steps, warm=True)}
    choice = cost.choose(ranking)
    rows = [
        {
            "stack": total.result.cell.stack,
            "total_s": total.seconds,
            "low_s": total.span.low,
            "high_s": total.span.high,
            "compile_s": total.result.compile_s,
            "step_s": total.result.step_s,
            "warm_compile_s": total.result.warm_compile_s,
            "warm_total_s": warm[total.result.cell] if total.result.warm_compile_s is not None else None,
            "metrics": {n: v for n, m in METRICS.items() if (v := m.value(total.result)) is not None},
            "processes": len(total.result.measurements),
            "verified": total.result.trust.verified,
            "can_be_compared": total.result.trust.speed_can_be_compared,
            "doubts": [finding.text for finding in total.result.trust.findings],
            "within_noise_of_winner": total.near(choice.winner) if choice.winner is not None else None,
        }
        for total in ranking
    ]
    return {
        "model": asked.model,
        "mode": asked.mode,
        "steps": asked.steps,
        "source": found.source,
        "settings": saved_runs.to_json(found.settings),
        "winner": None if choice.winner is None else _name(choice.winner),
        "undecided": choice.undecided,
        "ranking": rows,
        "by_steps": {"cold": _ranges(found.results, warm=False), "warm": _ranges(found.results, warm=True)},
        "no_speed": [{"stack": name, "status": status, "reason": why} for name, status, why in _without(found.results)],
        "remarks": list(found.remarks),
    }


def _ranges(results: Sequence[CellResult], *, warm: bool) -> list[dict[str, object]]:
    ranges = cost.crossings(results, warm=warm)
    return [
        {"stack": r.result.cell.stack, "from_steps": r.from_steps, "earliest": r.earliest, "latest": r.latest} for r in ranges
    ]


def _text(asked: argparse.Namespace, found: Evidence, ranking: Sequence[Total]) -> list[str]:
    width = terminal.columns(sys.stdout)
    of = found.settings
    shape = "".join(f", {field}" for field in of.shape) + (f", batch {of.batch_size}" if of.batch_size else "")
    where = f"{of.device}, {of.threads} thread{'s' * (of.threads != 1)}, size {of.size}{shape}, {of.dtype}"
    out = columns.wrapped(f"{asked.model} {asked.mode}, {asked.steps:,} steps; {where}; {found.source}", width)
    if ranking:
        out += ["", *_table(ranking, found.results, width)]
        out += [line for text in verdict(ranking, found.results) for line in columns.wrapped(text, width, "  ")]
    else:
        out.append("no stack has a speed for it:")
    lines = [f"no speed: {name} ({status}): {reason}" for name, status, reason in _without(found.results)]
    return out + [line for text in (*lines, *found.remarks) for line in columns.wrapped(text, width, "  ")]


def _table(ranking: Sequence[Total], results: Sequence[CellResult], width: int) -> list[str]:
    warm = {t.result.cell: t.seconds for t in cost.totals(results, ranking[0].steps, warm=True)}
    rows = []
    for total in ranking:
        result, span, count = total.result, total.span, len(total.result.measurements)
        evidence = f"{count} trial{'s' * (count != 1)}" + (", steady" if result.trust.verified else ", not verified")
        if not result.trust.speed_can_be_compared:
            evidence += f", CPU for {result.trust.cpu_share:.0%}"
        again = _time(warm[result.cell]) if result.warm_compile_s is not None else "–"
        times = (_time(total.seconds), f"{_time(span.low)} – {_time(span.high)}", _time(result.compile_s))
        rows.append((result.cell.stack, *times, seconds(result.step_s), again, evidence))
    names = ("stack", "total", "between", "compile", "step", "if warm", "evidence")
    tables = columns.packed(columns.of_rows(names, rows), width)
    return [line for table in tables for line in (*columns.drawn(table, apart=False), "")]


def verdict(ranking: Sequence[Total], results: Sequence[CellResult]) -> list[str]:
    """The winner, the runner-up, and the winners for other numbers of steps; or why there is no winner."""
    choice = cost.choose(ranking)
    best = choice.winner
    if best is None:
        return [f"undecided: {choice.undecided}", "to decide: measure again on a quieter machine, with --measure"]
    out = [f"winner: {_name(best)}, {_time(best.seconds)} with compiling, from empty caches"]
    others = [total for total in ranking if total is not best]
    if others:
        second = others[0]
        out.append(f"runner-up: {_name(second)}, {_time(second.seconds)}, ×{second.seconds / best.seconds:.2f}")
        near = [total for total in others if total.near(best)]
        if near:
            more = "" if best.result.trust.verified else "; more trials would help: --trials 5"
            out.append(f"within noise of the winner, cannot be told apart: {', '.join(map(_name, near))}{more}")
    else:
        out.append("no comparison: no other stack has a speed in this run")
    cold, warm = (_by_steps(results, warm=warm) for warm in (False, True))
    return [*out, f"by the number of steps: {cold}", *([f"from warm disk caches: {warm}"] if warm != cold else [])]


def _by_steps(results: Sequence[CellResult], *, warm: bool) -> str:
    if undecided := cost.undecided_ranges(results, warm=warm):
        return f"undecided: {undecided}"
    parts = []
    for span in cost.crossings(results, warm=warm):
        latest = "perhaps never" if span.latest is None else f"{span.latest:,}"
        between = f" (between {span.earliest:,} and {latest}, by their noise)" if span.from_steps > 1 else ""
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
