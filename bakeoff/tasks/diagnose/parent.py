"""The parent's side of diagnosing: one child per cell, side by side, and what they leave for people to read."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Cell
from bakeoff.records.diagnostics import joined
from bakeoff.records.trial import Diagnosis, Status, Trial
from bakeoff.runner.launch import Launcher, now
from bakeoff.system.sandbox import Sandbox

INDEX = "index.md"
CONTENTS = "contents.json"  # file → what it is, by the stack that wrote it


@dataclass(frozen=True, slots=True)
class Diagnosing:
    """How cells are diagnosed in one run."""

    launcher: Launcher
    seeds: Mapping[str, Path]  # toolchains
    artifacts: Path | None = None  # where generated code is kept

    def of(self, rows: Sequence[tuple[Cell, Source, StackSource]]) -> Iterator[Diagnosis]:
        """Each cell's diagnosis, as it is ready. Leaving early stops the children."""
        with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
            jobs = [pool.submit(self._one, *row) for row in rows]
            try:
                for job in as_completed(jobs):
                    yield job.result()
            finally:
                self.launcher.cancelled.set()  # on an interrupt; else nobody is left to hear it
                for job in jobs:
                    job.cancel()
        self.launcher.cancelled.clear()

    def _one(self, cell: Cell, model: Source, stack: StackSource) -> Diagnosis:
        with self.launcher.private(self.seeds.get(stack.one_time_cost) if stack.one_time_cost else None) as private:
            answer, wall_s = self.launcher.diagnose(cell, model, stack, private)
            if self.artifacts is not None:
                keep(private, self.artifacts / str(cell))
        return Diagnosis(
            cell=cell,
            settings=self.launcher.settings,
            framework=stack.framework,
            wall_s=wall_s,
            finished_at=now(),
            diagnostics=answer.diagnostics,
            failure=answer.failure,
            environment=answer.environment,
        )


def wanted(trial: Trial | None) -> bool:
    """Is there anything to find? A cell that was measured, or whose model the stack refused."""
    refused = trial.failure if trial is not None else None
    told = refused is not None and refused.status is Status.UNSUPPORTED and not refused.no_implementation
    return told or (trial is not None and trial.measurement is not None)


def with_findings(trial: Trial, diagnosis: Diagnosis) -> Trial:
    """The trial with what its diagnosis found. A child that died says so in a remark; the measurement stands."""
    failure = diagnosis.failure
    why_not = f"the diagnosing child failed: {failure.message}" if failure and diagnosis.diagnostics is None else ""
    if trial.measurement is not None and failure and diagnosis.diagnostics:
        why_not = f"the diagnosing child was refused what the timed one was not: {failure.message}"
    return replace(trial, diagnostics=joined(trial.diagnostics, diagnosis.diagnostics, why_not), diagnosed=True)


def keep(private: Sandbox, folder: Path) -> None:
    """Move a child's artifacts to `folder`, in the place of older ones."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if private.artifacts.is_dir():
        shutil.copytree(private.artifacts, folder, dirs_exist_ok=True)


def write_index(folder: Path) -> Path:
    """index.md: every cell's files, what each is, and how large."""
    lines = ["# What the stacks made of the models", ""]
    for cell in sorted(path for path in folder.iterdir() if path.is_dir()):
        contents = cell / CONTENTS
        told: dict[str, str] = json.loads(contents.read_text()) if contents.exists() else {}
        files = sorted(p for p in cell.rglob("*") if p.is_file() and p != contents)
        lines += [f"## {cell.name}", "", *(["| file | bytes | what |", "|---|---|---|"] if files else ["Nothing was written."])]
        for path in files:
            name = str(path.relative_to(cell))
            lines.append(f"| [{name}]({cell.name}/{name}) | {path.stat().st_size:,} | {told.get(name, '')} |")
        lines.append("")
    index = folder / INDEX
    index.write_text("\n".join(lines))
    return index
