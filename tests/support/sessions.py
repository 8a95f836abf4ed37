"""Makes a session from a plan, with all tasks and their default options."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from bakeoff import tasks
from bakeoff.records.cell import Cell
from bakeoff.runner import options
from bakeoff.runner.plan import Plan
from bakeoff.runner.session import TIMING, Session
from bakeoff.runner.store import Store


def session_of(
    plan: Plan,
    store: Store,
    *,
    resume: bool = False,
    say: Callable[[str], None] = lambda line: None,
    diagnose: bool = True,
    asked: Mapping[str, Iterable[Cell]] | None = None,
    left_out: Iterable[str] = (),
    **given: Any,
) -> Session:
    """A session that has not run.

    `asked`: the cells of each task, by the task's name; `left_out`: names of tasks that are not done; `given`: their options,
    such as shapes="8,9".
    """
    flags = options.MATRIX | options.RUN | tasks.options()
    values = {flag.removeprefix("--").replace("-", "_"): keywords.get("default") for flag, keywords in flags.items()}
    values |= {"no_diagnosis": not diagnose, **given}
    wanted = {name: [plan.found(cell) for cell in cells] for name, cells in (asked or {}).items()}
    if asked is not None:
        wanted.setdefault(TIMING, plan.selected())
    planned = tasks.planned(plan, values.__getitem__, None if asked is None else wanted)
    planned = replace(planned, tasks={name: made for name, made in planned.tasks.items() if name not in set(left_out)})
    return Session(planned, store, tasks.every(), resume=resume, say=say)
