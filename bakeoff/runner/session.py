"""What happens in a run? The tasks are done one after another, timing first. Each record is on disk before the next begins."""

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from bakeoff.machine import neighbours
from bakeoff.records.neighbours import Neighbours
from bakeoff.records.trial import OneTimeCost, Trial
from bakeoff.runner.cells import CellRunner
from bakeoff.runner.plan import Plan
from bakeoff.runner.progress import Progress
from bakeoff.runner.store import RunFolder, Store
from bakeoff.runner.task import Task
from bakeoff.system.environment import child_cpus

R = TypeVar("R")
TIMING = "timing"  # the task whose records are trials


class Session:
    """Runs a plan. `trials` and `records` grow during the run, and are complete up to an interrupt."""

    def __init__(
        self,
        plan: Plan,
        root: Store,
        tasks: Sequence[Task[Any]],
        *,
        resume: bool = False,
        say: Callable[[str], None] = print,
    ) -> None:
        self.plan = plan
        self.tasks = sorted(tasks, key=lambda task: task.order)
        self.folder: RunFolder = (root.resume if resume else root.begin)(plan.settings, plan.identity(), plan.trials)
        self._records: dict[str, dict[str, Any]] = {
            task.name: {task.key(r): r for r in self.folder.records(task.name, task.record)} if resume else {}
            for task in self.tasks
        }
        self.neighbours: Neighbours | None = None  # measured by `run`, if cells are timed on the CPU
        self.wall_s = 0.0
        self.started = time.monotonic()  # when `run` was called
        self.progress = Progress(say)
        self.cells = CellRunner.of(
            plan,
            self.folder,
            root.machine,
            self.progress.note,
            self.tasks,
            keep=self.keep,
            kept=lambda task, cell: task.find(self, cell),
            on_phase=self.progress.phase,
        )
        self.launcher = self.cells.launcher

    @property
    def trials(self) -> list[Trial]:
        """The trials so far."""
        return list(self._records.get(TIMING, {}).values())

    def of(self, task: Task[R]) -> list[R]:
        """The records of a task so far."""
        return list(self._records[task.name].values())

    @property
    def records(self) -> dict[str, list[Any]]:
        """The records so far by name of the task, without timing and without tasks that have none."""
        return {name: list(found.values()) for name, found in self._records.items() if found and name != TIMING}

    @property
    def children_s(self) -> float:
        """Wall seconds spent in children. The rest of `wall_s` is the overhead of the parent."""
        return self.launcher.children_s

    @property
    def one_time_costs(self) -> list[OneTimeCost]:
        """The one-time costs of the stacks of this run, whether paid now or earlier."""
        return self.cells.preparation.one_time_costs

    def run(self) -> None:
        """Do everything that is not done yet. After an interrupt, all finished records are in `records` and on disk."""
        self.started = time.monotonic()
        settings = self.plan.settings
        try:
            if TIMING in self.plan.tasks and settings.device == "cpu" and not settings.target:
                self.neighbours = neighbours.of_this_machine(child_cpus(settings.threads), self.progress.say)
            for task in self.tasks:
                plan = self.plan.tasks.get(task.name)
                if plan is not None:
                    for record in task.run(self, plan):
                        self.keep(task, record)
            self.folder.finish()
        finally:
            self.wall_s = time.monotonic() - self.started
            self.launcher.close()
            self.folder.close()
            shutil.rmtree(self.folder.scratch, ignore_errors=True)

    def keep(self, task: Task[R], record: R) -> None:
        """Save a record. It replaces an older one of the same key."""
        self.folder.save(task.name, task.key(record), record)
        self._records[task.name][task.key(record)] = record

    def keep_trial(self, trial: Trial) -> None:
        """Replace a trial by itself with what was found later, such as its diagnosis."""
        self.keep(next(task for task in self.tasks if task.name == TIMING), trial)

    def forget(self, task: Task[R], record: R) -> None:
        """Delete a record that is to be made again."""
        self.folder.delete(task.name, task.key(record))
        del self._records[task.name][task.key(record)]
