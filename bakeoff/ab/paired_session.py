"""How are two arms measured in one session? As pairs of children that compile at the same time and take turns at their steps.

Each child warms up alone. Interim analyses follow after 7, 12 and 20 pairs; a cell whose verdicts are all decided gets no more
pairs. The A/A control, which is the baseline measured against its own copy, shows how far this session can be trusted.
docs/decisions/0010-compiled-at-once.md explains why the children of a pair do not compile one after the other.
"""

import os
import random
import shutil
import threading
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
from bakeoff.records.trial import Phase
from bakeoff.records.turns import ROUNDS
from bakeoff.runner.cells import CellRunner
from bakeoff.runner.partner import Ends, Partner
from bakeoff.runner.plan import Plan
from bakeoff.runner.progress import formatted
from bakeoff.runner.store import Store
from bakeoff.runner.task import AddsToTrials
from bakeoff.system import procfs
from bakeoff.system.environment import child_cpus

SPARE = 1.3  # a second child starts beside the first only if this many times the first child's memory is free


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
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - the order of children needs no cryptography
        self.baseline, self.candidate = (self._arm_runner(arm, root) for arm in arms)
        self.control = (self._copy_of(self.baseline, root), self._copy_of(self.baseline, root)) if control else None

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
                    if self.control is not None and done == 0 and (chosen := control_cell(shared, self.baseline, self.control)):
                        self._pair(chosen, index, self.control, pair_count + extra, "control")
                    for cell in self._random.sample(open_cells, len(open_cells)):
                        if not self._failed(cell):
                            self._pair(cell, index, (self.baseline, self.candidate), pair_count + extra, "")
                done = pair_count + extra
                open_cells = [cell for cell in self._undecided() if not self._failed(cell)]
                if not open_cells:
                    break
            self.finished = True
            self._add_findings()
        finally:
            for arms in filter(None, ((self.baseline, self.candidate), self.control)):
                drop_incomplete_pairs(arms, shared)
            for arm in (self.baseline, self.candidate, *(self.control or ())):
                arm.folder.finish()
                arm.launcher.close()
                shutil.rmtree(arm.folder.scratch, ignore_errors=True)

    @property
    def record(self) -> Ab:
        """The record that is saved with the candidate's trials."""
        control = ([], []) if self.control is None else summaries_of_pairs(self.control[0].trials, self.control[1].trials)
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
            control=(control[0], control[1]),
            control_trials=[t for arm in self.control or () for t in arm.trials],
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
                having[0].trial(cell, 0, None, self._lock)
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

    def _pair(self, cell: Cell, index: int, arms: tuple[ArmRunner, ArmRunner], pair_count: int, kind: str) -> None:
        """Run both children, in random order.

        They compile at the same time if memory allows. Otherwise the second child joins after the first has compiled, or runs
        after the first has ended.
        """
        first, second = self._random.sample(arms, 2)
        begins = tuple(self._random.random() < 0.5 for _ in range(ROUNDS))
        free, at_once = procfs.available_bytes(), self._room_for_two(cell)
        ready, ended = threading.Event(), threading.Event()
        to_second, to_first = os.pipe(), os.pipe()
        ends = [Ends(to_first[0], to_second[1]), Ends(to_second[0], to_first[1])]

        def on_first(phase: Phase) -> None:
            ends[0].close()
            if phase is Phase.WARM_UP:  # compiling is finished
                ready.set()

        def run_first() -> None:
            partner_of_first = Partner(fds=ends[0].fds, begins=begins, waits=True, at_once=at_once, on_phase=on_first)
            try:
                first.trial(cell, index, partner_of_first, self._lock)
            finally:
                ends[0].close()
                ended.set()
                ready.set()

        for arm in arms:  # now, while no child waits with its clock running
            arm.prepare(cell, self._lock)
        thread = threading.Thread(target=run_first)
        thread.start()
        partner = None
        try:
            if not at_once:
                ready.wait()
            held = max(0, free - procfs.available_bytes())
            if at_once or (not ended.is_set() and procfs.available_bytes() > SPARE * held):
                others = tuple(not begin for begin in begins)
                partner = Partner(
                    fds=ends[1].fds, begins=others, waits=False, at_once=at_once, on_phase=lambda phase: ends[1].close()
                )
                second.trial(cell, index, partner, self._lock)
        except BaseException:
            first.launcher.cancelled.set()
            raise
        finally:
            ends[1].close()  # without a partner the first child continues alone
            thread.join()
        if partner is None:
            second.trial(cell, index, None, self._lock)
        elif all(arm.timed_out for arm in arms):  # one of them may only have waited for the other
            for arm in arms:
                arm.trials.pop()
                arm.trial(cell, index, None, self._lock)
        last = [next(t for t in reversed(arm.trials) if t.cell == cell) for arm in arms]
        self.alternated += not kind and all(t.measurement is not None and t.measurement.alternated for t in last)
        self._say(
            f"pair {index + 1}/{pair_count} {cell}{f' ({kind})' * bool(kind)}: {formatted(last[0])} · {formatted(last[1])}"
        )

    def _room_for_two(self, cell: Cell) -> bool:
        """Is there memory for two children of the cell, by the largest peak so far? Unknown, so False, before the first pair.

        Always False on a GPU: compilers time candidate kernels there, and two of them would disturb each other.
        """
        if self._plan.settings.device != "cpu":
            return False
        arms = (self.baseline, self.candidate, *(self.control or ()))
        measured = [t.measurement.memory for arm in arms for t in arm.trials if t.cell == cell and t.measurement is not None]
        peak = max((max(m.compile_peak_bytes, m.steady_peak_bytes) for m in measured), default=None)
        return peak is not None and procfs.available_bytes() > 2 * SPARE * peak
