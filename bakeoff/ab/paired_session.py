"""How are two arms measured in one session? Each pair is a group of both, whose children take turns at their steps.

They compile at the same time on the same CPUs, and warm up alone. Interim analyses follow after 7, 12 and 20 pairs; a cell
whose verdicts are all decided gets no more pairs. The A/A control, a copy of the baseline in the groups of one cell, shows how
far this session can be trusted. docs/decisions/0010-compiled-at-once.md explains why they do not compile one after the other.
"""

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff import tasks
from bakeoff.ab.arm_runner import ArmRunner, control_cell, drop_incomplete_pairs
from bakeoff.ab.arms import Checkout
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive import saving
from bakeoff.archive.paired import Ab
from bakeoff.authoring import discovery
from bakeoff.authoring.errors import UsageError
from bakeoff.compare import pairs
from bakeoff.compare.budgets import Budgets
from bakeoff.compare.pairs import INTERIM_ANALYSES
from bakeoff.compare.rounds import summaries_of_pairs
from bakeoff.compare.verdicts import Verdict
from bakeoff.machine import neighbours
from bakeoff.records.cell import Cell
from bakeoff.records.neighbours import Neighbours
from bakeoff.runner.cells import CellRunner
from bakeoff.runner.group import SPARE, Group
from bakeoff.runner.plan import Plan
from bakeoff.runner.progress import formatted
from bakeoff.runner.store import Store
from bakeoff.runner.task import AddsToTrials
from bakeoff.system import procfs
from bakeoff.system.environment import child_cpus


