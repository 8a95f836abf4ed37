"""Which tables does a report have beside the matrix? Workers, formats, shapes, known graph breaks, environment. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from bakeoff.analysis.results import by_cell
from bakeoff.archive.saved_runs import SavedRun
from bakeoff.compare.report import clean
from bakeoff.records.cell import Cell
from bakeoff.records.trial import Diagnosis, Trial
from bakeoff.tasks.export import table as deploy_table
from bakeoff.views import scaling_table

Section: TypeAlias = tuple[str, str, str, Sequence[str], Sequence[Sequence[str]]]  # id, title, legend, columns, rows


def of(run: SavedRun) -> list[Section]:
    """(id, title, legend, columns, rows) of each table; empty ones are left out."""
    found: list[Section] = []
    scaled = scaling_table.rows(run.trials)
    if scaled:
        found.append(
            (
                "scaling",
                "More workers",
                scaling_table.SCALING_LEGEND,
                scaling_table.SCALING_COLUMNS,
                [scaling_table.formatted(r) for r in scaled],
            )
        )
    served: list[Sequence[str]] = [row.cells for row in deploy_table.rows(by_cell(run.trials), run.exports)]
    if served:
        found.append(("served", "Saved and served", deploy_table.LEGEND, deploy_table.COLUMNS, served))
    shapes: list[Sequence[str]] = [
        (str(s.cell), s.axis, ", ".join(str(step.size) for step in s.steps), ", ".join(map(str, s.recompiled)) or "none")
        for s in run.shape_series
        if s.steps
    ]
    if shapes:
        legend = "One compiled program, called with one size after the other: for which of them it was compiled again."
        found.append(("shapes", "Other shapes", legend, ("cell", "axis", "sizes", "compiled again for"), shapes))
    if run.diagnoses:
        legend = "Models with one known graph break each, and what each stack made of it."
        stacks = list(dict.fromkeys(d.cell.stack for d in run.diagnoses))
        kinds = {d.cell: _kinds(d) for d in run.diagnoses}
        places = dict.fromkeys((cell.model, cell.mode) for cell in kinds)
        gallery = [(model, *(kinds.get(Cell(model, stack, mode), "–") for stack in stacks)) for model, mode in places]
        found.append(("gallery", "Known graph breaks", legend, ("model", *stacks), gallery))
    return found


def _kinds(diagnosis: Diagnosis) -> str:
    """The kinds of breaks that a diagnosing child found."""
    if diagnosis.diagnostics is None:
        return str(diagnosis.failure.status) if diagnosis.failure is not None else "–"
    kinds = Counter(str(b.kind).replace("_", " ") for b in diagnosis.diagnostics.breaks)
    return ", ".join(kinds) or "none"


def environment(run: SavedRun) -> list[tuple[str, str]]:
    """Where and with what all trials ran; values that differ among trials are listed side by side."""

    def one(trial: Trial) -> dict[str, str]:
        e, s = trial.environment, trial.settings
        if e is None:
            return {}
        return {
            "processor": f"{e.cpu}, {e.cores} cores",
            "memory": f"{e.memory_bytes / 2**30:.0f} GiB",
            "platform": e.platform,
            "device": e.device,
            "Python": e.python,
            "settings": ", ".join(
                [
                    f"size {s.size}",
                    f"batch {s.batch_size or 'as the size has it'}",
                    *s.shape,
                    s.dtype,
                    f"{s.threads} threads",
                    f"timeout {s.timeout_s:g} s",
                    f"seed {s.seed}",
                ]
            ),
        }

    found: dict[str, list[str]] = {}
    for trial in run.trials:
        for name, value in one(trial).items():
            found.setdefault(name, [])
            if value not in found[name]:
                found[name].append(value)
    versions = {name: v for t in run.trials if t.environment for name, v in t.environment.versions.items()}
    rows = [(name, "; ".join(values)) for name, values in found.items()]
    rows.append(("versions", ", ".join(f"{name} {v}" for name, v in sorted(versions.items()))))
    rows.append(("commit", str(run.commit_info)))
    if run.command:
        rows.insert(0, ("command", run.command))
    return [(name, clean(value)) for name, value in rows]
