"""One arm of an A/B session, or one of its canary's two: where its children come from, and what they measured."""

import threading
from dataclasses import dataclass, field, replace

from harness import discover
from harness.cell import Cell
from harness.discover import Source, StackSource
from harness.launch import Launcher
from harness.prepared import Prepared
from harness.store import RunFolder
from harness.trial import Start, Trial
from harness.turns import Partner


@dataclass(slots=True)
class Side:
    """One arm's children, or one of the canary's two."""

    prepared: Prepared
    launcher: Launcher
    folder: RunFolder
    models: discover.Room[Source]
    stacks: discover.Room[StackSource]
    trials: list[Trial] = field(default_factory=list)

    def sources(self, cell: Cell) -> tuple[Source, StackSource] | None:
        """The cell's files in this arm; None where it has no such model or stack."""
        if cell.model not in self.models.names or cell.stack not in self.stacks.names:
            return None
        return self.models[cell.model], self.stacks[cell.stack]

    def trial(self, cell: Cell, index: int, partner: Partner | None, lock: threading.Lock) -> None:
        """One trial, kept at once. `lock` is the session's: what is prepared once is prepared by one thread."""
        found = self.sources(cell)
        assert found is not None
        model, stack = found
        with lock:
            if stack.toolchain and stack.toolchain not in self.prepared.seeds:
                self.prepared.once_per_machine(stack)
            baseline, unavailable = self.prepared.baseline(stack)
            artifact = None
            if stack.exported_by is not None:
                artifact, unavailable = self.prepared.artifact(cell, model, stack, unavailable)
            reference = None if unavailable else self.prepared.reference(model, cell.mode, stack.framework)
        if unavailable is not None:
            trial = Trial(
                cell=cell,
                index=index,
                start=Start.COLD,
                settings=self.prepared.plan.settings,
                wall_s=0.0,
                finished_at="",
                framework=stack.framework,
                eager=stack.eager,
                failure=unavailable,
            )
        else:
            with self.launcher.private(self.prepared.seed(stack)) as private:
                trial = self.launcher.measure(cell, model, stack, index, private, Start.COLD, reference, partner, artifact)
        if self.launcher.cancelled.is_set():
            return  # stopped by an interrupt: it says nothing of the cell
        trial = replace(trial, baseline_bytes=baseline)
        self.folder.save(trial)
        self.trials.append(trial)
