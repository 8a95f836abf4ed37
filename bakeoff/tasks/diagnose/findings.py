"""How are cells diagnosed? One child per cell, several at the same time. Also: the files that they leave for people to read."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from bakeoff.records.diagnostics import joined
from bakeoff.records.trial import Status, Trial
from bakeoff.runner.cells import CellRunner
from bakeoff.runner.plan import PlannedCell
from bakeoff.system.sandbox import Sandbox
from bakeoff.tasks.diagnose.record import Diagnosis, DiagnosisResult

INDEX = "index.md"
CONTENTS = "contents.json"  # file → what it is, by the stack that wrote it


def diagnoses(cells: CellRunner, rows: Sequence[PlannedCell], artifacts: Path | None = None) -> Iterator[Diagnosis]:
    """Yield the diagnosis of each cell when it is ready. Closing the iterator stops the children.

    `artifacts`: folder for the generated code, one subfolder per cell; None: it is not kept.
    """
    for planned in rows:  # here, because below several threads would prepare the same things
        cells.ready(planned, reference=False)
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        jobs = [pool.submit(_one, cells, planned, artifacts) for planned in rows]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            cells.launcher.cancelled.set()  # stops children after an interrupt; otherwise all have ended
            for job in jobs:
                job.cancel()
    cells.launcher.cancelled.clear()


def _one(cells: CellRunner, planned: PlannedCell, artifacts: Path | None) -> Diagnosis:
    with cells.sandbox(planned) as sandbox:
        ended = cells.child(
            "bakeoff.tasks.diagnose.child",
            DiagnosisResult,
            planned,
            sandbox,
            name="diagnosis",
            diagnosing=True,
            forked=True,
        )
        if artifacts is not None:
            keep(sandbox, artifacts / str(planned.cell))
    return Diagnosis(
        cell=planned.cell,
        settings=cells.plan.settings,
        framework=planned.stack.framework,
        wall_s=ended.wall_s,
        finished_at=ended.finished_at,
        diagnostics=ended.result.diagnostics if ended.result else None,
        failure=(ended.result.failure if ended.result else None) or ended.failure,
        environment=ended.environment,
    )


def wanted(trial: Trial | None) -> bool:
    """Can a diagnosis find anything? Yes if the cell was measured, or if the stack refused the model."""
    refused = trial.failure if trial is not None else None
    of_model = refused is not None and refused.status is Status.UNSUPPORTED and not refused.no_implementation
    return of_model or (trial is not None and trial.measurement is not None)


def with_findings(trial: Trial, diagnosis: Diagnosis) -> Trial:
    """The trial with the findings of its diagnosis. If the diagnosing child failed, a remark says why."""
    failure = diagnosis.failure
    why_not = f"the diagnosing child failed: {failure.message}" if failure and diagnosis.diagnostics is None else ""
    if trial.measurement is not None and failure and diagnosis.diagnostics:
        why_not = f"the stack refused the model in the diagnosing child, but not in the timed one: {failure.message}"
    return replace(trial, diagnostics=joined(trial.diagnostics, diagnosis.diagnostics, why_not), diagnosed=True)


def keep(sandbox: Sandbox, folder: Path) -> None:
    """Copy a child's artifacts to `folder`. Older ones are deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if sandbox.artifacts.is_dir():
        shutil.copytree(sandbox.artifacts, folder, dirs_exist_ok=True)


def write_index(folder: Path) -> Path:
    """Write index.md, which lists the files of every cell with size and description. Returns its path."""
    lines = ["# What the stacks made of the models", ""]
    for cell in sorted(path for path in folder.iterdir() if path.is_dir()):
        contents = cell / CONTENTS
        described: dict[str, str] = json.loads(contents.read_text()) if contents.exists() else {}
        files = sorted(p for p in cell.rglob("*") if p.is_file() and p != contents)
        lines += [f"## {cell.name}", "", *(["| file | bytes | what |", "|---|---|---|"] if files else ["Nothing was written."])]
        for path in files:
            name = str(path.relative_to(cell))
            lines.append(f"| [{name}]({cell.name}/{name}) | {path.stat().st_size:,} | {described.get(name, '')} |")
        lines.append("")
    index = folder / INDEX
    index.write_text("\n".join(lines))
    return index
