"""Two arms in one session: pairs of children that compile at once, warm up alone, and take turns over their steps.

After 7, 12 and 20 pairs the verdicts are read; a cell that has all of them is done. The baseline against itself, the canary,
says how far this session can be trusted. docs/decisions/0010-compiled-at-once.md says why not one after the other.
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
from bakeoff.archive.paired import Ab
from bakeoff.authoring import discovery
from bakeoff.authoring.errors import UsageError
from bakeoff.compare import pairs, rounds
from bakeoff.compare.budgets import Budgets
from bakeoff.compare.pairs import INTERIM_ANALYSES
from bakeoff.compare.verdicts import Verdict
from bakeoff.records.cell import Cell
from bakeoff.records.trial import Phase
from bakeoff.records.turns import ROUNDS
from bakeoff.runner.cells import CellRunner, Preparer
from bakeoff.runner.launch import Launcher
from bakeoff.runner.partner import Ends, Partner
from bakeoff.runner.plan import Plan
from bakeoff.runner.preparation import Preparation
from bakeoff.runner.progress import told
from bakeoff.runner.store import RunFolder, Store
from bakeoff.system import procfs

SPARE = 1.3  # times what the first child holds must be free, for a second one beside it


class PairedSession:
    """Runs the pairs. `record` is valid at any interrupt."""

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
        diagnose: bool = True,
        vanished: Sequence[Cell] = (),  # of the baseline, which this checkout no longer has
    ) -> None:
        self.cells = [*(planned.cell for planned in plan.selected()), *vanished]
        if not self.cells:
            raise UsageError("there is no cell to compare")
        self.alternated = 0
        self.finished = False
        self._diagnosing = diagnose
        self._plan, self._budgets, self._arms, self._say = plan, budgets, arms, say
        self._metrics, self._interim_analyses = tuple(metrics), tuple(interim_analyses)
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - the order of children is no secret
        self.baseline, self.candidate = (self._side(arm, root) for arm in arms)
        self.control = (self._beside(self.baseline, root), self._beside(self.baseline, root)) if control else None

    def run(self) -> None:
        """Pair after pair, cell after cell, until every verdict is there or the last look is over."""
        both = open_cells = self._both()
        probe = pairs.probes(self._metrics)
        done = 0
        try:
            for look in self._interim_analyses:
                for index in range(done, look + probe):
                    if self.control is not None and done == 0 and (tame := control_cell(both, self.baseline, self.control)):
                        self._pair(tame, index, self.control, look + probe, "control")
                    for cell in self._random.sample(open_cells, len(open_cells)):
                        if not self._failed(cell):
                            self._pair(cell, index, (self.baseline, self.candidate), look + probe, "")
                done = look + probe
                open_cells = [cell for cell in self._undecided() if not self._failed(cell)]
                if not open_cells:
                    break
            self.finished = True
            if self._diagnosing:
                self._diagnose()
        finally:
            for sides in filter(None, ((self.baseline, self.candidate), self.control)):
                drop_incomplete_pairs(sides, both)
            for side in (self.baseline, self.candidate, *(self.control or ())):
                side.folder.finish()
                shutil.rmtree(side.folder.scratch, ignore_errors=True)

    @property
    def record(self) -> Ab:
        """What is saved beside the candidate's trials."""
        quiet = ([], []) if self.control is None else rounds.of_pairs(self.control[0].trials, self.control[1].trials)
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
            control=(quiet[0], quiet[1]),
            control_trials=[t for side in self.control or () for t in side.trials],
        )

    @property
    def _summaries(self) -> tuple[list[CellSummary], list[CellSummary]]:
        return rounds.of_pairs(self.baseline.trials, self.candidate.trials)

    @property
    def parts(self) -> dict[str, Any]:
        """The keys of the saved run."""
        from bakeoff.archive.saved_runs import SCHEMA_VERSION, to_json

        found = {
            "schema_version": SCHEMA_VERSION,
            "trials": self.candidate.trials,
            "summaries": self._summaries[1],
            "ab": self.record,
        }
        return {name: to_json(value) for name, value in found.items()}

    def _side(self, arm: Checkout, root: Store) -> ArmRunner:
        plan = self._plan
        interpreters = {**plan.interpreters, **arm.arm.interpreters}
        extra = [Path(p) for p in plan.settings.found_with[1::2]]
        where = dict(zip(map(str, extra), plan.settings.found_with[::2], strict=True))
        models = discovery.models([p for p in extra if where[str(p)] == "--models-from"], arm.root)
        stacks = discovery.stacks([p for p in extra if where[str(p)] == "--compilers-from"], arm.root)
        folder = root.begin(plan.settings, [], 0)
        launcher = Launcher(
            settings=plan.settings,
            folder=folder.logs,
            scratch=folder.scratch,
            interpreters=interpreters,
            root=arm.root,
            variables=arm.arm.variables,
        )
        own = replace(plan, interpreters=interpreters, stacks=list(stacks), all_stacks=list(stacks))
        return ArmRunner(self._cells(own, launcher, folder, root), models, stacks)

    def _cells(self, plan: Plan, launcher: Launcher, folder: RunFolder, root: Store) -> CellRunner:
        preparation = Preparation(plan, launcher, folder, root.machine, self._say)
        preparers = [task for task in tasks.every() if isinstance(task, Preparer)]
        return CellRunner(plan, launcher, preparation, folder, preparers)

    def _beside(self, side: ArmRunner, root: Store) -> ArmRunner:
        """Another runner of the same arm, with a folder of its own; what is prepared once is prepared for both."""
        folder = root.begin(self._plan.settings, [], 0)
        launcher = replace(side.launcher, folder=folder.logs, scratch=folder.scratch)
        return replace(side, cells=replace(side.cells, launcher=launcher, folder=folder), trials=[])

    def _both(self) -> list[Cell]:
        """The cells that both arms have and can run here; of the others each keeps a row."""
        both = []
        for cell in self.cells:
            there = [side for side in (self.baseline, self.candidate) if side.planned(cell) is not None]
            if len(there) == 2:
                both.append(cell)
            elif there:  # new or gone: one trial tells how it stands
                there[0].trial(cell, 0, None, self._lock)
        return both

    def _undecided(self) -> list[Cell]:
        comparison = pairs.comparison(self.record, self._summaries[1], self._budgets)
        return list(dict.fromkeys(c.cell for c in comparison.changes if c.verdict is Verdict.UNDECIDED))

    def _failed(self, cell: Cell, *sides: ArmRunner) -> bool:
        """Has it no measurement in one of `sides`, of both arms if none are named? More pairs would not bring one."""
        both = sides or (self.baseline, self.candidate)
        return any(t.cell == cell and t.failure is not None for side in both for t in side.trials)

    def _diagnose(self) -> None:
        """Both arms' first trials once more with collectors on, so that kernels and places of breaks are compared, too.

        Last of all: nothing is timed any more, and children run side by side.
        """
        both = {t.cell for t in self.baseline.trials} & {t.cell for t in self.candidate.trials}
        for side, arm in zip((self.baseline, self.candidate), self._arms, strict=True):
            for diagnosis in side.diagnosed(both):
                self._say(f"diagnosed {diagnosis.cell} of {arm.arm.label} in {diagnosis.wall_s:.1f} s")

    def _pair(self, cell: Cell, index: int, sides: tuple[ArmRunner, ArmRunner], look: int, kind: str) -> None:
        """Both children, in random order. Where memory allows they compile at once, or at least the second joins the first."""
        first, second = self._random.sample(sides, 2)
        begins = tuple(self._random.random() < 0.5 for _ in range(ROUNDS))
        free, at_once = procfs.available_bytes(), self._room_for_two(cell)
        ready, ended = threading.Event(), threading.Event()
        to_second, to_first = os.pipe(), os.pipe()
        ends = [Ends(to_first[0], to_second[1]), Ends(to_second[0], to_first[1])]

        def on_first(phase: Phase) -> None:
            ends[0].close()
            if phase is Phase.WARM_UP:  # it has compiled
                ready.set()

        def run_first() -> None:
            mine = Partner(fds=ends[0].fds, begins=begins, waits=True, at_once=at_once, on_phase=on_first)
            try:
                first.trial(cell, index, mine, self._lock)
            finally:
                ends[0].close()
                ended.set()
                ready.set()

        for side in sides:  # while no child waits with its clock running
            side.prepare(cell, self._lock)
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
            ends[1].close()  # without a partner the first child goes on alone
            thread.join()
        if partner is None:
            second.trial(cell, index, None, self._lock)
        elif all(side.timed_out for side in sides):  # one may only have waited for the other
            for side in sides:
                side.trials.pop()
                side.trial(cell, index, None, self._lock)
        last = [next(t for t in reversed(side.trials) if t.cell == cell) for side in sides]
        self.alternated += not kind and all(t.measurement is not None and t.measurement.alternated for t in last)
        self._say(f"pair {index + 1}/{look} {cell}{f' ({kind})' * bool(kind)}: {told(last[0])} · {told(last[1])}")

    def _room_for_two(self, cell: Cell) -> bool:
        """Does what the cell's children held at most, so far, fit twice? Nobody knows before the first pair.

        Never on a GPU: compilers measure candidates there, and would measure each other.
        """
        if self._plan.settings.device != "cpu":
            return False
        sides = (self.baseline, self.candidate, *(self.control or ()))
        made = [t.measurement.memory for s in sides for t in s.trials if t.cell == cell and t.measurement is not None]
        most = max((max(m.compile_peak_bytes, m.steady_peak_bytes) for m in made), default=None)
        return most is not None and procfs.available_bytes() > 2 * SPARE * most
