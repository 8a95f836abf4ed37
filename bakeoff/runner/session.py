"""A run of the matrix: every selected cell, trial by trial, so that a slow minute falls on all cells alike.

Order: what a machine pays once → per framework a child that only imports it → per model a float64 reference → trials.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.analysis.steady import VERIFYING_TRIALS
from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell
from bakeoff.records.compile_only import family
from bakeoff.records.trial import Diagnosis, Export, MachinePeak, OneTimeCost, ShapeSeries, Start, Status, Trial
from bakeoff.runner.launch import Launcher
from bakeoff.runner.plan import Plan
from bakeoff.runner.preparation import Prepared
from bakeoff.runner.progress import Progress
from bakeoff.runner.store import RunFolder, Store
from bakeoff.tasks.diagnose.parent import Diagnosing, wanted, with_findings, write_index


class Session:
    """Runs a plan. `trials` grows as it goes and is valid at any interrupt."""

    def __init__(self, plan: Plan, root: Store, *, resume: bool = False, say: Callable[[str], None] = print) -> None:
        self.plan = plan
        series = {f"{cell} {plan.axis} {plan.shapes}" for cell in plan.shaped}
        cells = sorted({str(cell) for cell, *_ in plan.selected()} | set(map(str, plan.only_diagnosed)) | series)
        self.folder: RunFolder = (root.resume if resume else root.begin)(plan.settings, cells, plan.trials)
        self.trials: list[Trial] = list(self.folder.trials()) if resume else []
        self.diagnoses: list[Diagnosis] = list(self.folder.diagnoses()) if resume else []
        self.series: list[ShapeSeries] = list(self.folder.series()) if resume else []
        self.machine_peaks: list[MachinePeak] = []
        self.wall_s = 0.0
        self._started = time.monotonic()
        self._progress = Progress(say)
        self._launcher = Launcher(
            settings=plan.settings,
            folder=self.folder.logs,
            scratch=self.folder.scratch,
            interpreters=plan.interpreters,
            on_phase=self._progress.phase,
        )
        self._prepared = Prepared(plan, self._launcher, self.folder, root.machine, self._progress.note)

    @property
    def children_s(self) -> float:
        """Wall seconds spent in children: the rest of `wall_s` is the harness's own."""
        return self._launcher.children_s

    @property
    def one_time_costs(self) -> list[OneTimeCost]:
        """What the machine paid once."""
        return self._prepared.one_time_costs

    @property
    def exports(self) -> list[Export]:
        """What deployment formats were exported to, in this session or in the one that it goes on with."""
        return list(self._prepared.exports.values())

    def run(self) -> None:
        """Measure whatever is not measured yet. An interrupt leaves all finished trials in `trials` and on disk."""
        self._started = time.monotonic()
        rows = [(index, *row) for index in range(self.plan.trials) for row in self.plan.selected()]
        todo = [row for row in rows if not self._done(row[1], row[0], row[3])]
        self._progress.expect(len(todo))
        try:
            for stack in self.plan.stacks_used():
                self._prepared.once_per_machine(stack)
            for index, cell, model, stack in todo:
                self._cell(index, cell, model, stack)
            self._verify()
            self._ceiling()
            self._shapes()
            self._diagnose()
            self.folder.finish()
        finally:
            self.wall_s = time.monotonic() - self._started
            self.folder.close()
            shutil.rmtree(self.folder.scratch, ignore_errors=True)

    def _done(self, cell: Cell, index: int, stack: StackSource) -> bool:
        """Is this trial measured, with its warm start? A cold one whose caches are gone before the warm one is forgotten."""
        mine = {t.start: t for t in self.trials if t.cell == cell and t.index == index}
        cold = mine.get(Start.COLD)
        if cold is None:
            return False
        if Start.WARM in mine or cold.measurement is None or not (self.plan.warm and stack.disk_cache):
            return True
        self.trials.remove(cold)
        return False

    def _verify(self) -> None:
        """More trials for cells that did not settle: one process cannot tell its own warm-up from somebody else's load.

        A fixed rule, not a retry until something passes: every trial is kept, and all of them together decide.
        """
        if self.plan.trials >= VERIFYING_TRIALS or not self.plan.verify:
            return
        indices, results = range(self.plan.trials, VERIFYING_TRIALS), by_cell(self.trials)
        first = {cell: CellResult(cell, r.trials[: self.plan.trials], r.warm) for cell, r in results.items()}
        unsteady = [row for row in self.plan.selected() if first[row[0]].status is Status.UNSTEADY]
        todo = [(index, *row) for index in indices for row in unsteady if not self._done(row[0], index, row[2])]
        self._progress.expect(len(todo))
        for index, cell, model, stack in todo:
            if time.monotonic() - self._started > self.plan.verify_within_s:
                break
            self._cell(index, cell, model, stack)

    def _cell(self, index: int, cell: Cell, model: Source, stack: StackSource) -> None:
        baseline, unavailable = self._prepared.refused(stack)
        artifact = None
        if stack.exported_by is not None:
            artifact, unavailable = self._prepared.artifact(cell, model, stack, unavailable)
        if unavailable is not None:  # no child can do better than the one that could not import the framework
            trial = Trial(
                cell=cell,
                index=index,
                start=Start.COLD,
                settings=self.plan.settings,
                wall_s=0.0,
                finished_at="",
                framework=stack.framework,
                eager=stack.eager,
                workers=stack.workers,
                failure=unavailable,
            )
            self._keep(trial)
            return
        nothing = family(self.plan.settings.target) == "cuda"  # is what a compile-only step computes
        reference = None if nothing else self._prepared.reference(model, cell.mode, stack.framework)
        seed = self._prepared.seed(stack)
        with self._launcher.private(seed) as private:
            self._progress.begin(f"{cell}", Start.COLD, index)
            cold = self._launcher.measure(cell, model, stack, index, private, Start.COLD, reference, artifact=artifact)
            self._keep(replace(cold, baseline_bytes=baseline))
            if self.plan.warm and stack.disk_cache and cold.measurement is not None:
                self._progress.begin(f"{cell}", Start.WARM, index)
                warm = self._launcher.measure(cell, model, stack, index, private, Start.WARM, reference, artifact=artifact)
                self._keep(replace(warm, baseline_bytes=baseline))

    def _ceiling(self) -> None:
        """What the machine reaches at most, where there is a count of flops to set against it."""
        counted = any(t.measurement is not None and t.measurement.flops for t in self.trials)
        if self.plan.machine_peak and counted and self.plan.settings.device == "cpu":
            self._progress.note("the machine's own ceiling")
            self.machine_peaks.append(self._launcher.machine_peak())

    def _shapes(self) -> None:
        """A series of shapes through one compiled program per cell."""
        done = {series.cell for series in self.series}
        for cell, model, stack in self.plan.to_shape():
            if cell in done or self._prepared.baseline(stack)[1] is not None:
                continue
            self._progress.note(f"{cell}: {self.plan.axis} {', '.join(map(str, self.plan.shapes))}")
            with self._launcher.private(self._prepared.seed(stack)) as private:
                series = self._launcher.shapes(cell, model, stack, private, self.plan.axis, self.plan.shapes)
            self.folder.save_series(series)
            self.series.append(series)
            self._progress.shaped(series)

    def _diagnose(self) -> None:
        """One diagnosing child per cell that was measured or refused, or is only to be diagnosed. Nothing in it is timed."""
        first = {t.cell: t for t in self.trials if t.index == 0 and t.start is Start.COLD and not t.diagnosed}
        done = {d.cell for d in self.diagnoses}
        todo = []
        for cell, model, stack in self.plan.to_diagnose():
            if wanted(first.get(cell)) or (
                cell in self.plan.only_diagnosed and cell not in done and self._prepared.baseline(stack)[1] is None
            ):
                todo.append((cell, model, stack))
        self._progress.expect_diagnoses(len(todo))
        started = time.monotonic()
        for diagnosis in Diagnosing(self._launcher, self._prepared.seeds, self.plan.artifacts).of(todo):
            if diagnosis.cell in first:
                self._replace(first[diagnosis.cell], diagnosis)
            else:
                self.folder.save_diagnosis(diagnosis)
                self.diagnoses.append(diagnosis)
            self._progress.diagnosed(diagnosis)
        self._launcher.children_s += time.monotonic() - started  # side by side
        if self.plan.artifacts is not None and todo:
            self._progress.say(f"generated code: {write_index(self.plan.artifacts)}")

    def _replace(self, trial: Trial, diagnosis: Diagnosis) -> None:
        after = with_findings(trial, diagnosis)
        self.trials[self.trials.index(trial)] = after
        self.folder.save(after)

    def _keep(self, trial: Trial) -> None:
        self.folder.save(trial)
        self.trials.append(trial)
        self._progress.done(trial)
