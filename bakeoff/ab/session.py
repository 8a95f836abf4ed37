"""What does `bakeoff ab` do? Prepares both arms, measures pairs, and saves the run, also after an interrupt."""

import argparse
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bakeoff import tasks
from bakeoff.ab.arms import Checkout, checkout
from bakeoff.ab.paired_session import PairedSession
from bakeoff.analysis.metrics import SPEED, in_pairs
from bakeoff.authoring import discovery
from bakeoff.authoring.errors import UsageError
from bakeoff.compare.budgets import read_budgets
from bakeoff.records.cell import Cell
from bakeoff.runner import options
from bakeoff.runner.plan import Plan
from bakeoff.runner.processes import sigterm_as_ctrl_c
from bakeoff.runner.store import Store
from bakeoff.system.terminal import to_stderr


def run_ab(asked: argparse.Namespace, storage: Path) -> Path:
    """Measure and save; the path of the saved run. An interrupt saves what was measured and is raised again."""
    sigterm_as_ctrl_c()
    plan = options.plan(lambda name: DEFAULTS[name] if name in DEFAULTS else getattr(asked, name))
    at, judged = interim_analyses(asked.interim_analyses), metrics(asked.metrics)
    budgets = read_budgets(Path(asked.budgets))
    options.need_writable({"--benchmark-storage": storage})
    store = options.store(lambda name: getattr(asked, name))
    with armed(plan, store, asked.baseline, asked.candidate) as arms:
        gone = vanished(plan, arms[0], models=asked.models is None, stacks=asked.stacks is None)
        paired_session = PairedSession(
            plan,
            arms,
            store,
            budgets,
            metrics=judged,
            interim_analyses=at,
            control=not asked.no_control,
            additions=tasks.additions((tasks.defaults() | vars(asked)).__getitem__),
            say=to_stderr,
            vanished=gone,
        )
        return run_and_save(paired_session, storage, asked.command)


@contextmanager
def armed(plan: Plan, store: Store, baseline: str, candidate: str) -> Iterator[tuple[Checkout, Checkout]]:
    """Prepare both arms, each in its own temporary folder."""
    if plan.settings.target:
        raise UsageError(f"--target {plan.settings.target} only compiles, but pairs are timed: leave it out, or use gate")
    frameworks = {stack.framework for stack in plan.all_stacks or plan.stacks}
    store.root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="arms-", dir=store.root))
    try:
        yield checkout(baseline, folder / "0", frameworks), checkout(candidate, folder / "1", frameworks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def vanished(plan: Plan, baseline: Checkout, *, models: bool, stacks: bool) -> list[Cell]:
    """Cells of the baseline whose model or stack this checkout no longer has. `models`, `stacks`: were all of them selected?"""
    apart = {folder.name for folder in discovery.APART}
    there = {m.name for m in discovery.models(root=baseline.root) if m.path.parent.name not in apart}
    old_stacks = {s.name for s in discovery.stacks(root=baseline.root) if s.default}
    now_models, now_stacks = {m.name for m in plan.all_models}, {s.name for s in plan.all_stacks}
    left = sorted(there - now_models) if models else [], sorted(old_stacks - now_stacks) if stacks else []
    own = {m.name for m in plan.models}, {s.name for s in plan.stacks}
    lost = {(m, s) for m in left[0] for s in own[1] | set(left[1])} | {(m, s) for m in own[0] for s in left[1]}
    return [Cell(model, stack, mode) for mode in plan.modes for model, stack in sorted(lost)]


def run_and_save(paired_session: PairedSession, storage: Path, command: str) -> Path:
    """Run the session and save it, with the command line of the run.

    If there are trials, they are saved even if it fails or is interrupted.
    """
    from bakeoff.archive.saving import save

    path: Path | None = None
    try:
        paired_session.run()
    finally:
        arms = paired_session.record
        name = re.sub(r"[^A-Za-z0-9.]+", "-", f"ab_{arms.baseline.label}_{arms.candidate.label}").strip("-")[:80]
        if paired_session.candidate.trials or paired_session.baseline.trials:
            path = save(storage, name, paired_session.parts(command), pairs=True)
            to_stderr(f"saved: {path}")
    if path is None:
        raise UsageError("no cell could be measured in either arm: neither has the models and stacks that were asked for")
    return path


def interim_analyses(text: str) -> list[int]:
    """The numbers of pairs after which an interim analysis is done. UsageError for anything else."""
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise UsageError(f"--interim-analyses {text}: write numbers of pairs, separated by commas, such as 7,12,20") from None
    if found[0] < 1 or found[-1] > 1000:
        raise UsageError(f"--interim-analyses {text}: from 1 to 1000 pairs")
    return found


def metrics(text: str) -> list[str]:
    """The names of metrics that pairs can judge. UsageError for anything else."""
    known = in_pairs()
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UsageError(f"--metrics: there is no {name} in pairs; there are: {', '.join(known)}")
    return list(dict.fromkeys(names)) or [SPEED]


# options that `ab` does not have
DEFAULTS: dict[str, Any] = {"trials": 1, "resume": False, "band": 2.0}