class PairedSession:
    """Runs the pairs. `record` is valid whenever the session is interrupted."""

    def __init__(
        self,
        plan: Plan,
        arms: tuple[Checkout, Checkout],
        root: Store,
        budgets: Budgets,
        *,
        metrics: Sequence[str],
        interim_analyses: Sequence[int] = INTERIM_ANALYSES,
        control: bool = True,
        say: Callable[[str], None],
        seed: int | None = None,
        additions: Sequence[AddsToTrials] = (),
        vanished: Sequence[Cell] = (),  # cells of the baseline that this checkout no longer has
    ) -> None:
        self.cells = [*(planned.cell for planned in plan.selected()), *vanished]
        if not self.cells:
            raise UsageError("there is no cell to compare")
        self.alternated = 0
        self.finished = False
        self.neighbours: Neighbours | None = None  # measured by `run`, if cells are timed on the CPU
        self._additions = additions
        self._plan, self._budgets, self._arms, self._say = plan, budgets, arms, say
        self._metrics, self._interim_analyses = tuple(metrics), tuple(interim_analyses)
        self._random = random.Random(seed)  # noqa: S311 - the order of children needs no cryptography
        self.baseline, self.candidate = (self._arm_runner(arm, root) for arm in arms)
        self.control = self._copy_of(self.baseline, root) if control else None

    def run(self) -> None:
        """Run pairs of all cells until every verdict is decided or the last interim analysis is done."""
        shared = open_cells = self._shared_cells()
        extra = pairs.extra_pairs(self._metrics)
        done = 0
        try:
            if self._plan.settings.device == "cpu":
                self.neighbours = neighbours.of_this_machine(child_cpus(self._plan.settings.threads), self._say)
            for pair_count in self._interim_analyses:
                for index in range(done, pair_count + extra):
                    chosen = None
                    if self.control is not None and done == 0:
                        chosen = control_cell(shared, self.baseline, self.control)
                    for cell in self._random.sample(open_cells, len(open_cells)):
                        if not self._failed(cell):
                            self._pair(cell, index, pair_count + extra, self.control if cell == chosen else None)
                done = pair_count + extra
                open_cells = [cell for cell in self._undecided() if not self._failed(cell)]
                if not open_cells:
                    break
            self.finished = True
            self._add_findings()
        finally:
            drop_incomplete_pairs((self.baseline, self.candidate), shared)
            for arm in filter(None, (self.baseline, self.candidate, self.control)):
                arm.folder.finish()
                arm.launcher.close()
                shutil.rmtree(arm.folder.scratch, ignore_errors=True)

    @property
    def record(self) -> Ab:
        """The record that is saved with the candidate's trials."""
        control = self.control.trials if self.control is not None else []
        copied = {(trial.cell, trial.index) for trial in control}
        original = [trial for trial in self.baseline.trials if (trial.cell, trial.index) in copied]
        there = {(trial.cell, trial.index) for trial in original}
        paired = summaries_of_pairs(original, [trial for trial in control if (trial.cell, trial.index) in there])
        return Ab(
            baseline=self._arms[0].arm,
            candidate=self._arms[1].arm,
            metrics=self._metrics,
            interim_analyses=self._interim_analyses,
            planned=len(self.cells),
            finished=self.finished,
            alternated=self.alternated,
            trials=self.baseline.trials,
            summaries=self._summaries[0],
            control=paired,
            control_trials=control,
        )

    @property
    def _summaries(self) -> tuple[list[CellSummary], list[CellSummary]]:
        return summaries_of_pairs(self.baseline.trials, self.candidate.trials)

    def parts(self, command: str) -> dict[str, Any]:
        """The keys of the saved run, as JSON values. `command`: the command line of the run."""
        return saving.run_parts(command, self.candidate.trials, self._summaries[1], ab=self.record, neighbours=self.neighbours)

    def _arm_runner(self, arm: Checkout, root: Store) -> ArmRunner:
        plan = self._plan
        interpreters = {**plan.interpreters, **arm.arm.interpreters}
        extra = [Path(p) for p in plan.settings.found_with[1::2]]
        where = dict(zip(map(str, extra), plan.settings.found_with[::2], strict=True))
        models = discovery.models([p for p in extra if where[str(p)] == "--models-from"], arm.root)
        stacks = discovery.stacks([p for p in extra if where[str(p)] == "--compilers-from"], arm.root)
        folder = root.begin(plan.settings, [], 0)
        own = replace(plan, interpreters=interpreters, stacks=list(stacks), all_stacks=list(stacks))
        cells = CellRunner.of(own, folder, root.machine, self._say, tasks.every(), root=arm.root, variables=arm.arm.variables)
        return ArmRunner(cells, models, stacks)

    def _copy_of(self, arm: ArmRunner, root: Store) -> ArmRunner:
        """A second runner of the same arm with its own folder. It shares what the first one has prepared."""
        folder = root.begin(self._plan.settings, [], 0)
        launcher = replace(arm.launcher, folder=folder.logs, scratch=folder.scratch)
        return replace(arm, cells=replace(arm.cells, launcher=launcher, folder=folder), trials=[])

    def _shared_cells(self) -> list[Cell]:
        """The cells that both arms have. A cell that only one arm has gets a single trial there."""
        shared = []
        for cell in self.cells:
            having = [arm for arm in (self.baseline, self.candidate) if arm.planned(cell) is not None]
            if len(having) == 2:
                shared.append(cell)
            elif having:  # a new or a removed cell: one trial gives its status
                self._group(cell, 0, having, "0")
        return shared

    def _undecided(self) -> list[Cell]:
        comparison = pairs.comparison(self.record, self._summaries[1], self._budgets)
        return list(dict.fromkeys(c.cell for c in comparison.changes if c.verdict is Verdict.UNDECIDED))

    def _failed(self, cell: Cell) -> bool:
        """Has the cell failed in either arm? Then further pairs are pointless."""
        return any(t.cell == cell and t.failure is not None for arm in (self.baseline, self.candidate) for t in arm.trials)

    def _add_findings(self) -> None:
        """Run each cell of both arms once more, untimed, to compare what only such a child finds, such as kernels.

        This comes last: nothing is timed any more, so children may run in parallel.
        """
        shared = {t.cell for t in self.baseline.trials} & {t.cell for t in self.candidate.trials}
        for task in self._additions:
            for arm, named in zip((self.baseline, self.candidate), self._arms, strict=True):
                for trial, wall_s in arm.added(task, shared):
                    self._say(f"{task.done} {trial.cell} of {named.arm.label} in {wall_s:.1f} s")

    def _pair(self, cell: Cell, index: int, pair_count: int, control: ArmRunner | None) -> None:
        """Run the children of both arms, and of the control, side by side as far as there is memory for them."""
        arms = [self.baseline, self.candidate, *([] if control is None else [control])]
        left, part = self._random.sample(arms, len(arms)), 0
        name = f"{cell.stack}-{cell.mode}-{index}"  # each cell has groups of its own
        while left:  # more than once only where memory does not hold all of them
            left = self._group(cell, index, left, name + f" part {part + 1}" * (part > 0))
            part += 1
        last = [next((t for t in reversed(arm.trials) if t.cell == cell), None) for arm in arms]
        both = [trial for trial in last[:2] if trial is not None and trial.measurement is not None]
        self.alternated += len(both) == 2 and both[0].group == both[1].group
        found = " · ".join(formatted(trial) for trial in last[:2] if trial is not None)
        self._say(f"pair {index + 1}/{pair_count} {cell}{' with control' * (control is not None)}: {found}")

    def _group(self, cell: Cell, index: int, arms: Sequence[ArmRunner], name: str) -> list[ArmRunner]:
        """Run children side by side. Returns the arms that memory did not hold."""
        refused = [arm for arm in arms if arm.prepare(cell)[1].failure is not None]
        for arm in refused:  # now, while no child waits
            planned, ready = arm.prepare(cell)
            arm.keep(arm.cells.trial(planned, index, ready))
        members = {id(arm): arm.member(cell, index, name) for arm in arms if arm not in refused}
        group = Group(
            list(members.values()),
            order=self._random,
            cancel=self._cancel,
            at_once=self._room_to_compile(cell, len(members)),
            room=lambda: procfs.available_bytes() > SPARE * self._peak(cell),
        )
        for arm, trial in group.run():
            arm.keep(trial)
        return [arm for arm in arms if arm not in refused and members[id(arm)] in group.not_started]

    def _cancel(self) -> None:
        for arm in filter(None, (self.baseline, self.candidate, self.control)):
            arm.launcher.cancelled.set()

    def _room_to_compile(self, cell: Cell, children: int) -> bool:
        """Is there memory for all children of the cell at once? Unknown, so False, before the first pair.

        Always False on a GPU: compilers time candidate kernels there, and two of them would disturb each other.
        """
        peak = self._peak(cell)
        return self._plan.settings.device == "cpu" and peak > 0 and procfs.available_bytes() > children * SPARE * peak

    def _peak(self, cell: Cell) -> int:
        """The largest peak of a child of the cell so far; 0 before the first one has ended."""
        arms = filter(None, (self.baseline, self.candidate, self.control))
        measured = [t.measurement.memory for arm in arms for t in arm.trials if t.cell == cell and t.measurement is not None]
        return max((max(m.compile_peak_bytes, m.steady_peak_bytes) for m in measured), default=0)
